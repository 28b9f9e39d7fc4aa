enable subgroups;

// Convolution (conv_common.wgsl says what exactly) for adapters whose subgroups have 8 lanes, which are those that compute on a CPU: there every
// read that is not known to be the same for all lanes costs one load a lane. So each lane reads one of 8 pixels and broadcasts it to
// the others. An invocation computes 16 pixels × 4 output channels in registers.
const TILE = 16u;
const SUBGROUP = 8u;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_invocation_id) subgroupLane: u32,
) {
  let first = (group.y * groups.x + group.x) * TILE;
  if (first >= pixelCount()) {
    return;
  }
  let channelGroups = sizes.out4 / LANES;
  let batch = group.z / channelGroups;
  let channel = group.z % channelGroups * LANES + lane;

  // The two pixels that this lane reads.
  let low = window(first + subgroupLane % SUBGROUP);
  let high = window(first + SUBGROUP + subgroupLane % SUBGROUP);

  var s0 = vec4f();
  var s1 = vec4f();
  var s2 = vec4f();
  var s3 = vec4f();
  var s4 = vec4f();
  var s5 = vec4f();
  var s6 = vec4f();
  var s7 = vec4f();
  var s8 = vec4f();
  var s9 = vec4f();
  var s10 = vec4f();
  var s11 = vec4f();
  var s12 = vec4f();
  var s13 = vec4f();
  var s14 = vec4f();
  var s15 = vec4f();

  var w = firstWeight(batch, channel);
  for (var tap = 0u; tap < KERNEL * KERNEL; tap++) {
    let shift = vec2i(i32(tap % KERNEL), i32(tap / KERNEL));
    let lowInside = isInside(low + shift);
    let highInside = isInside(high + shift);
    let lowOffset = offset(batch, low + shift);
    let highOffset = offset(batch, high + shift);
    for (var c = 0u; c < sizes.in4; c++) {
      let w0 = vec4f(weights[w]);
      let w1 = vec4f(weights[w + sizes.out4]);
      let w2 = vec4f(weights[w + 2u * sizes.out4]);
      let w3 = vec4f(weights[w + 3u * sizes.out4]);
      w += 4u * sizes.out4;
      let x0 = fetch(lowOffset + c, lowInside);
      let x8 = fetch(highOffset + c, highInside);
      s0 = multiply(s0, subgroupBroadcast(x0, 0u), w0, w1, w2, w3);
      s1 = multiply(s1, subgroupBroadcast(x0, 1u), w0, w1, w2, w3);
      s2 = multiply(s2, subgroupBroadcast(x0, 2u), w0, w1, w2, w3);
      s3 = multiply(s3, subgroupBroadcast(x0, 3u), w0, w1, w2, w3);
      s4 = multiply(s4, subgroupBroadcast(x0, 4u), w0, w1, w2, w3);
      s5 = multiply(s5, subgroupBroadcast(x0, 5u), w0, w1, w2, w3);
      s6 = multiply(s6, subgroupBroadcast(x0, 6u), w0, w1, w2, w3);
      s7 = multiply(s7, subgroupBroadcast(x0, 7u), w0, w1, w2, w3);
      s8 = multiply(s8, subgroupBroadcast(x8, 0u), w0, w1, w2, w3);
      s9 = multiply(s9, subgroupBroadcast(x8, 1u), w0, w1, w2, w3);
      s10 = multiply(s10, subgroupBroadcast(x8, 2u), w0, w1, w2, w3);
      s11 = multiply(s11, subgroupBroadcast(x8, 3u), w0, w1, w2, w3);
      s12 = multiply(s12, subgroupBroadcast(x8, 4u), w0, w1, w2, w3);
      s13 = multiply(s13, subgroupBroadcast(x8, 5u), w0, w1, w2, w3);
      s14 = multiply(s14, subgroupBroadcast(x8, 6u), w0, w1, w2, w3);
      s15 = multiply(s15, subgroupBroadcast(x8, 7u), w0, w1, w2, w3);
    }
  }

  store(batch, first, channel, s0);
  store(batch, first + 1u, channel, s1);
  store(batch, first + 2u, channel, s2);
  store(batch, first + 3u, channel, s3);
  store(batch, first + 4u, channel, s4);
  store(batch, first + 5u, channel, s5);
  store(batch, first + 6u, channel, s6);
  store(batch, first + 7u, channel, s7);
  store(batch, first + 8u, channel, s8);
  store(batch, first + 9u, channel, s9);
  store(batch, first + 10u, channel, s10);
  store(batch, first + 11u, channel, s11);
  store(batch, first + 12u, channel, s12);
  store(batch, first + 13u, channel, s13);
  store(batch, first + 14u, channel, s14);
  store(batch, first + 15u, channel, s15);
}
