// Bilinear resize of an 8-bit image in OpenCV's fixed-point arithmetic, then x = (rgb / 255 − mean)
// / deviation.
//
// pixels     [rows][sourceWidth][CHANNELS]   bytes: red, green, blue, and alpha if CHANNELS is 4
// columnTaps [width]                         left and right source column, their weights
// rowTaps    [height]                        the same for rows
// output     [height][width][1]              vec4: normalised red, green, blue, and 0
//
// `pixels` (pixels.wgsl) has only the source rows that some output row reads. Weights are 11-bit
// fixed point; two sum to 2048.
//
// One invocation per output pixel. The 8-bit results equal cv2.resize's (INTER_LINEAR): products
// along x keep all bits; along y, products drop first 4 bits and then 16, with rounding at the end.
// Source: spec, Input; OpenCV's resize for 8-bit images.
struct Tap {
  low: u32,
  high: u32,
  lowWeight: i32,
  highWeight: i32,
}

struct Sizes {
  sourceWidth: u32,
  height: u32,
  width: u32,
}

@group(0) @binding(1) var<storage, read> columnTaps: array<Tap>;
@group(0) @binding(2) var<storage, read> rowTaps: array<Tap>;
@group(0) @binding(3) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(4) var<uniform> sizes: Sizes;

fn alongX(row: u32, tap: Tap) -> vec3i {
  let first = row * sizes.sourceWidth;
  return rgb((first + tap.low) * CHANNELS) * tap.lowWeight
    + rgb((first + tap.high) * CHANNELS) * tap.highWeight;
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
  let columnTap = columnTaps[index % sizes.width];
  let rowTap = rowTaps[index / sizes.width];
  let low = ((alongX(rowTap.low, columnTap) >> vec3u(4u)) * rowTap.lowWeight) >> vec3u(16u);
  let high = ((alongX(rowTap.high, columnTap) >> vec3u(4u)) * rowTap.highWeight) >> vec3u(16u);
  let grey = clamp((low + high + 2) >> vec3u(2u), vec3i(0), vec3i(255));
  output[index] = normalised(vec3f(grey));
}
