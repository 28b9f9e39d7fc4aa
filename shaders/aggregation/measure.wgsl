// Pixel aggregation 3: finds the root of every piece, counts areas, and counts kernel roots per
// block and stretch for numbering.
//
// masks   [3][words]          see common.wgsl
// parents [2][height][width]  see masks.wgsl; afterwards roots
// areas   [2][height][width]  by root, of text and of kernels
// counts  [blocks + stretches]  see common.wgsl
//
// One invocation per word of text or kernels.
@group(0) @binding(0) var<storage, read> masks: array<u32>;
@group(0) @binding(1) var<storage, read_write> parents: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read_write> areas: array<atomic<u32>>;
@group(0) @binding(3) var<storage, read_write> counts: array<atomic<u32>>;
@group(0) @binding(4) var<uniform> sizes: Sizes;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lane;
  let words = wordCount();
  if (index >= 2u * words) {
    return;
  }
  let isKernel = index >= words;
  let word = index - select(0u, words, isKernel);
  let origin = firstPixel(word) + select(0u, pixelCount(), isKernel);
  var rest = masks[index];
  var roots = 0u;
  while (rest != 0u) {
    let start = firstBit(rest);
    let length = onesFromBelow(rest >> start);
    rest = withoutPiece(rest);
    let piece = origin + start;
    var root = piece;
    var parent = atomicLoad(&parents[piece]);
    while (parent != root) {
      root = parent;
      parent = atomicLoad(&parents[root]);
      // Stored at every step, so that the path also gets shorter for other invocations.
      atomicStore(&parents[piece], parent);
    }
    atomicAdd(&areas[root], length);
    roots += u32(root == piece);
  }
  if (isKernel && roots > 0u) {
    atomicAdd(&counts[blockOf(word)], roots);
    atomicAdd(&counts[stretchOf(blockOf(word))], roots);
  }
}
