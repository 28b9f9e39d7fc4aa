// Pixel aggregation 4: running total of the blocks' counts of kernel roots; the second step of numbering them.
//
// blocks [ceil(words / 8)]   in: counts; out: sum of the counts before
// listed [pixels + 3]        out: its three counts
//
// One workgroup for all: every lane adds up a stretch of blocks, the stretches' sums are scanned, and the stretches written.
@group(0) @binding(0) var<storage, read_write> blocks: array<u32>;
@group(0) @binding(1) var<storage, read_write> listed: array<u32>;
@group(0) @binding(2) var<uniform> sizes: Sizes;

const LANES = 64u;
var<workgroup> sums: array<u32, LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(local_invocation_index) lane: u32) {
  let blockCount = (wordCount() + 7u) / 8u;
  let stretch = (blockCount + LANES - 1u) / LANES;
  let begin = min(lane * stretch, blockCount);
  let end = min(begin + stretch, blockCount);
  var own = 0u;
  for (var block = begin; block < end; block++) {
    own += blocks[block];
  }
  sums[lane] = own;
  workgroupBarrier();
  var before = 0u;
  for (var other = 0u; other < lane; other++) {
    before += sums[other];
  }
  if (lane == LANES - 1u) {
    listed[LISTED_COMPONENTS] = 0u;
    listed[LISTED_QUEUED] = 0u;
    listed[LISTED_KERNELS] = before + own;
  }
  for (var block = begin; block < end; block++) {
    let count = blocks[block];
    blocks[block] = before;
    before += count;
  }
}
