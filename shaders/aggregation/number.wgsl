// Pixel aggregation 6: kernels get their numbers 1 … n in raster order of their roots; small ones are dropped (a gap stays), and
// each text component learns the smallest and largest area of the kernels it keeps.
//
// kernelParent [height][width]      roots
// textParent   [height][width]      roots
// blocks       [ceil(pixels / 256)] kernel roots before each block
// kernelArea   [height][width]      by root; in: area, out: number, 0 if dropped
// components   [height][width]      by root
// kernels      [pixels / 2 + 1]     by number
// sums         [pixels / 2 + 1]     by number; cleared for region_sums.wgsl
//
// One invocation a block of 256 pixels.
@group(0) @binding(0) var<storage, read> kernelParent: array<u32>;
@group(0) @binding(1) var<storage, read> textParent: array<u32>;
@group(0) @binding(2) var<storage, read> blocks: array<u32>;
@group(0) @binding(3) var<storage, read_write> kernelArea: array<u32>;
@group(0) @binding(4) var<storage, read_write> components: array<AtomicTextComponent>;
@group(0) @binding(5) var<storage, read_write> kernels: array<Kernel>;
@group(0) @binding(6) var<storage, read_write> sums: array<RegionSum>;
@group(0) @binding(7) var<uniform> settings: Settings;
@group(0) @binding(8) var<uniform> sizes: Sizes;

struct AtomicTextComponent {
  area: u32,
  smallest: atomic<u32>,
  largest: atomic<u32>,
  left: u32,
  top: u32,
  right: u32,
  bottom: u32,
  queue: u32,
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let block = (group.y * groups.x + group.x) * 64u + lane;
  let begin = block * 256u;
  let pixels = sizes.height * sizes.width;
  if (begin >= pixels) {
    return;
  }
  var number = blocks[block];
  for (var pixel = begin; pixel < min(begin + 256u, pixels); pixel++) {
    if (kernelParent[pixel] != pixel) {
      continue;
    }
    number++;
    let area = kernelArea[pixel];
    sums[number] = RegionSum(0u, 0u, 0u);
    kernels[number] = Kernel(vec4f(), vec4i(), vec4u(), area, 0u);
    if (area < settings.minKernelArea) {
      kernelArea[pixel] = 0u;
      continue;
    }
    kernelArea[pixel] = number;
    atomicMin(&components[textParent[pixel]].smallest, area);
    atomicMax(&components[textParent[pixel]].largest, area);
  }
}
