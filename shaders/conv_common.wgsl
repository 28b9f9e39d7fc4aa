// Shared by conv.wgsl, conv_subgroup.wgsl, conv_tiled.wgsl and conv_matrix.wgsl: the convolution's
// bindings, and addresses of its reads and writes. conv_store.wgsl or conv_store_sum.wgsl, which
// follows, says what is written (`put`).
//
// 2-D convolution, square kernel, any stride, padding KERNEL / 2. A batched matrix product, such as
// the inner one of a Winograd convolution, is a 1×1 convolution of several batches, each with its
// own weights; with SHARED weights, batches are images.
//
// input    [batches][inHeight][inWidth][in4]        vec4 of channels
// weights  [batches][KERNEL·KERNEL][in4·4][out4]    vec4 of output channels; in conv_matrix.wgsl
//                                                   [out4·4][in4], vec4 of input channels; one
//                                                   batch if SHARED
// biases   [out4]                                   read if BIAS
// output   [batches][outHeight][outWidth][out4]
//
// The lanes of a workgroup (local x) share pixels and compute neighbouring channels: reads of the
// input are uniform, reads of weights contiguous. Pixels are numbered over the whole map, so that
// small maps leave no lanes idle. Reads outside the map are zero.
// Source: batch norm folded as in the spec; padding as everywhere in ResNet, FPEM and heads.
override KERNEL: u32;
override STRIDE: u32;
override SHARED: bool;
override LANES: u32;
override BIAS: bool;
override RELU: bool;

struct Sizes {
  inHeight: i32,
  inWidth: i32,
  outHeight: i32,
  outWidth: i32,
  // Input and output channels, in fours.
  in4: u32,
  out4: u32,
}

@group(0) @binding(0) var<storage, read> input: array<input4>;
@group(0) @binding(1) var<storage, read> weights: array<weight4>;
@group(0) @binding(2) var<storage, read> biases: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> output: array<output4>;
@group(0) @binding(5) var<uniform> sizes: Sizes;

// Pixels of one batch's output.
fn pixelCount() -> u32 {
  return u32(sizes.outHeight * sizes.outWidth);
}

// Top left corner of the kernel's window for an output pixel. Pixels beyond the last are computed
// as the last and not stored.
fn window(pixel: u32) -> vec2i {
  let inside = min(pixel, pixelCount() - 1u);
  let width = u32(sizes.outWidth);
  return vec2i(i32(inside % width * STRIDE), i32(inside / width * STRIDE)) - i32(KERNEL / 2u);
}

// Whether the input has this pixel.
fn isInside(at: vec2i) -> bool {
  // A negative number becomes a large one.
  return (KERNEL == 1u) | all(vec2u(at) < vec2u(vec2i(sizes.inWidth, sizes.inHeight)));
}

fn offset(batch: u32, at: vec2i) -> u32 {
  let inside = clamp(at, vec2i(0), vec2i(sizes.inWidth, sizes.inHeight) - 1);
  return u32((i32(batch) * sizes.inHeight + inside.y) * sizes.inWidth + inside.x) * sizes.in4;
}

fn fetch(index: u32, inside: bool) -> vec4f {
  return select(vec4f(), vec4f(input[index]), inside);
}

// Index of a batch's weights.
fn weightsOf(batch: u32) -> u32 {
  return select(batch, 0u, SHARED);
}

// Where a batch's weights for an output channel begin.
fn firstWeight(batch: u32, channel: u32) -> u32 {
  return weightsOf(batch) * KERNEL * KERNEL * sizes.in4 * 4u * sizes.out4 + channel;
}

// Four input channels times their 4 × 4 weights.
fn multiply(sum: vec4f, x: vec4f, w0: vec4f, w1: vec4f, w2: vec4f, w3: vec4f) -> vec4f {
  return fma(vec4f(x.w), w3, fma(vec4f(x.z), w2, fma(vec4f(x.y), w1, fma(vec4f(x.x), w0, sum))));
}

fn biasOf(channel: u32) -> vec4f {
  var bias = vec4f();
  if (BIAS) {
    bias = biases[channel];
  }
  return bias;
}

// ReLU, if there is one. Decided by the bits: what max() and comparisons make of NaN is up to the
// driver. This keeps NaN, so that it reaches the output and is reported.
fn activated(value: vec4f) -> vec4f {
  let isNegative = bitcast<vec4u>(value) - 0x80000000u <= vec4u(0x7f800000u);
  return select(value, vec4f(), isNegative & vec4<bool>(RELU));
}

// Stores a sum, to which the bias has been added.
fn store(batch: u32, pixel: u32, channel: u32, sum: vec4f) {
  if (pixel < pixelCount()) {
    put((batch * pixelCount() + pixel) * sizes.out4 + channel, sum);
  }
}
