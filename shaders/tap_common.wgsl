// Shared by tap_rows.wgsl and tap_columns.wgsl: bilinear upsampling along one axis by 2, 4 or 8,
// for four adjacent places and their neighbours. All of these interpolate between the same four
// coarse places, from `lowest` on (three, by 4 or 8), so each is a weighted sum of the same few
// values. Half-pixel centres, clamped at the edges. Exact, because the scales are powers of 2.

// The coarse place below upsampled place `at − 1`.
fn lowest(at: i32, scale: f32) -> i32 {
  return i32(floor((f32(at) - 0.5) * scale - 0.5));
}

// Weights of the coarse places from `low` on in upsampled place `at`; zero where `at` is outside
// the map's `count` places.
fn shares(at: i32, count: i32, low: i32, scale: f32) -> vec4f {
  let position = (f32(at) + 0.5) * scale - 0.5 - f32(low);
  let own = max(1.0 - abs(position - vec4f(0.0, 1.0, 2.0, 3.0)), vec4f());
  return select(vec4f(), own, u32(at) < u32(count)); // a negative number becomes a large one
}
