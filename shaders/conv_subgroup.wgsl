// Convolution (defined in conv_common.wgsl) for adapters whose subgroups have 4 or 8 lanes. These
// compute on a CPU, where a read costs one load per lane unless it is known to be the same for all
// lanes. So each lane reads one of SUBGROUP pixels, and takes the others' from their lanes
// (subgroup4.wgsl, subgroup8.wgsl).
// An invocation computes PIXELS pixels × 4 output channels in registers, in groups of SUBGROUP.
// Statements with `$o` are repeated for each group, with `$l` for each step of a group
// (src/wgsl/unroll.ts). src/layers/conv/tiles/subgroup.ts adds the constant SUBGROUP, the number
// of lanes.

override PIXELS: u32;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) index: u32,
  @builtin(subgroup_invocation_id) invocation: u32,
) {
  let first = (group.y * groups.x + group.x) * PIXELS;
  if (first >= pixelCount()) {
    return;
  }
  let channelGroups = sizes.out4 / LANES;
  let batch = group.z / channelGroups;
  let channel = group.z % channelGroups * LANES + index;

  // The pixels that this lane reads.
  let lane = invocation % SUBGROUP;
  let p$o = window(first + $ou * SUBGROUP + lane);
  var s$o_$l = vec4f();

  var w = firstWeight(batch, channel);
  for (var tap = 0u; tap < KERNEL * KERNEL; tap++) {
    let shift = vec2i(i32(tap % KERNEL), i32(tap / KERNEL));
    let in$o = isInside(p$o + shift);
    let o$o = offset(batch, p$o + shift);
    for (var c = 0u; c < sizes.in4; c++) {
      let w0 = vec4f(weights[w]);
      let w1 = vec4f(weights[w + sizes.out4]);
      let w2 = vec4f(weights[w + 2u * sizes.out4]);
      let w3 = vec4f(weights[w + 3u * sizes.out4]);
      w += 4u * sizes.out4;
      let x$o = fetch(o$o + c, in$o);
      s$o_$l = multiply(s$o_$l, take$l(x$o), w0, w1, w2, w3);
    }
  }

  let bias = biasOf(channel);
  store(batch, first + $ou * SUBGROUP + taken(lane, $lu), channel, s$o_$l + bias);
}
