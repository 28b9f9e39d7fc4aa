// Second step of conv3×3(upsample(f)) on coarse maps (see tap_rows.wgsl), for the three coarser levels of the pyramid at once:
// upsamples along x, sums the three columns of taps, and sums the levels.
//
// level2, level3, level4 [height][levelWidth][3 columns of taps][CHANNELS4]   vec4 of channels
// output                 [height][width][CHANNELS4]
//
// One invocation an output vec4.
// Source: spec, Detection head ("a property worth using").
override CHANNELS4: u32;

struct Sizes {
  height: u32,
  width: i32,
  width2: i32,
  width3: i32,
  width4: i32,
}

@group(0) @binding(0) var<storage, read> level2: array<input4>;
@group(0) @binding(1) var<storage, read> level3: array<input4>;
@group(0) @binding(2) var<storage, read> level4: array<input4>;
@group(0) @binding(3) var<storage, read_write> output: array<output4>;
@group(0) @binding(4) var<uniform> sizes: Sizes;

// Where one shifted column lies between two columns of a level, as offsets of this tap's channels in the level's array.
struct Between {
  low: u32,
  high: u32,
  share: f32,
}

fn between(y: u32, shifted: i32, tap: u32, levelWidth: i32, channel: u32) -> Between {
  let source = max((f32(shifted) + 0.5) * (f32(levelWidth) / f32(sizes.width)) - 0.5, 0.0);
  let low = min(i32(source), levelWidth - 1);
  let high = min(low + 1, levelWidth - 1);
  let row = y * u32(levelWidth);
  return Between(
    ((row + u32(low)) * 3u + tap) * CHANNELS4 + channel,
    ((row + u32(high)) * 3u + tap) * CHANNELS4 + channel,
    source - f32(low),
  );
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lane;
  let rowLength = u32(sizes.width) * CHANNELS4;
  if (index >= sizes.height * rowLength) {
    return;
  }
  let y = index / rowLength;
  let x = i32(index % rowLength / CHANNELS4);
  let channel = index % CHANNELS4;
  var sum = vec4f();
  for (var tap = 0u; tap < 3u; tap++) {
    let shifted = x + i32(tap) - 1;
    if (shifted >= 0 && shifted < sizes.width) {
      let in2 = between(y, shifted, tap, sizes.width2, channel);
      let in3 = between(y, shifted, tap, sizes.width3, channel);
      let in4 = between(y, shifted, tap, sizes.width4, channel);
      sum += mix(vec4f(level2[in2.low]), vec4f(level2[in2.high]), in2.share);
      sum += mix(vec4f(level3[in3.low]), vec4f(level3[in3.high]), in3.share);
      sum += mix(vec4f(level4[in4.low]), vec4f(level4[in4.high]), in4.share);
    }
  }
  output[index] = output4(sum);
}
