enable subgroups;
enable chromium_experimental_subgroup_matrix;
// The index of a subgroup is uniform in the subgroup, but not in the workgroup, and the uniformity
// analysis knows only workgroups.
diagnostic(off, chromium.subgroup_matrix_uniformity);

// Convolution (defined in conv_common.wgsl) on subgroup matrices, a GPU's tensor cores: 16-bit
// input and weights, float32 sums.
//
// A workgroup is DOWN × ACROSS subgroups. Each computes MATRICES matrices of M pixels × N channels
// down, and 2 across. In each step, DEPTH input channels of all the workgroup's pixels are copied
// to workgroup memory, with zeros where a window leaves the map; weights are loaded directly from
// their buffer, where input channels lie next to each other: so compilers load vectors. Sums are
// stored through workgroup memory, one matrix down after another, so that every invocation writes
// whole vec4s of channels. Input channels must be a multiple of DEPTH, output channels of 2 · N ·
// ACROSS; PIXELS is the number of pixels per workgroup.
//
// src/layers/conv/tiles/matrix.ts adds the constants M, N, K (a configuration of the device),
// SUBGROUP (invocations per subgroup), DOWN, ACROSS, MATRICES, DEPTH, PIXELS, PITCH (values from
// one pixel's inputs to the next one's) and HELD (sums per subgroup in workgroup memory, M × 2 ·
// N). Statements with `$p` are repeated for the matrices down, with `$q` for those across
// (src/wgsl/unroll.ts).
// Source: im2col as one matrix product; subgroup matrices as in Dawn's
// docs/dawn/features/subgroup_matrix.md.
alias Left = subgroup_matrix_left<f16, K, M>;
alias Right = subgroup_matrix_right<f16, N, K>;
alias Sums = subgroup_matrix_result<f32, N, M>;

const INVOCATIONS = DOWN * ACROSS * SUBGROUP;
const CHANNELS = ACROSS * 2 * N;
const DEPTH4 = DEPTH / 4;

var<workgroup> corners: array<vec2i, PIXELS>;
var<workgroup> inputs: array<f16, PIXELS * PITCH>;
var<workgroup> held: array<f32, DOWN * ACROSS * HELD>;

@compute @workgroup_size(INVOCATIONS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_id) subgroup: u32,
) {
  let first = (group.y * groups.x + group.x) * PIXELS;
  if (first >= pixelCount()) {
    return;
  }
  let inChannels = sizes.in4 * 4u;
  let outChannels = sizes.out4 * 4u;
  let channelGroups = outChannels / CHANNELS;
  let batch = group.z / channelGroups;
  let firstChannel = group.z % channelGroups * CHANNELS;

  for (var pixel = lane; pixel < PIXELS; pixel += INVOCATIONS) {
    corners[pixel] = window(first + pixel);
  }

  // Where this subgroup's pixels and channels begin.
  let left = subgroup / ACROSS * MATRICES * M * PITCH;
  let right = firstChannel + subgroup % ACROSS * 2u * N;

  var s$p_$q = Sums();

  for (var tap = 0u; tap < KERNEL * KERNEL; tap++) {
    let shift = vec2i(i32(tap % KERNEL), i32(tap / KERNEL));
    for (var channel = 0u; channel < inChannels; channel += DEPTH) {
      workgroupBarrier();
      for (var index = lane; index < PIXELS * DEPTH4; index += INVOCATIONS) {
        let pixel = index / DEPTH4;
        let channel4 = index % DEPTH4;
        let at = corners[pixel] + shift;
        let value = vec4<f16>(fetch(offset(batch, at) + channel / 4u + channel4, isInside(at)));
        let place = pixel * PITCH + channel4 * 4u;
        inputs[place] = value.x;
        inputs[place + 1u] = value.y;
        inputs[place + 2u] = value.z;
        inputs[place + 3u] = value.w;
      }
      workgroupBarrier();
      for (var k = 0u; k < DEPTH; k += K) {
        // In vec4s, as weights are read; a column of the matrix is an output channel.
        let column = (weightsOf(batch) * KERNEL * KERNEL + tap) * outChannels + right;
        let step = sizes.in4;
        let at = column * step + (channel + k) / 4u;
        let w$q = subgroupMatrixLoad<Right, col_major>(&weights, at + $qu * N * step, step);
        let x$p = subgroupMatrixLoad<Left, row_major>(&inputs, left + $pu * M * PITCH + k, PITCH);
        s$p_$q = subgroupMatrixMultiplyAccumulate(x$p, w$q, s$p_$q);
      }
    }
  }

  storeSums(batch, first + $pu * M, firstChannel, subgroup, lane, s$p_0, s$p_1);
}

// Stores one matrix down and two across of every subgroup to the output; `first` is the first
// subgroup's first pixel.
fn storeSums(
  batch: u32,
  first: u32,
  firstChannel: u32,
  ownSubgroup: u32,
  lane: u32,
  low: Sums,
  high: Sums,
) {
  subgroupMatrixStore<row_major>(&held, ownSubgroup * HELD, low, 2 * N);
  subgroupMatrixStore<row_major>(&held, ownSubgroup * HELD + N, high, 2 * N);
  workgroupBarrier();
  for (var index = lane; index < DOWN * ACROSS * HELD / 4; index += INVOCATIONS) {
    let subgroup = index / (HELD / 4);
    let row = index % (HELD / 4) / (N / 2);
    let column = index % (N / 2);
    let pixel = first + subgroup / ACROSS * MATRICES * M + row;
    let channel = firstChannel / 4u + subgroup % ACROSS * (N / 2) + column;
    let at = 4u * index;
    let sum = vec4f(held[at], held[at + 1u], held[at + 2u], held[at + 3u]);
    store(batch, pixel, channel, sum + biasOf(channel));
  }
  workgroupBarrier();
}
