// Sums of every region: its area at the resized image's size (each pixel of the map counts for the
// image pixels that nearest-neighbour sampling gives it) and the sum of its text probability,
// sigmoid(text logit), over those pixels. Text that no kernel took becomes background.
//
// map    [height][width][4]   vec2, see masks.wgsl
// masks  [3][words]           see common.wgsl
// labels [height][width]
// sums   [pixels / 2 + 1]     by label
//
// One invocation per word. It sums pixels as long as the label stays the same, so that few atomic
// additions go to one address. A word's sum of at most 32 · 1024 probabilities (see
// maxMagnification in plan.ts) is a float32, added in fixed order; sums of words are added in fixed
// point.
// Source: spec, Regions.
@group(0) @binding(0) var<storage, read> map: array<vec2f>;
@group(0) @binding(1) var<storage, read> masks: array<u32>;
@group(0) @binding(2) var<storage, read_write> labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> sums: array<AtomicRegionSum>;
@group(0) @binding(4) var<uniform> sizes: Sizes;

// RegionSum, with atomic members.
struct AtomicRegionSum {
  area: atomic<u32>,
  scoreLow: atomic<u32>,
  scoreHigh: atomic<u32>,
}

const SCORE_UNIT = 1048576.0;

// Number of the `samples` nearest-neighbour samples that fall on position `at` of `size`. Whole
// multiples apart, so that products stay below 2³² (longestUneven in plan.ts).
fn samplesAt(at: u32, size: u32, samples: u32) -> u32 {
  let rest = samples % size;
  return samples / size + ((at + 1u) * rest + size - 1u) / size - (at * rest + size - 1u) / size;
}

// Remainder of a sample before column `at`, in units of 1 / width of a sample.
fn remainderAt(at: u32) -> u32 {
  return (at * (sizes.imageWidth % sizes.width) + sizes.width - 1u) % sizes.width;
}

fn add(label: u32, area: u32, score: f32) {
  atomicAdd(&sums[label].area, area);
  // 2²⁰ · 4096 = 2³².
  let high = floor(score / 4096.0);
  let low = u32((score - high * 4096.0) * SCORE_UNIT + 0.5);
  let before = atomicAdd(&sums[label].scoreLow, low);
  atomicAdd(&sums[label].scoreHigh, u32(high) + u32(before + low < before));
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
  let column = word % wordsAcross() * 32u;
  let rows = samplesAt(word / wordsAcross(), sizes.height, sizes.imageHeight);
  // Computes samplesAt for successive columns without divisions.
  let step = sizes.imageWidth / sizes.width;
  let fraction = sizes.imageWidth % sizes.width;
  var text = masks[word];
  var at = firstBit(text);
  var remainder = remainderAt(column + at);
  while (text != 0u) {
    let end = at + onesFromBelow(text >> at);
    let begin = origin + at;
    let label = labels[begin];
    var area = 0u;
    var score = 0.0;
    for (; at < end && labels[origin + at] == label; at++) {
      remainder += fraction;
      let samples = step + u32(remainder >= sizes.width);
      remainder -= select(0u, sizes.width, remainder >= sizes.width);
      area += samples;
      score += f32(samples) / (1.0 + exp(-map[(origin + at) * 4u].x));
    }
    if (label == OPEN) {
      for (var pixel = origin + at; pixel > begin; pixel--) {
        labels[pixel - 1u] = 0u;
      }
    } else if (label != 0u) {
      add(label, area * rows, score * f32(rows));
    }
    if (at == end) {
      text = withoutPiece(text);
      at = firstBit(text);
      remainder = remainderAt(column + at);
    }
  }
}
