// Sum of two maps of the same shape, in any layout: an FPEM's input added to its output (PAN++), or
// FPEM outputs summed (PAN).
//
// a, b, output [count]    vec4
//
// Source: spec, Neck.
struct Sizes {
  count: u32,
}

@group(0) @binding(0) var<storage, read> a: array<input4>;
@group(0) @binding(1) var<storage, read> b: array<input4>;
@group(0) @binding(2) var<storage, read_write> output: array<output4>;
@group(0) @binding(3) var<uniform> sizes: Sizes;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lane;
  if (index < sizes.count) {
    output[index] = output4(vec4f(a[index]) + vec4f(b[index]));
  }
}
