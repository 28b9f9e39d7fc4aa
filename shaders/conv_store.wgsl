// Writes a convolution's values (conv_common.wgsl): out = relu(W * in + b + residual).
//
// residual [batches][outHeight][outWidth][out4]     read if RESIDUAL
override RESIDUAL: bool;

@group(0) @binding(3) var<storage, read> residual: array<output4>;

fn put(at: u32, sum: vec4f) {
  var value = sum;
  if (RESIDUAL) {
    value += vec4f(residual[at]);
  }
  output[at] = output4(activated(value));
}
