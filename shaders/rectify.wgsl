// A page of rectified words: every word is sampled along its centreline and stands level, in lines
// of LINE rows.
//
// pixels   the sources of the words, one after another (pixels.wgsl)
// columns  [lines][width]            where each column of a line is in its source
// sources  [words]
// output   [height][width][1]        vec4: normalised red, green, blue, and 0; where no word is
//                                    all are 0, the mean colour
//
// One invocation per page pixel: the mean of taps × taps bilinear samples, since a source may have
// more pixels than the page. A column's middle row is at `x`, `y` in its source (pixel centres at
// whole numbers), and `stepX`, `stepY` leads to the next row.
struct Column {
  x: f32,
  y: f32,
  stepX: f32,
  stepY: f32,
  // 0: none; otherwise one more than the index of its source
  source: u32,
}

struct Source {
  firstByte: u32,
  height: u32,
  width: u32,
  // how much further apart columns are than rows
  squeeze: f32,
  // along each axis
  taps: u32,
}

struct Sizes {
  lines: u32,
  height: u32,
  width: u32,
}

@group(0) @binding(1) var<storage, read> columns: array<Column>;
@group(0) @binding(2) var<storage, read> sources: array<Source>;
@group(0) @binding(3) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(4) var<uniform> sizes: Sizes;

fn colour(source: Source, row: f32, column: f32) -> vec3f {
  return vec3f(rgb(source.firstByte + (u32(row) * source.width + u32(column)) * CHANNELS));
}

// Outside of the source, the nearest pixel inside.
fn bilinear(source: Source, at: vec2f) -> vec3f {
  let last = vec2f(f32(source.width) - 1.0, f32(source.height) - 1.0);
  let inside = clamp(at, vec2f(0.0), last);
  let low = floor(inside);
  let high = min(low + 1.0, last);
  let share = inside - low;
  return mix(
    mix(colour(source, low.y, low.x), colour(source, low.y, high.x), share.x),
    mix(colour(source, high.y, low.x), colour(source, high.y, high.x), share.x),
    share.y,
  );
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * groups.x + group.x) * 64u + lane;
  if (index >= sizes.height * sizes.width) {
    return;
  }
  let row = index / sizes.width;
  let line = row / LINE;
  // The page's height is a multiple of 32: below its last line there may be some rows.
  if (line >= sizes.lines) {
    output[index] = vec4f(0.0);
    return;
  }
  let column = columns[line * sizes.width + index % sizes.width];
  if (column.source == 0u) {
    output[index] = vec4f(0.0);
    return;
  }
  let source = sources[column.source - 1u];
  let down = vec2f(column.stepX, column.stepY);
  let along = vec2f(column.stepY, -column.stepX) * source.squeeze;
  let middle = vec2f(column.x, column.y) + (f32(row % LINE) + 0.5 - 0.5 * f32(LINE)) * down;
  var sum = vec3f(0.0);
  for (var i = 0u; i < source.taps; i++) {
    for (var j = 0u; j < source.taps; j++) {
      let offset = (vec2f(f32(i), f32(j)) + 0.5) / f32(source.taps) - 0.5;
      sum += bilinear(source, middle + offset.x * along + offset.y * down);
    }
  }
  output[index] = normalised(sum / f32(source.taps * source.taps));
}
