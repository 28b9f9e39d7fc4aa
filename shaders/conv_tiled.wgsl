// Convolution (defined in conv_common.wgsl) for GPUs: a workgroup computes a tile of pixels ×
// channels, and its invocations share what they read. In each step, DEPTH4 vec4s of input channels
// are copied to workgroup memory, with neighbouring invocations reading neighbouring channels. Then
// an invocation multiplies PIXELS pixels by 4 · VECTORS output channels, with sums in registers.
// The depth covers all taps and their channels as one sequence, so that few channels also fill a
// step. Results beyond the last pixel or channel are computed but not stored; beyond the depth,
// input is zero.
//
// A tile has LANES invocations across channels and ROWS down pixels. An invocation's channels are
// LANES vec4s apart and its pixels ROWS apart, so that neighbours read neighbouring words.
// Statements with `$` are repeated (src/wgsl/unroll.ts): `$i` and `$j` over an invocation's reads
// of input and weights in a step, `$p` over its pixels, `$c` over its vec4s of channels, `$r` over
// the 4 input channels of a vec4.
// Source: the usual two levels of blocking, as in Volkov and Demmel 2008, "Benchmarking GPUs to
// Tune Dense Linear Algebra".

override ROWS: u32;
override PIXELS: u32;
override VECTORS: u32;
override DEPTH4: u32;

override INVOCATIONS = LANES * ROWS;
override TILE = PIXELS * ROWS;
override COLUMNS = VECTORS * LANES;

// [DEPTH4][TILE]. Pixels are permuted within groups of 8 by an exclusive or with the depth, so that
// neither writes along the depth nor reads along the pixels cause bank conflicts.
var<workgroup> inputs: array<vec4f, DEPTH4 * TILE>;
// [4 · DEPTH4][COLUMNS]
var<workgroup> factors: array<vec4f, 4u * DEPTH4 * COLUMNS>;

fn place(depth: u32, pixel: u32) -> u32 {
  return depth * TILE + (pixel ^ (depth * 8u / DEPTH4));
}

fn storeInside(batch: u32, pixel: u32, channel: u32, sum: vec4f) {
  if (channel < sizes.out4) {
    store(batch, pixel, channel, sum);
  }
}

@compute @workgroup_size(LANES, ROWS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let first = (group.y * groups.x + group.x) * TILE;
  if (first >= pixelCount()) {
    return;
  }
  let channelGroups = (sizes.out4 + COLUMNS - 1u) / COLUMNS;
  let batch = group.z / channelGroups;
  let firstChannel = group.z % channelGroups * COLUMNS;
  let depth = KERNEL * KERNEL * sizes.in4;

  // What this invocation reads: one place in the depth for several pixels, and one column for
  // several rows of weights.
  let readDepth = index % DEPTH4;
  let readPixel = index / DEPTH4;
  let pixel$i = readPixel + $iu * (INVOCATIONS / DEPTH4);
  let p$i = window(first + pixel$i);
  let column = firstWeight(batch, min(firstChannel + index % COLUMNS, sizes.out4 - 1u));
  let row$j = index / COLUMNS + $ju * (INVOCATIONS / COLUMNS);

  var s$p_$c = vec4f();

  for (var start = 0u; start < depth; start += DEPTH4) {
    let at = min(start + readDepth, depth - 1u);
    let isDeep = start + readDepth < depth;
    let tap = select(at / sizes.in4, 0u, KERNEL == 1u);
    let shift = vec2i(i32(tap % KERNEL), i32(tap / KERNEL));
    let channel = at - tap * sizes.in4;
    inputs[place(readDepth, pixel$i)] = fetch(
      offset(batch, p$i + shift) + channel,
      isDeep && isInside(p$i + shift),
    );
    let weightRow$j = min(4u * start + row$j, 4u * depth - 1u);
    factors[index + $ju * INVOCATIONS] = vec4f(weights[column + weightRow$j * sizes.out4]);
    workgroupBarrier();
    for (var d = 0u; d < DEPTH4; d++) {
      let w$r_$c = factors[(4u * d + $ru) * COLUMNS + $cu * LANES + local.x];
      let x$p = inputs[place(d, local.y + $pu * ROWS)];
      s$p_$c = multiply(s$p_$c, x$p, w0_$c, w1_$c, w2_$c, w3_$c);
    }
    workgroupBarrier();
  }

  let channel$c = firstChannel + $cu * LANES + local.x;
  let bias$c = biasOf(min(channel$c, sizes.out4 - 1u));
  storeInside(batch, first + local.y + $pu * ROWS, channel$c, s$p_$c + bias$c);
}
