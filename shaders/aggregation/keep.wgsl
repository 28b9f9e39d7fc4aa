// Pixel aggregation 5: drops kernels that are too small (a gap stays in the numbers) and collects
// the kept kernels of each text component.
//
// masks      [3][words]          see common.wgsl
// parents    [2][height][width]  roots
// listed                         see common.wgsl
// areas      [2][height][width]  by root; kernels' numbers, set to 0 where dropped
// components [height][width]     by text root
// kernels    [pixels / 2 + 1]    by number
// sums       [pixels / 2 + 1]    by number; cleared for region_sums.wgsl
//
// One invocation per kernel, in a loop if there are more.
@group(0) @binding(0) var<storage, read> masks: array<u32>;
@group(0) @binding(1) var<storage, read> parents: array<u32>;
@group(0) @binding(2) var<storage, read> listed: Listed;
@group(0) @binding(3) var<storage, read_write> areas: array<u32>;
@group(0) @binding(4) var<storage, read_write> components: array<AtomicTextComponent>;
@group(0) @binding(5) var<storage, read_write> kernels: array<Kernel>;
@group(0) @binding(6) var<storage, read_write> sums: array<RegionSum>;
@group(0) @binding(7) var<uniform> settings: Settings;
@group(0) @binding(8) var<uniform> sizes: Sizes;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let count = listed.kernels;
  for (var number = group.x * 64u + lane + 1u; number <= count; number += groups.x * 64u) {
    let root = kernels[number].root;
    let area = kernels[number].area;
    let column = root % sizes.width;
    let word = root / sizes.width * wordsAcross() + column / 32u;
    let text = parents[root - column % 32u + pieceStart(masks[word], column % 32u)];
    kernels[number] = Kernel(vec4i(), vec4u(), area, root, text, 0u);
    sums[number] = RegionSum(0u, 0u, 0u);
    if (area < settings.minKernelArea) {
      areas[pixelCount() + root] = 0u;
    } else {
      atomicMin(&components[text].smallest, area);
      atomicMax(&components[text].largest, area);
      atomicAdd(&components[text].area, area);
      atomicMax(&components[text].label, number);
    }
  }
}
