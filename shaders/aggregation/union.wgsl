// Pixel aggregation 2: 4-connected components by union-find: every pixel is joined with its left and its upper neighbour.
//
// textParent, kernelParent [height][width]
//
// One invocation a pixel. The larger root is always hung under the smaller, so in the end a component's root is its first pixel in
// raster order. Lock-free: if another invocation moved a root in between, the join goes on from where it points now.
// Source: Playne and Hawick 2018, "A New Algorithm for Parallel Connected-Component Labelling on GPUs" (label reduction).
@group(0) @binding(0) var<storage, read_write> textParent: array<atomic<u32>>;
@group(0) @binding(1) var<storage, read_write> kernelParent: array<atomic<u32>>;
@group(0) @binding(2) var<uniform> sizes: Sizes;

fn textRoot(start: u32) -> u32 {
  var pixel = start;
  var parent = atomicLoad(&textParent[pixel]);
  while (parent != pixel) {
    pixel = parent;
    parent = atomicLoad(&textParent[pixel]);
  }
  return pixel;
}

fn joinText(a: u32, b: u32) {
  var high = textRoot(a);
  var low = textRoot(b);
  while (high != low) {
    if (high < low) {
      let swap = high;
      high = low;
      low = swap;
    }
    let before = atomicMin(&textParent[high], low);
    if (before == high) {
      return;
    }
    // `high` was no root any more: what it hung under must be joined with `low` too.
    high = textRoot(before);
    low = textRoot(low);
  }
}

fn kernelRoot(start: u32) -> u32 {
  var pixel = start;
  var parent = atomicLoad(&kernelParent[pixel]);
  while (parent != pixel) {
    pixel = parent;
    parent = atomicLoad(&kernelParent[pixel]);
  }
  return pixel;
}

fn joinKernels(a: u32, b: u32) {
  var high = kernelRoot(a);
  var low = kernelRoot(b);
  while (high != low) {
    if (high < low) {
      let swap = high;
      high = low;
      low = swap;
    }
    let before = atomicMin(&kernelParent[high], low);
    if (before == high) {
      return;
    }
    high = kernelRoot(before);
    low = kernelRoot(low);
  }
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let pixel = (group.y * groups.x + group.x) * 64u + lane;
  if (pixel >= sizes.height * sizes.width || atomicLoad(&textParent[pixel]) == NONE) {
    return;
  }
  let isKernel = atomicLoad(&kernelParent[pixel]) != NONE;
  if (pixel % sizes.width > 0u && atomicLoad(&textParent[pixel - 1u]) != NONE) {
    joinText(pixel, pixel - 1u);
    if (isKernel && atomicLoad(&kernelParent[pixel - 1u]) != NONE) {
      joinKernels(pixel, pixel - 1u);
    }
  }
  if (pixel >= sizes.width && atomicLoad(&textParent[pixel - sizes.width]) != NONE) {
    joinText(pixel, pixel - sizes.width);
    if (isKernel && atomicLoad(&kernelParent[pixel - sizes.width]) != NONE) {
      joinKernels(pixel, pixel - sizes.width);
    }
  }
}
