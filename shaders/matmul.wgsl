// The matrix product of matmul_common.wgsl, on any adapter.
//
// An invocation computes 8 rows × 4 output channels in registers. The lanes share their rows and take neighbouring channels: reads
// of rows are the same for all lanes, reads of weights contiguous.
const TILE = 8u;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = (group.y * groups.x + group.x) * TILE;
  if (row >= sizes.count) {
    return;
  }
  let channelGroups = sizes.out4 / LANES;
  let batch = group.z / channelGroups;
  let channel = group.z % channelGroups * LANES + lane;

  // Rows beyond the last are computed as the last and not stored.
  let first = batch * sizes.count;
  let last = sizes.count - 1u;
  let r0 = (first + row) * sizes.in4;
  let r1 = (first + min(row + 1u, last)) * sizes.in4;
  let r2 = (first + min(row + 2u, last)) * sizes.in4;
  let r3 = (first + min(row + 3u, last)) * sizes.in4;
  let r4 = (first + min(row + 4u, last)) * sizes.in4;
  let r5 = (first + min(row + 5u, last)) * sizes.in4;
  let r6 = (first + min(row + 6u, last)) * sizes.in4;
  let r7 = (first + min(row + 7u, last)) * sizes.in4;

  var s0 = vec4f();
  var s1 = vec4f();
  var s2 = vec4f();
  var s3 = vec4f();
  var s4 = vec4f();
  var s5 = vec4f();
  var s6 = vec4f();
  var s7 = vec4f();

  var w = batch * sizes.in4 * 4u * sizes.out4 + channel;
  for (var c = 0u; c < sizes.in4; c++) {
    let w0 = vec4f(weights[w]);
    let w1 = vec4f(weights[w + sizes.out4]);
    let w2 = vec4f(weights[w + 2u * sizes.out4]);
    let w3 = vec4f(weights[w + 3u * sizes.out4]);
    w += 4u * sizes.out4;
    s0 = multiply(s0, vec4f(rows[r0 + c]), w0, w1, w2, w3);
    s1 = multiply(s1, vec4f(rows[r1 + c]), w0, w1, w2, w3);
    s2 = multiply(s2, vec4f(rows[r2 + c]), w0, w1, w2, w3);
    s3 = multiply(s3, vec4f(rows[r3 + c]), w0, w1, w2, w3);
    s4 = multiply(s4, vec4f(rows[r4 + c]), w0, w1, w2, w3);
    s5 = multiply(s5, vec4f(rows[r5 + c]), w0, w1, w2, w3);
    s6 = multiply(s6, vec4f(rows[r6 + c]), w0, w1, w2, w3);
    s7 = multiply(s7, vec4f(rows[r7 + c]), w0, w1, w2, w3);
  }

  var bias = vec4f();
  if (EPILOGUE) {
    bias = biases[channel];
  }
  store(batch, row, channel, s0, bias);
  store(batch, row + 1u, channel, s1, bias);
  store(batch, row + 2u, channel, s2, bias);
  store(batch, row + 3u, channel, s3, bias);
  store(batch, row + 4u, channel, s4, bias);
  store(batch, row + 5u, channel, s5, bias);
  store(batch, row + 6u, channel, s6, bias);
  store(batch, row + 7u, channel, s7, bias);
}
