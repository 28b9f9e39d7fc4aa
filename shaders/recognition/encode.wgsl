// The encoder: what the embedding of EOS asks of a region, its holistic feature. The question is the same for every region, so it
// comes ready made with the weights.
//
// crops, weights                see attention.wgsl; weights: queries, fc_v, fc_o
// holistic [region][128]
//
// One workgroup a region.
// Source: PAN++ paper section 3.5; spec, Recognition 3.
@group(0) @binding(2) var<storage, read_write> holistic: array<f32>;
@group(0) @binding(3) var<uniform> settings: Settings;
@group(0) @binding(4) var<uniform> sizes: Sizes;

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
  queries[lane] = weights[lane];
  queries[LANES + lane] = weights[LANES + lane];
  workgroupBarrier();
  holistic[region * CHANNELS + lane] = attend(region, HEADS * CHANNELS4, lane);
}
