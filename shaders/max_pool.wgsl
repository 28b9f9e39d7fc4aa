// Max-pooling 3×3, stride 2, padding 1: the end of the stem.
//
// input  [images][inHeight][inWidth][CHANNELS4]    vec4 of channels
// output [images][outHeight][outWidth][CHANNELS4]
//
// Values are not negative, because a ReLU comes before. So they are compared as integers, where NaN
// is larger than all others and reaches the output; what max() makes of NaN is up to the driver.
//
// One invocation per output vec4; the third workgroup dimension is the image. Positions outside the
// map are ignored.
// Source: spec, Backbone.
override CHANNELS4: u32;

struct Sizes {
  inHeight: i32,
  inWidth: i32,
  outHeight: i32,
  outWidth: i32,
  // Row of the whole pooled map that is row 0 of the output.
  firstRow: i32,
}

@group(0) @binding(0) var<storage, read> input: array<input4>;
@group(0) @binding(1) var<storage, read_write> output: array<output4>;
@group(0) @binding(2) var<uniform> sizes: Sizes;

// `row` is the index of the row's first pixel.
fn rowMaximum(row: i32, left: i32, middle: i32, right: i32, channel: u32) -> vec4u {
  return max(max(at(row + left, channel), at(row + middle, channel)), at(row + right, channel));
}

fn at(pixel: i32, channel: u32) -> vec4u {
  return bitcast<vec4u>(vec4f(input[u32(pixel) * CHANNELS4 + channel]));
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lane;
  let values = u32(sizes.outHeight * sizes.outWidth) * CHANNELS4;
  if (index >= values) {
    return;
  }
  let channel = index % CHANNELS4;
  let pixel = i32(index / CHANNELS4);
  let centre = vec2i(pixel % sizes.outWidth, pixel / sizes.outWidth + sizes.firstRow) * 2;
  let low = max(centre - 1, vec2i(0));
  let high = min(centre + 1, vec2i(sizes.inWidth, sizes.inHeight) - 1);
  let rows = (vec3i(low.y, centre.y, high.y) + i32(group.z) * sizes.inHeight) * sizes.inWidth;
  let above = rowMaximum(rows.x, low.x, centre.x, high.x, channel);
  let here = rowMaximum(rows.y, low.x, centre.x, high.x, channel);
  let below = rowMaximum(rows.z, low.x, centre.x, high.x, channel);
  let largest = max(max(above, here), below);
  output[group.z * values + index] = output4(bitcast<vec4f>(largest));
}
