// Pixel aggregation 1: text = textLogit > 0, kernel = kernelLogit > 0 and text, as bits; every
// piece becomes its own root.
//
// map        [height][width][4]   vec2: text, kernel logit | instance vector 0, 1 | 2, 3 | none
// masks      [3][words]           see common.wgsl; the first two are written
// parents    [2][height][width]   by piece, of text and of kernels: an earlier piece of the same
//                                 component, or itself
// areas      [2][height][width]   by root; cleared at every possible root
// components [height][width]      by text root; likewise, except the bounds
// counts     [blocks + stretches] cleared for measure.wgsl
// listed                          `faults` is set
//
// One invocation per word.
@group(0) @binding(0) var<storage, read> map: array<vec2f>;
@group(0) @binding(1) var<storage, read_write> masks: array<u32>;
@group(0) @binding(2) var<storage, read_write> parents: array<u32>;
@group(0) @binding(3) var<storage, read_write> areas: array<u32>;
@group(0) @binding(4) var<storage, read_write> components: array<TextComponent>;
@group(0) @binding(5) var<storage, read_write> counts: array<u32>;
@group(0) @binding(6) var<storage, read_write> listed: AtomicListed;
@group(0) @binding(7) var<uniform> sizes: Sizes;

// Largest absolute value that the invocation read, and largest in an instance vector of text, as
// float32 bits, which sort like the values; infinity and NaN sort last. Bits are compared because a
// compiler may assume that floats are never NaN.
var<private> largest: vec2u;
var<private> largestVector: vec2u;
const INFINITE = 0x7f800000u;

// 1 where the logit is positive: text, kernel.
fn bitsAt(pixel: u32) -> vec2u {
  let at = min(pixel, pixelCount() - 1u) * 4u;
  let logits = map[at];
  let vector = max(sizeOf(map[at + 1u]), sizeOf(map[at + 2u]));
  largest = max(largest, max(sizeOf(logits), vector));
  largestVector = max(largestVector, select(vec2u(), vector, logits.x > 0.0));
  return vec2u(logits > vec2f());
}

fn sizeOf(values: vec2f) -> vec2u {
  return bitcast<vec2u>(values) & vec2u(0x7fffffffu);
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let word = wordAt((group.y * groups.x + group.x) * 64u + lane);
  if (word >= wordCount()) {
    return;
  }
  let origin = firstPixel(word);
  // From the last bit to the first. Four per iteration, because on some adapters the loop costs
  // more than its body.
  var both = vec2u();
  for (var at = 32u; at > 0u; at -= 4u) {
    let pixel = origin + at - 4u;
    let upper = bitsAt(pixel + 3u) * 8u + bitsAt(pixel + 2u) * 4u;
    let lower = bitsAt(pixel + 1u) * 2u + bitsAt(pixel);
    both = both * 16u + upper + lower;
  }
  if (max(largest.x, largest.y) >= INFINITE) {
    atomicOr(&listed.faults, 1u);
  }
  // Sums over a kernel's pixels, at most all of the map's, have 32 integer bits (see Kernel).
  let summable = bitcast<u32>(0x1p31 / f32(pixelCount()));
  if (max(largestVector.x, largestVector.y) >= summable) {
    atomicOr(&listed.faults, 2u);
  }
  // Pixels read beyond the end of the row are not part of this word.
  both &= vec2u(0xffffffffu >> (32u - bitsOf(word)));
  var text = both.x;
  var kernel = both.x & both.y;
  masks[word] = text;
  masks[wordCount() + word] = kernel;
  if (word % BLOCK == 0u) {
    counts[blockOf(word)] = 0u;
  }
  if (word % (BLOCK * STRETCH) == 0u) {
    counts[stretchOf(blockOf(word))] = 0u;
  }
  while (text != 0u) {
    let start = firstBit(text);
    text = withoutPiece(text);
    parents[origin + start] = origin + start;
    areas[origin + start] = 0u;
    let component = &components[origin + start];
    (*component).smallest = NONE;
    (*component).largest = 0u;
    (*component).area = 0u;
    (*component).label = 0u;
  }
  let kernels = pixelCount() + origin;
  while (kernel != 0u) {
    let start = firstBit(kernel);
    kernel = withoutPiece(kernel);
    parents[kernels + start] = kernels + start;
    areas[kernels + start] = 0u;
  }
}
