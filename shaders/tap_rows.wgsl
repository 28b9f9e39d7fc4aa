// First of two steps of conv3×3(upsample(f)) computed on the coarse map. Upsampling acts on each
// channel alone and the conv is a sum over its taps of shifted 1×1 convs, so conv3×3(up(f)) = Σ
// over taps of shift(up(W_tap · f)), exactly. A preceding 1×1 conv computes W_tap · f for all 9
// taps at the coarse size; this step upsamples along y and sums the three rows of taps.
// tap_columns.wgsl does the same along x.
//
// input  [images][rows from firstTapRow on][width][3 rows of taps][3 columns of taps][CHANNELS4]
// output [images][rows][width][3 columns of taps][CHANNELS4]
//
// The maps are bands of rows: the input of a level with inHeight rows, the output of the finest
// level with outHeight rows. The input has every level row that the output's rows need. One
// invocation computes four rows of one vec4; the third workgroup dimension is the image. Statements
// with `$p` are repeated for each of the four rows (src/wgsl/unroll.ts). Shifted reads outside the
// upsampled map are zero.
// Source: spec, Detection head ("a property worth using").
override CHANNELS4: u32;

struct Sizes {
  inHeight: i32,
  outHeight: i32,
  width: u32,
  firstTapRow: i32,
  tapRows: i32,
  // The output's band.
  firstRow: i32,
  rows: u32,
}

@group(0) @binding(0) var<storage, read> input: array<input4>;
@group(0) @binding(1) var<storage, read_write> output: array<output4>;
@group(0) @binding(2) var<uniform> sizes: Sizes;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lane;
  let rowLength = sizes.width * 3u * CHANNELS4;
  let row = index / rowLength * 4u;
  if (row >= sizes.rows) {
    return;
  }
  let column = index % rowLength / (3u * CHANNELS4);
  let channel = index % (3u * CHANNELS4);
  let y = sizes.firstRow + i32(row);
  let scale = f32(sizes.inHeight) / f32(sizes.outHeight);
  let low = lowest(y, scale);
  let wanted = low - sizes.firstTapRow + vec4i(0, 1, 2, 3);
  let tapRows = vec4u(clamp(wanted, vec4i(0), vec4i(sizes.tapRows - 1)));
  let rows = tapRows + group.z * u32(sizes.tapRows);
  let begin = (rows * sizes.width + column) * 9u * CHANNELS4 + channel;
  var s$p = vec4f();
  for (var tap = 0; tap < 3; tap++) {
    let at = begin + u32(tap) * 3u * CHANNELS4;
    let values = mat4x4f(
      vec4f(input[at.x]),
      vec4f(input[at.y]),
      vec4f(input[at.z]),
      vec4f(input[at.w]),
    );
    let first = y + tap - 1;
    s$p += values * shares(first + $p, sizes.outHeight, low, scale);
  }
  let to = (group.z * sizes.rows + row) * rowLength + index % rowLength;
  store(to + $pu * rowLength, row + $pu, s$p);
}

fn store(at: u32, row: u32, sum: vec4f) {
  if (row < sizes.rows) {
    output[at] = output4(sum);
  }
}
