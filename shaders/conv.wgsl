// Convolution (defined in conv_common.wgsl): an invocation computes PIXELS pixels × 4 output
// channels in registers. Statements with `$p` are repeated for each pixel (src/wgsl/unroll.ts).

override ROWS: u32;
override PIXELS: u32;

@compute @workgroup_size(LANES, ROWS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let first = ((group.y * groups.x + group.x) * ROWS + local.y) * PIXELS;
  if (first >= pixelCount()) {
    return;
  }
  let channelGroups = sizes.out4 / LANES;
  let batch = group.z / channelGroups;
  let channel = group.z % channelGroups * LANES + local.x;

  let p$p = window(first + $pu);
  var s$p = vec4f();

  var w = firstWeight(batch, channel);
  for (var tap = 0u; tap < KERNEL * KERNEL; tap++) {
    let shift = vec2i(i32(tap % KERNEL), i32(tap / KERNEL));
    let in$p = isInside(p$p + shift);
    let o$p = offset(batch, p$p + shift);
    for (var c = 0u; c < sizes.in4; c++) {
      let w0 = vec4f(weights[w]);
      let w1 = vec4f(weights[w + sizes.out4]);
      let w2 = vec4f(weights[w + 2u * sizes.out4]);
      let w3 = vec4f(weights[w + 3u * sizes.out4]);
      w += 4u * sizes.out4;
      s$p = multiply(s$p, fetch(o$p + c, in$p), w0, w1, w2, w3);
    }
  }

  let bias = biasOf(channel);
  store(batch, first + $pu, channel, s$p + bias);
}
