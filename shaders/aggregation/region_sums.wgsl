// Sums of every region: its area at the resized image's size (each pixel of the map counts for the image pixels that nearest-neighbour
// sampling gives it) and its text probability, sigmoid(text logit), over those pixels.
//
// map    [height][width][2]   vec4, see init.wgsl
// labels [height][width]
// sums   [pixels / 2 + 1]     by label
//
// One invocation a stretch of 16 pixels: it adds up as long as the label stays, so that few additions meet at one address.
// Source: spec, Regions.
@group(0) @binding(0) var<storage, read> map: array<vec4f>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read_write> sums: array<AtomicRegionSum>;
@group(0) @binding(3) var<uniform> sizes: Sizes;

// RegionSum, to be changed by many.
struct AtomicRegionSum {
  area: atomic<u32>,
  scoreLow: atomic<u32>,
  scoreHigh: atomic<u32>,
}

const SCORE_UNIT = 1048576.0;

// How many of `samples` nearest-neighbour samples fall on position `at` of `size`.
fn samplesAt(at: u32, size: u32, samples: u32) -> u32 {
  return ((at + 1u) * samples + size - 1u) / size - (at * samples + size - 1u) / size;
}

fn add(label: u32, area: u32, score: u32) {
  if (label == 0u) {
    return;
  }
  atomicAdd(&sums[label].area, area);
  let before = atomicAdd(&sums[label].scoreLow, score);
  if (before + score < before) {
    atomicAdd(&sums[label].scoreHigh, 1u);
  }
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let begin = ((group.y * groups.x + group.x) * 64u + lane) * 16u;
  let end = min(begin + 16u, sizes.height * sizes.width);
  var label = 0u;
  var area = 0u;
  var score = 0u;
  for (var pixel = begin; pixel < end; pixel++) {
    // A pixel adds less than 2³¹ (see maxMagnification in plan.ts), so that the score can't run over.
    if (labels[pixel] != label || score > 0x7fffffffu) {
      add(label, area, score);
      label = labels[pixel];
      area = 0u;
      score = 0u;
    }
    if (label != 0u) {
      let weight = samplesAt(pixel % sizes.width, sizes.width, sizes.imageWidth)
        * samplesAt(pixel / sizes.width, sizes.height, sizes.imageHeight);
      let probability = 1.0 / (1.0 + exp(-map[pixel * 2u].x));
      area += weight;
      score += weight * u32(round(probability * SCORE_UNIT));
    }
  }
  add(label, area, score);
}
