// Bilinear upsampling of the head's map to a larger size.
//
// input  [images][inHeight][inWidth][CHANNELS4]      vec4 of channels
// output [images][outHeight][outWidth][CHANNELS4]
//
// One invocation per output vec4; the third workgroup dimension is the image. Half-pixel centres,
// clamped at the edges (align_corners = false).
// Source: spec, Detection head; PyTorch's interpolate(mode = 'bilinear').
override CHANNELS4: u32;

struct Sizes {
  inHeight: i32,
  inWidth: i32,
  outHeight: i32,
  outWidth: i32,
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
  let values = u32(sizes.outHeight * sizes.outWidth) * CHANNELS4;
  if (index >= values) {
    return;
  }
  // Index of the image's first value of the channel.
  let first = group.z * u32(sizes.inHeight * sizes.inWidth) * CHANNELS4 + index % CHANNELS4;
  let pixel = i32(index / CHANNELS4);
  let inSize = vec2i(sizes.inWidth, sizes.inHeight);
  let outSize = vec2i(sizes.outWidth, sizes.outHeight);
  let position = vec2f(vec2i(pixel % sizes.outWidth, pixel / sizes.outWidth)) + 0.5;
  let source = max(position * (vec2f(inSize) / vec2f(outSize)) - 0.5, vec2f());
  let low = min(vec2i(source), inSize - 1);
  let high = min(low + 1, inSize - 1);
  let share = source - vec2f(low);
  let top = mix(at(low.x, low.y, first), at(high.x, low.y, first), share.x);
  let bottom = mix(at(low.x, high.y, first), at(high.x, high.y, first), share.x);
  output[group.z * values + index] = output4(mix(top, bottom, share.y));
}

fn at(x: i32, y: i32, first: u32) -> vec4f {
  return vec4f(input[u32(y * sizes.inWidth + x) * CHANNELS4 + first]);
}
