// Pixel aggregation 4: how many kernel roots lie in each block of 256 pixels; the first step of numbering them in raster order.
//
// kernelParent [height][width]   roots
// blocks       [ceil(pixels / 256)]
//
// One invocation a block.
@group(0) @binding(0) var<storage, read> kernelParent: array<u32>;
@group(0) @binding(1) var<storage, read_write> blocks: array<u32>;
@group(0) @binding(2) var<uniform> sizes: Sizes;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let block = (group.y * groups.x + group.x) * 64u + lane;
  let begin = block * 256u;
  let pixels = sizes.height * sizes.width;
  if (begin >= pixels) {
    return;
  }
  var count = 0u;
  for (var pixel = begin; pixel < min(begin + 256u, pixels); pixel++) {
    count += select(0u, 1u, kernelParent[pixel] == pixel);
  }
  blocks[block] = count;
}
