// Pixel aggregation 7: pixels of kept kernels take their kernel's number as label; flagged kernels sum up their instance vectors; text
// components with a kept kernel are listed, with the bounds of their kernels and room in the queue for all their pixels.
//
// map          [height][width][2]   vec4, see init.wgsl
// kernelParent [height][width]      roots
// textParent   [height][width]      roots
// numbers      [height][width]      by kernel root: the kernel's number, 0 if dropped
// components   [height][width]      by text root
// kernels      [pixels / 2 + 1]     by number
// labels       [height][width]
// listed       [pixels / 2 + 3]     see common.wgsl
//
// One invocation a stretch of 16 pixels of a row's run: bounds are joined once a stretch.
// A kernel is flagged in mode `always`, or if another kept kernel of its text component is over 1024 times larger or smaller.
@group(0) @binding(0) var<storage, read> map: array<vec4f>;
@group(0) @binding(1) var<storage, read> kernelParent: array<u32>;
@group(0) @binding(2) var<storage, read> textParent: array<u32>;
@group(0) @binding(3) var<storage, read> numbers: array<u32>;
@group(0) @binding(4) var<storage, read_write> components: array<AtomicTextComponent>;
@group(0) @binding(5) var<storage, read_write> kernels: array<AtomicKernel>;
@group(0) @binding(6) var<storage, read_write> labels: array<u32>;
@group(0) @binding(7) var<storage, read_write> listed: array<atomic<u32>>;
@group(0) @binding(8) var<uniform> settings: Settings;
@group(0) @binding(9) var<uniform> sizes: Sizes;

struct AtomicTextComponent {
  area: u32,
  smallest: u32,
  largest: u32,
  left: atomic<u32>,
  top: atomic<u32>,
  right: atomic<u32>,
  bottom: atomic<u32>,
  queue: u32,
}

struct AtomicKernel {
  mean: vec4f,
  wholes: array<atomic<i32>, 4>,
  parts: array<atomic<u32>, 4>,
  area: u32,
  flagged: u32,
}

const MOST = 1024u;

fn isFlagged(area: u32, smallest: u32, largest: u32) -> bool {
  return settings.always == 1u || largest > MOST * area || area > MOST * smallest;
}

// Adds to a fixed-point sum; what runs over the 2⁻³² parts is carried into the whole part.
fn addToSum(kernel: u32, axis: u32, value: f32) {
  let whole = floor(value);
  // Below 1 in float32, so at most 2³² − 256.
  let part = u32((value - whole) * 4294967296.0);
  let before = atomicAdd(&kernels[kernel].parts[axis], part);
  let carry = select(0, 1, before + part < before);
  atomicAdd(&kernels[kernel].wholes[axis], i32(whole) + carry);
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let begin = ((group.y * groups.x + group.x) * 64u + lane) * 16u;
  let end = min(begin + 16u, sizes.height * sizes.width);
  for (var pixel = begin; pixel < end; pixel++) {
    let text = textParent[pixel];
    if (text == NONE || components[text].largest == 0u) {
      continue;
    }
    if (text == pixel) {
      components[text].queue = atomicAdd(&listed[LISTED_QUEUED], components[text].area);
      atomicStore(&listed[LISTED_ROOTS + atomicAdd(&listed[LISTED_COMPONENTS], 1u)], text);
    }
    let root = kernelParent[pixel];
    if (root == NONE) {
      continue;
    }
    let number = numbers[root];
    if (number == 0u) {
      continue;
    }
    labels[pixel] = number;
    // Only the ends of a row's run can move the bounds.
    let x = pixel % sizes.width;
    let y = pixel / sizes.width;
    let startsRun = pixel == begin || x == 0u || kernelParent[pixel - 1u] != root;
    let endsRun = pixel + 1u == end || x + 1u == sizes.width || kernelParent[pixel + 1u] != root;
    if (startsRun) {
      atomicMin(&components[text].left, x);
      atomicMin(&components[text].top, y);
      atomicMax(&components[text].bottom, y);
    }
    if (endsRun) {
      atomicMax(&components[text].right, x);
    }
    if (isFlagged(kernels[number].area, components[text].smallest, components[text].largest)) {
      if (root == pixel) {
        kernels[number].flagged = 1u;
      }
      let first = map[pixel * 2u];
      let second = map[pixel * 2u + 1u];
      addToSum(number, 0u, first.z);
      addToSum(number, 1u, first.w);
      addToSum(number, 2u, second.x);
      addToSum(number, 3u, second.y);
    }
  }
}
