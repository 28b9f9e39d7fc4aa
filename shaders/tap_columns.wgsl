// Second step of conv3×3(upsample(f)) on coarse maps (see tap_rows.wgsl), for the three coarser
// levels of the pyramid at once: upsamples along x, sums the three columns of taps, and sums the
// levels.
//
// level2, level3, level4 [rows][levelWidth][3 columns of taps][CHANNELS4]   vec4 of channels
// output                 [rows][width][CHANNELS4]
//
// The rows of all images are processed as one map. One invocation computes four pixels of a row and
// one vec4, so the width must be a multiple of 4. Shifted reads outside the upsampled map are zero.
// Statements with `$p` are repeated for each of the four pixels (src/wgsl/unroll.ts).
// Source: spec, Detection head ("a property worth using").
override CHANNELS4: u32;

struct Sizes {
  rows: u32,
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

// Where the taps of four columns begin, from column `low` on.
fn places(y: u32, low: i32, levelWidth: i32, channel: u32) -> vec4u {
  let columns = clamp(low + vec4i(0, 1, 2, 3), vec4i(0), vec4i(levelWidth - 1));
  return (y * u32(levelWidth) + vec4u(columns)) * 3u * CHANNELS4 + channel;
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lane;
  let rowLength = u32(sizes.width) / 4u * CHANNELS4;
  if (index >= sizes.rows * rowLength) {
    return;
  }
  let y = index / rowLength;
  let x = i32(index % rowLength / CHANNELS4) * 4;
  let channel = index % CHANNELS4;
  let scale2 = f32(sizes.width2) / f32(sizes.width);
  let scale3 = f32(sizes.width3) / f32(sizes.width);
  let scale4 = f32(sizes.width4) / f32(sizes.width);
  let low2 = lowest(x, scale2);
  let low3 = lowest(x, scale3);
  let low4 = lowest(x, scale4);
  let at2 = places(y, low2, sizes.width2, channel);
  let at3 = places(y, low3, sizes.width3, channel);
  let at4 = places(y, low4, sizes.width4, channel);
  var s$p = vec4f();
  for (var tap = 0u; tap < 3u; tap++) {
    let first = x + i32(tap) - 1;
    let step = tap * CHANNELS4;
    let m2 = mat4x4f(
      vec4f(level2[at2.x + step]),
      vec4f(level2[at2.y + step]),
      vec4f(level2[at2.z + step]),
      vec4f(level2[at2.w + step]),
    );
    s$p += m2 * shares(first + $p, sizes.width, low2, scale2);
    let m3 = mat3x4f(
      vec4f(level3[at3.x + step]),
      vec4f(level3[at3.y + step]),
      vec4f(level3[at3.z + step]),
    );
    s$p += m3 * shares(first + $p, sizes.width, low3, scale3).xyz;
    let m4 = mat3x4f(
      vec4f(level4[at4.x + step]),
      vec4f(level4[at4.y + step]),
      vec4f(level4[at4.z + step]),
    );
    s$p += m4 * shares(first + $p, sizes.width, low4, scale4).xyz;
  }
  let to = (y * u32(sizes.width) + u32(x)) * CHANNELS4 + channel;
  output[to + $pu * CHANNELS4] = output4(s$p);
}
