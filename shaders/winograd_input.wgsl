// Winograd convolution F(4×4, 3×3), step 1: every 4 × 4 tile of the output needs a 6 × 6 patch d of
// the input; this computes Bᵀ d B.
//
// input  [images][height][width][channels]
// output [36][count][channels]       place in the transformed patch, tile
//
// One invocation per tile and channel (not per four channels: drivers that compile for a CPU take
// many seconds for such a long shader). Statements with `$p` or `$q` are repeated over a patch's
// side (src/wgsl/unroll.ts). Processes tiles `firstTile` … `firstTile + count − 1` in raster order,
// image after image. Reads outside an image's map are zero.
// Source: Lavin and Gray 2015, "Fast Algorithms for Convolutional Neural Networks", section 4.1,
// with the points 0, ±5/8, ±3/2, infinity (src/layers/conv/winograd.ts says why).
struct Sizes {
  height: i32,
  width: i32,
  tilesAcross: u32,
  firstTile: u32,
  count: u32,
  channels: u32,
}

@group(0) @binding(0) var<storage, read> input: array<input1>;
@group(0) @binding(1) var<storage, read_write> output: array<output1>;
@group(0) @binding(2) var<uniform> sizes: Sizes;

// Bᵀ times a column.
fn transform(d: array<f32, 6>) -> array<f32, 6> {
  let narrow = d[4] - 2.25 * d[2];
  let narrowOdd = 0.625 * d[3] - 1.40625 * d[1];
  let wide = d[4] - 0.390625 * d[2];
  let wideOdd = 1.5 * d[3] - 0.5859375 * d[1];
  return array<f32, 6>(
    0.87890625 * d[0] - 2.640625 * d[2] + d[4],
    narrow + narrowOdd,
    narrow - narrowOdd,
    wide + wideOdd,
    wide - wideOdd,
    0.87890625 * d[1] - 2.640625 * d[3] + d[5],
  );
}

fn storeRow(row: u32, tile: u32, channel: u32, patchRow: array<f32, 6>) {
  let result = transform(patchRow);
  let step = sizes.count * sizes.channels;
  let at = row * 6u * step + tile * sizes.channels + channel;
  output[at + $pu * step] = output1(result[$p]);
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lane;
  let tile = index / sizes.channels;
  if (tile >= sizes.count) {
    return;
  }
  let channel = index % sizes.channels;
  let place = sizes.firstTile + tile;
  let tilesDown = u32(sizes.height + 3) / 4u;
  let row = place / sizes.tilesAcross;
  let top = i32(row % tilesDown) * 4 - 1;
  let left = i32(place % sizes.tilesAcross) * 4 - 1;
  let first = row / tilesDown * u32(sizes.height * sizes.width) * sizes.channels + channel;

  // Where the patch's rows and columns begin, and which of them are inside the map.
  let y$p = first + u32(clamp(top + $p, 0, sizes.height - 1) * sizes.width) * sizes.channels;
  let x$p = u32(clamp(left + $p, 0, sizes.width - 1)) * sizes.channels;
  let hasRow$p = u32(top + $p) < u32(sizes.height); // -1 becomes the largest number
  let hasColumn$p = u32(left + $p) < u32(sizes.width);
  let d$p$q = select(0.0, f32(input[y$p + x$q]), hasRow$p & hasColumn$q);
  let c$q = transform(array<f32, 6>(d0$q, d1$q, d2$q, d3$q, d4$q, d5$q));
  storeRow($pu, tile, channel, array<f32, 6>(c0[$p], c1[$p], c2[$p], c3[$p], c4[$p], c5[$p]));
}
