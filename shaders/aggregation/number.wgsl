// Pixel aggregation 5: kernels get their numbers 1 … n in raster order of their roots; the third step of numbering them.
//
// masks   [3][words]          see common.wgsl
// parents [2][height][width]  roots
// blocks  [ceil(words / 8)]   kernel roots before each block
// areas   [2][height][width]  by root; in: areas, out: text's areas and kernels' numbers
// kernels [pixels / 2 + 1]    by number; `root` and `area` are written
//
// One invocation a block of 8 words.
@group(0) @binding(0) var<storage, read> masks: array<u32>;
@group(0) @binding(1) var<storage, read> parents: array<u32>;
@group(0) @binding(2) var<storage, read> blocks: array<u32>;
@group(0) @binding(3) var<storage, read_write> areas: array<u32>;
@group(0) @binding(4) var<storage, read_write> kernels: array<Kernel>;
@group(0) @binding(5) var<uniform> sizes: Sizes;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let block = (group.y * groups.x + group.x) * 64u + lane;
  let end = min(block * 8u + 8u, wordCount());
  if (block * 8u >= end) {
    return;
  }
  var number = blocks[block];
  for (var word = block * 8u; word < end; word++) {
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
}
