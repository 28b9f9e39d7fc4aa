// Batched matrix product, out[b] = rows[b] × weights[b], with an optional epilogue: relu(product + bias + residual). A 1×1 convolution is
// one batch; the inner products of a Winograd convolution are 36. What matmul.wgsl and matmul_subgroup8.wgsl have in common.
//
// rows     [BATCHES][count][in4]        vec4 of input channels
// weights  [BATCHES][in4·4][out4]       vec4 of output channels
// biases   [out4]                       read if EPILOGUE
// residual [count][out4]                read if RESIDUAL
// output   [BATCHES][count][out4]
override LANES: u32;
override EPILOGUE: bool;
override RELU: bool;
override RESIDUAL: bool;

struct Sizes {
  count: u32,
  // Input and output channels, in fours.
  in4: u32,
  out4: u32,
}

@group(0) @binding(0) var<storage, read> rows: array<input4>;
@group(0) @binding(1) var<storage, read> weights: array<weight4>;
@group(0) @binding(2) var<storage, read> biases: array<vec4f>;
@group(0) @binding(3) var<storage, read> residual: array<output4>;
@group(0) @binding(4) var<storage, read_write> output: array<output4>;
@group(0) @binding(5) var<uniform> sizes: Sizes;

// Four input channels times their 4 × 4 weights.
fn multiply(sum: vec4f, x: vec4f, w0: vec4f, w1: vec4f, w2: vec4f, w3: vec4f) -> vec4f {
  return fma(vec4f(x.w), w3, fma(vec4f(x.z), w2, fma(vec4f(x.y), w1, fma(vec4f(x.x), w0, sum))));
}

fn store(batch: u32, row: u32, channel: u32, sum: vec4f, bias: vec4f) {
  if (row >= sizes.count) {
    return;
  }
  var value = sum + bias;
  if (RESIDUAL) {
    value += vec4f(residual[row * sizes.out4 + channel]);
  }
  if (RELU) {
    value = max(value, vec4f());
  }
  output[(batch * sizes.count + row) * sizes.out4 + channel] = output4(value);
}
