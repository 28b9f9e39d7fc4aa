// Pixel aggregation 4: kernels are numbered 1 … n in raster order of their roots.
//
// masks   [3][words]            see common.wgsl
// parents [2][height][width]    roots
// counts  [blocks + stretches]  see common.wgsl
// areas   [2][height][width]    by root; in: areas, out: text's areas and kernels' numbers
// kernels [pixels / 2 + 1]      by number; `root` and `area` are written
// listed                        its first three counts are written
//
// One invocation per block of words. It sums the counts before its block itself; stretches keep
// that short.
@group(0) @binding(0) var<storage, read> masks: array<u32>;
@group(0) @binding(1) var<storage, read> parents: array<u32>;
@group(0) @binding(2) var<storage, read> counts: array<u32>;
@group(0) @binding(3) var<storage, read_write> areas: array<u32>;
@group(0) @binding(4) var<storage, read_write> kernels: array<Kernel>;
@group(0) @binding(5) var<storage, read_write> listed: Listed;
@group(0) @binding(6) var<uniform> sizes: Sizes;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let block = (group.y * groups.x + group.x) * 64u + lane;
  if (block >= blockCount()) {
    return;
  }
  var number = 0u;
  for (var stretch = blockCount(); stretch < stretchOf(block); stretch++) {
    number += counts[stretch];
  }
  for (var before = block / STRETCH * STRETCH; before < block; before++) {
    number += counts[before];
  }
  let end = min(block * BLOCK + BLOCK, wordCount());
  for (var word = block * BLOCK; word < end; word++) {
    let origin = firstPixel(word);
    var rest = masks[wordCount() + word];
    while (rest != 0u) {
      let start = firstBit(rest);
      rest = withoutPiece(rest);
      let piece = pixelCount() + origin + start;
      if (parents[piece] == piece) {
        number++;
        kernels[number].root = origin + start;
        kernels[number].area = areas[piece];
        areas[piece] = number;
      }
    }
  }
  if (block + 1u == blockCount()) {
    listed.components = 0u;
    listed.queued = 0u;
    listed.kernels = number;
  }
}
