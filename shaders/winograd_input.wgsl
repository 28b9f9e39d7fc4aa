// Winograd convolution F(4×4, 3×3), step 1: every 4 × 4 tile of the output needs a 6 × 6 patch d of the input; this writes Bᵀ d B.
//
// input  [images][height][width][channels]
// output [36][count][channels]       place in the transformed patch, tile
//
// One invocation a tile and a channel (not four: drivers that compile for a CPU take many seconds over so long a shader);
// tiles `firstTile` … `firstTile + count` in raster order, image after image. Reads outside an image's map count as zero.
// Source: Lavin and Gray 2015, "Fast Algorithms for Convolutional Neural Networks", section 4.1; winograd.ts on the points 0, ±5/8, ±3/2.
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

// `first` is the image's first value of the channel.
fn fetch(y: i32, x: i32, first: u32) -> f32 {
  let inside = y >= 0 && y < sizes.height && x >= 0 && x < sizes.width;
  let at = clamp(y, 0, sizes.height - 1) * sizes.width + clamp(x, 0, sizes.width - 1);
  return select(0.0, f32(input[u32(at) * sizes.channels + first]), inside);
}

fn column(top: i32, x: i32, first: u32) -> array<f32, 6> {
  return transform(array<f32, 6>(
    fetch(top, x, first),
    fetch(top + 1, x, first),
    fetch(top + 2, x, first),
    fetch(top + 3, x, first),
    fetch(top + 4, x, first),
    fetch(top + 5, x, first),
  ));
}

fn storeRow(row: u32, tile: u32, channel: u32, patch_row: array<f32, 6>) {
  let result = transform(patch_row);
  let step = sizes.count * sizes.channels;
  let at = row * 6u * step + tile * sizes.channels + channel;
  output[at] = output1(result[0]);
  output[at + step] = output1(result[1]);
  output[at + 2u * step] = output1(result[2]);
  output[at + 3u * step] = output1(result[3]);
  output[at + 4u * step] = output1(result[4]);
  output[at + 5u * step] = output1(result[5]);
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
  let c0 = column(top, left, first);
  let c1 = column(top, left + 1, first);
  let c2 = column(top, left + 2, first);
  let c3 = column(top, left + 3, first);
  let c4 = column(top, left + 4, first);
  let c5 = column(top, left + 5, first);
  storeRow(0u, tile, channel, array<f32, 6>(c0[0], c1[0], c2[0], c3[0], c4[0], c5[0]));
  storeRow(1u, tile, channel, array<f32, 6>(c0[1], c1[1], c2[1], c3[1], c4[1], c5[1]));
  storeRow(2u, tile, channel, array<f32, 6>(c0[2], c1[2], c2[2], c3[2], c4[2], c5[2]));
  storeRow(3u, tile, channel, array<f32, 6>(c0[3], c1[3], c2[3], c3[3], c4[3], c5[3]));
  storeRow(4u, tile, channel, array<f32, 6>(c0[4], c1[4], c2[4], c3[4], c4[4], c5[4]));
  storeRow(5u, tile, channel, array<f32, 6>(c0[5], c1[5], c2[5], c3[5], c4[5], c5[5]));
}
