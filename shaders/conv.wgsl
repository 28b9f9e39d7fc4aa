// 2-D convolution, square kernel, any stride, with bias, optional residual and ReLU: out = relu(W * in + b + residual).
//
// input    [inHeight][inWidth][in4]        vec4 of channels
// weights  [KERNEL·KERNEL][in4·4][out4]    vec4 of output channels
// biases   [out4]
// residual [outHeight][outWidth][out4]     read if RESIDUAL
// output   [outHeight][outWidth][out4]
//
// An invocation computes 8 pixels × 4 output channels in registers. The lanes of a row (local x) share their pixels and take
// neighbouring channels: input reads are the same for the whole row, weight reads are contiguous. Pixels are counted over the
// whole map, so small maps waste no lanes. Reads outside the map count as zero.
// Source: batch norm folded as in the spec; padding KERNEL / 2 as everywhere in ResNet, FPEM and heads.
override KERNEL: u32;
override STRIDE: u32;
override LANES: u32;
override ROWS: u32;
override RELU: bool;
override RESIDUAL: bool;

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
@group(0) @binding(3) var<storage, read> residual: array<output4>;
@group(0) @binding(4) var<storage, read_write> output: array<output4>;
@group(0) @binding(5) var<uniform> sizes: Sizes;

const TILE = 8u;

// Top left corner of the kernel's window for one output pixel.
fn window(pixel: u32, count: u32) -> vec2i {
  let inside = min(pixel, count - 1u);
  let width = u32(sizes.outWidth);
  return vec2i(i32(inside % width * STRIDE), i32(inside / width * STRIDE)) - i32(KERNEL / 2u);
}

fn isInside(at: vec2i) -> bool {
  return KERNEL == 1u || (all(at >= vec2i(0)) && at.x < sizes.inWidth && at.y < sizes.inHeight);
}

fn offset(at: vec2i) -> u32 {
  let inside = clamp(at, vec2i(0), vec2i(sizes.inWidth, sizes.inHeight) - 1);
  return u32(inside.y * sizes.inWidth + inside.x) * sizes.in4;
}

fn fetch(index: u32, inside: bool) -> vec4f {
  return select(vec4f(), vec4f(input[index]), inside);
}

// Four input channels times their 4 × 4 weights.
fn multiply(sum: vec4f, x: vec4f, w0: vec4f, w1: vec4f, w2: vec4f, w3: vec4f) -> vec4f {
  return fma(vec4f(x.w), w3, fma(vec4f(x.z), w2, fma(vec4f(x.y), w1, fma(vec4f(x.x), w0, sum))));
}

fn store(pixel: u32, count: u32, channel: u32, sum: vec4f, bias: vec4f) {
  if (pixel >= count) {
    return;
  }
  let at = pixel * sizes.out4 + channel;
  var value = sum + bias;
  if (RESIDUAL) {
    value += vec4f(residual[at]);
  }
  if (RELU) {
    value = max(value, vec4f());
  }
  output[at] = output4(value);
}

@compute @workgroup_size(LANES, ROWS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let count = u32(sizes.outHeight * sizes.outWidth);
  let first = ((group.y * groups.x + group.x) * ROWS + local.y) * TILE;
  if (first >= count) {
    return;
  }
  let channel = group.z * LANES + local.x;

  let p0 = window(first, count);
  let p1 = window(first + 1u, count);
  let p2 = window(first + 2u, count);
  let p3 = window(first + 3u, count);
  let p4 = window(first + 4u, count);
  let p5 = window(first + 5u, count);
  let p6 = window(first + 6u, count);
  let p7 = window(first + 7u, count);

  var s0 = vec4f();
  var s1 = vec4f();
  var s2 = vec4f();
  var s3 = vec4f();
  var s4 = vec4f();
  var s5 = vec4f();
  var s6 = vec4f();
  var s7 = vec4f();

  var w = channel;
  for (var tap = 0u; tap < KERNEL * KERNEL; tap++) {
    let shift = vec2i(i32(tap % KERNEL), i32(tap / KERNEL));
    let in0 = isInside(p0 + shift);
    let in1 = isInside(p1 + shift);
    let in2 = isInside(p2 + shift);
    let in3 = isInside(p3 + shift);
    let in4 = isInside(p4 + shift);
    let in5 = isInside(p5 + shift);
    let in6 = isInside(p6 + shift);
    let in7 = isInside(p7 + shift);
    let o0 = offset(p0 + shift);
    let o1 = offset(p1 + shift);
    let o2 = offset(p2 + shift);
    let o3 = offset(p3 + shift);
    let o4 = offset(p4 + shift);
    let o5 = offset(p5 + shift);
    let o6 = offset(p6 + shift);
    let o7 = offset(p7 + shift);
    for (var c = 0u; c < sizes.in4; c++) {
      let w0 = vec4f(weights[w]);
      let w1 = vec4f(weights[w + sizes.out4]);
      let w2 = vec4f(weights[w + 2u * sizes.out4]);
      let w3 = vec4f(weights[w + 3u * sizes.out4]);
      w += 4u * sizes.out4;
      s0 = multiply(s0, fetch(o0 + c, in0), w0, w1, w2, w3);
      s1 = multiply(s1, fetch(o1 + c, in1), w0, w1, w2, w3);
      s2 = multiply(s2, fetch(o2 + c, in2), w0, w1, w2, w3);
      s3 = multiply(s3, fetch(o3 + c, in3), w0, w1, w2, w3);
      s4 = multiply(s4, fetch(o4 + c, in4), w0, w1, w2, w3);
      s5 = multiply(s5, fetch(o5 + c, in5), w0, w1, w2, w3);
      s6 = multiply(s6, fetch(o6 + c, in6), w0, w1, w2, w3);
      s7 = multiply(s7, fetch(o7 + c, in7), w0, w1, w2, w3);
    }
  }

  let bias = biases[channel];
  store(first, count, channel, s0, bias);
  store(first + 1u, count, channel, s1, bias);
  store(first + 2u, count, channel, s2, bias);
  store(first + 3u, count, channel, s3, bias);
  store(first + 4u, count, channel, s4, bias);
  store(first + 5u, count, channel, s5, bias);
  store(first + 6u, count, channel, s6, bias);
  store(first + 7u, count, channel, s7, bias);
}
