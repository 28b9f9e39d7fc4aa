// First half of an FPEM unit: depthwise 3×3 convolution, padding 1, stride 1 or 2, of
// upsample(coarse) + finer, without storing the sum.
//
// coarse  [images][height][width][CHANNELS4]         vec4 of channels
// finer   [images][2·height][2·width][CHANNELS4]
// weights [9][CHANNELS4]
// output  [images][2·height][2·width][CHANNELS4], with stride 2 [images][height][width][CHANNELS4]
//
// One invocation per coarse pixel and vec4. It reads 3 × 3 values of the coarse map and 4 × 4 of
// the finer one, and computes 2 × 2 outputs, or only the first of them with stride 2. The third
// workgroup dimension is the image. Upsampling uses half-pixel centres, clamped at the edges; the
// convolution pads with zeros. FAR is the weight of the farther coarse pixel: 1/4 (bilinear) or 0
// (nearest neighbour).
// Source: U(x, y) and the separable convolution of PAN++'s FPEM; spec, Neck.
override STRIDE: u32;
override CHANNELS4: u32;
override FAR: f32;

struct Sizes {
  height: i32,
  width: i32,
}

@group(0) @binding(0) var<storage, read> coarse: array<input4>;
@group(0) @binding(1) var<storage, read> finer: array<input4>;
@group(0) @binding(2) var<storage, read> weights: array<weight4>;
@group(0) @binding(3) var<storage, read_write> output: array<output4>;
@group(0) @binding(4) var<uniform> sizes: Sizes;

// Neighbouring coarse values in a row, or weights of a row of taps.
struct Three {
  left: vec4f,
  middle: vec4f,
  right: vec4f,
}

// In these functions, `first` is the index of the image's first value of the channel.
fn coarseRow(y: i32, x: i32, first: u32) -> Three {
  let row = clamp(y, 0, sizes.height - 1) * sizes.width;
  return Three(
    vec4f(coarse[u32(row + max(x - 1, 0)) * CHANNELS4 + first]),
    vec4f(coarse[u32(row + x) * CHANNELS4 + first]),
    vec4f(coarse[u32(row + min(x + 1, sizes.width - 1)) * CHANNELS4 + first]),
  );
}

fn between(a: Three, b: Three, share: f32) -> Three {
  return Three(
    mix(a.left, b.left, share),
    mix(a.middle, b.middle, share),
    mix(a.right, b.right, share),
  );
}

fn tapRow(row: u32, channel: u32) -> Three {
  let first = row * 3u * CHANNELS4 + channel;
  return Three(
    vec4f(weights[first]),
    vec4f(weights[first + CHANNELS4]),
    vec4f(weights[first + 2u * CHANNELS4]),
  );
}

// Four neighbouring sums of a row.
struct Four {
  a: vec4f,
  b: vec4f,
  c: vec4f,
  d: vec4f,
}

// upsampled + finer in row y of the finer map, from column 2x − 1 on; zero outside. `row` is the
// coarse map upsampled along y to that row. The inner columns are always inside the map.
fn joinedRow(row: Three, y: i32, x: i32, first: u32) -> Four {
  let inside = u32(y) < u32(2 * sizes.height); // a negative number becomes a large one
  let insideLeft = inside & (x > 0);
  let insideRight = inside & (x < sizes.width - 1);
  let at = u32((clamp(y, 0, 2 * sizes.height - 1) * sizes.width + x) * 2) * CHANNELS4 + first;
  var sums = Four();
  let left = mix(row.left, row.middle, FAR) + vec4f(finer[at - select(0u, CHANNELS4, x > 0)]);
  sums.a = select(vec4f(), left, insideLeft);
  sums.b = select(vec4f(), mix(row.left, row.middle, 1.0 - FAR) + vec4f(finer[at]), inside);
  sums.c = select(vec4f(), mix(row.middle, row.right, FAR) + vec4f(finer[at + CHANNELS4]), inside);
  if (STRIDE == 1u) {
    let last = at + select(CHANNELS4, 2u * CHANNELS4, insideRight);
    let right = mix(row.middle, row.right, 1.0 - FAR) + vec4f(finer[last]);
    sums.d = select(vec4f(), right, insideRight);
  }
  return sums;
}

fn multiply(sum: vec4f, a: vec4f, b: vec4f, c: vec4f, taps: Three) -> vec4f {
  return fma(c, taps.right, fma(b, taps.middle, fma(a, taps.left, sum)));
}

fn store(y: i32, x: i32, first: u32, value: vec4f) {
  let width = select(sizes.width, 2 * sizes.width, STRIDE == 1u);
  output[u32(y * width + x) * CHANNELS4 + first] = output4(value);
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lane;
  let values = u32(sizes.height * sizes.width) * CHANNELS4;
  if (index >= values) {
    return;
  }
  let channel = index % CHANNELS4;
  let ofCoarse = group.z * values + channel;
  let ofFiner = group.z * 4u * values + channel;
  let ofOutput = select(ofFiner, ofCoarse, STRIDE == 2u);
  let y = i32(index / CHANNELS4) / sizes.width;
  let x = i32(index / CHANNELS4) % sizes.width;
  let above = coarseRow(y - 1, x, ofCoarse);
  let here = coarseRow(y, x, ofCoarse);
  let below = coarseRow(y + 1, x, ofCoarse);
  let top = tapRow(0u, channel);
  let middle = tapRow(1u, channel);
  let bottom = tapRow(2u, channel);
  let r0 = joinedRow(between(above, here, FAR), 2 * y - 1, x, ofFiner);
  let r1 = joinedRow(between(above, here, 1.0 - FAR), 2 * y, x, ofFiner);
  let r2 = joinedRow(between(here, below, FAR), 2 * y + 1, x, ofFiner);
  var s00 = multiply(vec4f(), r0.a, r0.b, r0.c, top);
  s00 = multiply(s00, r1.a, r1.b, r1.c, middle);
  s00 = multiply(s00, r2.a, r2.b, r2.c, bottom);
  if (STRIDE == 2u) {
    store(y, x, ofOutput, s00);
    return;
  }
  let r3 = joinedRow(between(here, below, 1.0 - FAR), 2 * y + 2, x, ofFiner);
  var s01 = multiply(vec4f(), r0.b, r0.c, r0.d, top);
  s01 = multiply(s01, r1.b, r1.c, r1.d, middle);
  s01 = multiply(s01, r2.b, r2.c, r2.d, bottom);
  var s10 = multiply(vec4f(), r1.a, r1.b, r1.c, top);
  s10 = multiply(s10, r2.a, r2.b, r2.c, middle);
  s10 = multiply(s10, r3.a, r3.b, r3.c, bottom);
  var s11 = multiply(vec4f(), r1.b, r1.c, r1.d, top);
  s11 = multiply(s11, r2.b, r2.c, r2.d, middle);
  s11 = multiply(s11, r3.b, r3.c, r3.d, bottom);
  store(2 * y, 2 * x, ofOutput, s00);
  store(2 * y, 2 * x + 1, ofOutput, s01);
  store(2 * y + 1, 2 * x, ofOutput, s10);
  store(2 * y + 1, 2 * x + 1, ofOutput, s11);
}
