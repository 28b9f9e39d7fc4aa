// Stores a convolution (conv_common.wgsl) and its sum with another map: out = relu(W * in + b),
// total = out + addend. So an FPEM's input is added to its output (PAN++), or the outputs of FPEMs
// are summed (PAN).
//
// addend, total [batches][outHeight][outWidth][out4]
//
// Source: spec, Neck.
@group(0) @binding(3) var<storage, read> addend: array<output4>;
@group(0) @binding(6) var<storage, read_write> total: array<output4>;

// Stores a sum, to which the bias has been added.
fn store(batch: u32, pixel: u32, channel: u32, sum: vec4f) {
  if (pixel < pixelCount()) {
    let at = (batch * pixelCount() + pixel) * sizes.out4 + channel;
    var value = sum;
    if (RELU) {
      value = relu(value);
    }
    output[at] = output4(value);
    total[at] = output4(value + vec4f(addend[at]));
  }
}
