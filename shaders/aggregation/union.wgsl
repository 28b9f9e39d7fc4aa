// Pixel aggregation 2: 4-connected components by union-find. Every piece is joined with the pieces
// that it touches in the previous word and in the row above.
//
// masks   [3][words]          see common.wgsl
// parents [2][height][width]  see masks.wgsl
//
// One invocation per word of text or kernels. A piece's parent always comes earlier, so in the end
// a component's root is its first piece in raster order.
// Source: Playne and Hawick 2018, "A New Algorithm for Parallel Connected-Component Labelling on
// GPUs" (label reduction).
@group(0) @binding(0) var<storage, read> masks: array<u32>;
@group(0) @binding(1) var<storage, read_write> parents: array<atomic<u32>>;
@group(0) @binding(2) var<uniform> sizes: Sizes;

// Lock-free: if another invocation changed the parent of `high` meanwhile, that parent is joined
// with `low` next.
fn join(a: u32, b: u32) {
  var high = max(a, b);
  var low = min(a, b);
  while (high != low) {
    let parent = atomicMin(&parents[high], low);
    if (parent == high) {
      break;
    }
    high = max(parent, low);
    low = min(parent, low);
  }
}

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
  let across = wordsAcross();
  let mask = masks[index];
  let isFirst = word % across == 0u;
  let isTop = word < across;
  let above = select(masks[max(index, across) - across], 0u, isTop);
  let before = select(masks[max(index, 1u) - 1u], 0u, isFirst);
  // Where the row above crosses the same word boundary, the two pieces are joined through that row.
  let beforeAbove = select(masks[max(index, across + 1u) - across - 1u], 0u, isTop || isFirst);
  var crosses = (mask & (before >> 31u) & ~(above & (beforeAbove >> 31u)) & 1u) != 0u;
  var touching = mask & above;
  while (crosses || touching != 0u) {
    if (crosses) {
      crosses = false;
      join(origin, origin - 32u + pieceStart(before, 31u));
    } else {
      let at = firstBit(touching);
      touching = withoutPiece(touching);
      join(origin + pieceStart(mask, at), origin - sizes.width + pieceStart(above, at));
    }
  }
}
