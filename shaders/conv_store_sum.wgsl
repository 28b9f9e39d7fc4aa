// Writes a convolution's values (conv_common.wgsl) and their sum with another map:
// out = relu(W * in + b), total = out + addend. So an FPEM's input is added to its output (PAN++),
// or the outputs of FPEMs are summed (PAN).
//
// addend, total [batches][outHeight][outWidth][out4]
//
// Source: spec, Neck.
@group(0) @binding(3) var<storage, read> addend: array<output4>;
@group(0) @binding(6) var<storage, read_write> total: array<output4>;

fn put(at: u32, sum: vec4f) {
  let value = activated(sum);
  output[at] = output4(value);
  total[at] = output4(value + vec4f(addend[at]));
}
