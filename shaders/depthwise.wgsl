// Depthwise 3×3 convolution, padding 1, stride 1 or 2, without bias or activation: the first half of an FPEM unit.
//
// input   [inHeight][inWidth][CHANNELS4]    vec4 of channels
// weights [9][CHANNELS4]
// output  [outHeight][outWidth][CHANNELS4]
//
// One invocation an output vec4. Reads outside the map count as zero.
// Source: the separable convolution of PAN++'s FPEM; spec, Neck.
override STRIDE: i32;
override CHANNELS4: u32;

struct Sizes {
  inHeight: i32,
  inWidth: i32,
  outHeight: i32,
  outWidth: i32,
}

@group(0) @binding(0) var<storage, read> input: array<input4>;
@group(0) @binding(1) var<storage, read> weights: array<weight4>;
@group(0) @binding(2) var<storage, read_write> output: array<output4>;
@group(0) @binding(3) var<uniform> sizes: Sizes;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lane;
  if (index >= u32(sizes.outHeight * sizes.outWidth) * CHANNELS4) {
    return;
  }
  let channel = index % CHANNELS4;
  let pixel = i32(index / CHANNELS4);
  let top = pixel / sizes.outWidth * STRIDE - 1;
  let left = pixel % sizes.outWidth * STRIDE - 1;
  var sum = vec4f();
  for (var tap = 0; tap < 9; tap++) {
    let y = top + tap / 3;
    let x = left + tap % 3;
    if (y >= 0 && y < sizes.inHeight && x >= 0 && x < sizes.inWidth) {
      let value = vec4f(input[u32(y * sizes.inWidth + x) * CHANNELS4 + channel]);
      sum = fma(value, vec4f(weights[u32(tap) * CHANNELS4 + channel]), sum);
    }
  }
  output[index] = output4(sum);
}
