// Convolution (conv_common.wgsl says what exactly): an invocation computes 8 pixels × 4 output channels in registers.
override ROWS: u32;

const TILE = 8u;

@compute @workgroup_size(LANES, ROWS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let first = ((group.y * groups.x + group.x) * ROWS + local.y) * TILE;
  if (first >= pixelCount()) {
    return;
  }
  let channelGroups = sizes.out4 / LANES;
  let batch = group.z / channelGroups;
  let channel = group.z % channelGroups * LANES + local.x;

  let p0 = window(first);
  let p1 = window(first + 1u);
  let p2 = window(first + 2u);
  let p3 = window(first + 3u);
  let p4 = window(first + 4u);
  let p5 = window(first + 5u);
  let p6 = window(first + 6u);
  let p7 = window(first + 7u);

  var s0 = vec4f();
  var s1 = vec4f();
  var s2 = vec4f();
  var s3 = vec4f();
  var s4 = vec4f();
  var s5 = vec4f();
  var s6 = vec4f();
  var s7 = vec4f();

  var w = firstWeight(batch, channel);
  for (var tap = 0u; tap < KERNEL * KERNEL; tap++) {
    let shift = vec2i(i32(tap % KERNEL), i32(tap / KERNEL));
    let in0 = isInside(p0 + shift);
    let in1 = isInside(p1 + shift);
    let in2 = isInside(p2 + shift);
    let in3 = isInside(p3 + shift);
    let in4 = isInside(p4 + shift);
    let in5 = isInside(p5 + shift);
    let in6 = isInside(p6 + shift);
    let in7 = isInside(p7 + shift);
    let o0 = offset(batch, p0 + shift);
    let o1 = offset(batch, p1 + shift);
    let o2 = offset(batch, p2 + shift);
    let o3 = offset(batch, p3 + shift);
    let o4 = offset(batch, p4 + shift);
    let o5 = offset(batch, p5 + shift);
    let o6 = offset(batch, p6 + shift);
    let o7 = offset(batch, p7 + shift);
    for (var c = 0u; c < sizes.in4; c++) {
      let w0 = vec4f(weights[w]);
      let w1 = vec4f(weights[w + sizes.out4]);
      let w2 = vec4f(weights[w + 2u * sizes.out4]);
      let w3 = vec4f(weights[w + 3u * sizes.out4]);
      w += 4u * sizes.out4;
      s0 = multiply(s0, fetch(o0 + c, in0), w0, w1, w2, w3);
      s1 = multiply(s1, fetch(o1 + c, in1), w0, w1, w2, w3);
      s2 = multiply(s2, fetch(o2 + c, in2), w0, w1, w2, w3);
      s3 = multiply(s3, fetch(o3 + c, in3), w0, w1, w2, w3);
      s4 = multiply(s4, fetch(o4 + c, in4), w0, w1, w2, w3);
      s5 = multiply(s5, fetch(o5 + c, in5), w0, w1, w2, w3);
      s6 = multiply(s6, fetch(o6 + c, in6), w0, w1, w2, w3);
      s7 = multiply(s7, fetch(o7 + c, in7), w0, w1, w2, w3);
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
}
