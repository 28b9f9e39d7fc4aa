// Stores a convolution (conv_common.wgsl): out = relu(W * in + b + residual).
//
// residual [batches][outHeight][outWidth][out4]     read if RESIDUAL
override RESIDUAL: bool;

@group(0) @binding(3) var<storage, read> residual: array<output4>;

// Stores a sum, to which the bias has been added.
fn store(batch: u32, pixel: u32, channel: u32, sum: vec4f) {
  if (pixel < pixelCount()) {
    let at = (batch * pixelCount() + pixel) * sizes.out4 + channel;
    var value = sum;
    if (RESIDUAL) {
      value += vec4f(residual[at]);
    }
    if (RELU) {
      value = relu(value);
    }
    output[at] = output4(value);
  }
}
