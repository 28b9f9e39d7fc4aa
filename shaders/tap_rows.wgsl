// First of two steps of conv3×3(upsample(f)) computed on the coarse map. Upsampling acts on each channel alone and the conv is
// a sum over its taps of shifted 1×1 convs, so conv3×3(up(f)) = Σ over taps of shift(up(W_tap · f)), exactly. A 1×1 conv has
// made W_tap · f for all 9 taps at the coarse size; this step upsamples along y and sums the three rows of taps. tap_columns.wgsl
// does the same along x.
//
// input  [rows from firstTapRow on][width][3 rows of taps][3 columns of taps][CHANNELS4]   vec4 of channels
// output [rows][width][3 columns of taps][CHANNELS4]
//
// The maps are bands of rows of a level's inHeight and the finest level's outHeight.
// One invocation an output vec4. Shifted reads outside the upsampled map count as zero; bilinear, half-pixel centres.
// Source: spec, Detection head ("a property worth using").
override CHANNELS4: u32;

struct Sizes {
  inHeight: i32,
  outHeight: i32,
  width: u32,
  firstTapRow: i32,
  // The output's band.
  firstRow: i32,
  rows: u32,
}

@group(0) @binding(0) var<storage, read> input: array<input4>;
@group(0) @binding(1) var<storage, read_write> output: array<output4>;
@group(0) @binding(2) var<uniform> sizes: Sizes;

// Where a row of the level begins in the band, in rows of the output's length.
fn tapRow(row: i32) -> u32 {
  return u32(row - sizes.firstTapRow) * 3u;
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lane;
  let rowLength = sizes.width * 3u * CHANNELS4;
  if (index >= sizes.rows * rowLength) {
    return;
  }
  let y = sizes.firstRow + i32(index / rowLength);
  let inRow = index % rowLength;
  let column = inRow / (3u * CHANNELS4);
  let channel = inRow % (3u * CHANNELS4);
  let scale = f32(sizes.inHeight) / f32(sizes.outHeight);
  var sum = vec4f();
  for (var tap = 0; tap < 3; tap++) {
    let shifted = y + tap - 1;
    if (shifted >= 0 && shifted < sizes.outHeight) {
      let source = max((f32(shifted) + 0.5) * scale - 0.5, 0.0);
      let low = min(i32(source), sizes.inHeight - 1);
      let high = min(low + 1, sizes.inHeight - 1);
      let share = source - f32(low);
      let at = (column * 3u + u32(tap)) * 3u * CHANNELS4 + channel;
      sum += mix(vec4f(input[tapRow(low) * rowLength + at]), vec4f(input[tapRow(high) * rowLength + at]), share);
    }
  }
  output[index] = output4(sum);
}
