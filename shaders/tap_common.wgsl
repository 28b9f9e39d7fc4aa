// What tap_rows.wgsl and tap_columns.wgsl share: bilinear upsampling along one axis by 2, 4 or 8,
// for four places in a row and their neighbours. Each of these lies between two of the four coarse
// places from `lowest` on (of the three, by 4 or 8), so that all are products of the same few
// values with shares. Half-pixel centres; a place that the coarse map doesn't have counts as the
// edge. Exact: scales are powers of 2.

// The coarse place below upsampled place at − 1.
fn lowest(at: i32, scale: f32) -> i32 {
  return i32(floor((f32(at) - 0.5) * scale - 0.5));
}

// How much of the coarse places from `low` on is in upsampled place `at`: nothing, if that is not
// one of the map's `count`.
fn shares(at: i32, count: i32, low: i32, scale: f32) -> vec4f {
  let position = (f32(at) + 0.5) * scale - 0.5 - f32(low);
  return select(vec4f(), max(1.0 - abs(position - vec4f(0.0, 1.0, 2.0, 3.0)), vec4f()), at >= 0 && at < count);
}
