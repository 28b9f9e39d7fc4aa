// The encoder: attention over a region with the embedding of EOS as query gives its holistic
// feature. The query is the same for every region, so it is precomputed with the weights.
//
// crops, cropValues, weights    see attention.wgsl; weights: queries, fc_v, fc_o
// holistic [region][128]
//
// One workgroup per region.
// Source: PAN++ paper, recognition head; spec, Recognition 3.
@group(0) @binding(3) var<storage, read_write> holistic: array<f32>;
@group(0) @binding(4) var<uniform> settings: Settings;
@group(0) @binding(5) var<uniform> sizes: Sizes;

struct Settings {
  // Regions in this run.
  count: u32,
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let region = group.x;
  if (region >= settings.count) {
    return;
  }
  for (var head = 0u; head < HEADS; head++) {
    queries[head * CHANNELS + lane] = weightAt(head * CHANNELS4, lane);
  }
  workgroupBarrier();
  holistic[region * CHANNELS + lane] = attend(region, HEADS * CHANNELS4, lane);
}
