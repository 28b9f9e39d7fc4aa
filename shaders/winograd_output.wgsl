// Winograd convolution F(4×4, 3×3), step 3: computes the 4 × 4 pixels of a tile from its products
// m, as Aᵀ m A, and adds bias and residual; then ReLU.
//
// products [36][count][channels]       place in the transformed patch, tile
// biases   [channels]
// residual [images][height][width][channels]   read if RESIDUAL
// output   [images][height][width][channels]
//
// One invocation per tile and channel. Statements with `$` are repeated (src/wgsl/unroll.ts): `$p`
// over a patch's side, `$t` over a tile's. Processes tiles `firstTile` … `firstTile + count − 1` in
// raster order, image after image.
// Source: Lavin and Gray 2015, see winograd_input.wgsl.
override RELU: bool;
override RESIDUAL: bool;

struct Sizes {
  height: u32,
  width: u32,
  tilesAcross: u32,
  firstTile: u32,
  count: u32,
  channels: u32,
}

@group(0) @binding(0) var<storage, read> products: array<input1>;
@group(0) @binding(1) var<storage, read> biases: array<f32>;
@group(0) @binding(2) var<storage, read> residual: array<output1>;
@group(0) @binding(3) var<storage, read_write> output: array<output1>;
@group(0) @binding(4) var<uniform> sizes: Sizes;

// Aᵀ times a column.
fn transform(m: array<f32, 6>) -> array<f32, 4> {
  let narrowSum = m[1] + m[2];
  let narrowGap = m[1] - m[2];
  let wideSum = m[3] + m[4];
  let wideGap = m[3] - m[4];
  return array<f32, 4>(
    m[0] + narrowSum + wideSum,
    0.625 * narrowGap + 1.5 * wideGap,
    0.390625 * narrowSum + 2.25 * wideSum,
    0.244140625 * narrowGap + 3.375 * wideGap + m[5],
  );
}

fn column(x: u32, tile: u32, channel: u32) -> array<f32, 4> {
  let step = sizes.count * sizes.channels;
  let at = x * step + tile * sizes.channels + channel;
  let m$p = f32(products[at + $pu * 6u * step]);
  return transform(array<f32, 6>(m0, m1, m2, m3, m4, m5));
}

// `image` is the index of the image's first pixel.
fn store(image: u32, y: u32, x: u32, channel: u32, sum: f32) {
  if ((y < sizes.height) & (x < sizes.width)) {
    let at = (image + y * sizes.width + x) * sizes.channels + channel;
    var value = sum;
    if (RESIDUAL) {
      value += f32(residual[at]);
    }
    if (RELU) {
      // By the bits, as in conv_common.wgsl.
      value = select(value, 0.0, bitcast<u32>(value) - 0x80000000u <= 0x7f800000u);
    }
    output[at] = output1(value);
  }
}

fn storeRow(image: u32, y: u32, x: u32, channel: u32, bias: f32, productRow: array<f32, 6>) {
  let result = transform(productRow);
  store(image, y, x + $tu, channel, result[$t] + bias);
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
  let tilesDown = (sizes.height + 3u) / 4u;
  let row = place / sizes.tilesAcross;
  let image = row / tilesDown * sizes.height * sizes.width;
  let y = row % tilesDown * 4u;
  let x = place % sizes.tilesAcross * 4u;
  let c$p = column($pu, tile, channel);
  let bias = biases[channel];
  storeRow(
    image,
    y + $tu,
    x,
    channel,
    bias,
    array<f32, 6>(c0[$t], c1[$t], c2[$t], c3[$t], c4[$t], c5[$t]),
  );
}
