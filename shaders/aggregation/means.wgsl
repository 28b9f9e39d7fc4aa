// Pixel aggregation 8: the mean instance vector of every flagged kernel.
//
// listed  [pixels / 2 + 3]   see common.wgsl
// kernels [pixels / 2 + 1]   by number
//
// One invocation a kernel.
@group(0) @binding(0) var<storage, read> listed: array<u32>;
@group(0) @binding(1) var<storage, read_write> kernels: array<Kernel>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let number = (group.y * groups.x + group.x) * 64u + lane + 1u;
  if (number > listed[LISTED_KERNELS] || kernels[number].flagged == 0u) {
    return;
  }
  let sum = vec4f(kernels[number].wholes) + vec4f(kernels[number].parts) / 4294967296.0;
  kernels[number].mean = sum / f32(kernels[number].area);
}
