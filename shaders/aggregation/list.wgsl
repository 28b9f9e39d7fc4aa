// Pixel aggregation 6: lists the text components that will be grown. A single kernel without a
// vector check would take every pixel, so such a component already has its label. The other
// components with kept kernels are listed, with room in the queue for all their pixels.
//
// areas      [2][height][width]  by text root
// components [height][width]     by text root
// kernels    [pixels / 2 + 1]    by number
// listed                         see common.wgsl
//
// One invocation per kernel, in a loop if there are more; the kernel with the highest number lists
// its component. A kernel is flagged in mode `always`, or if another kept kernel of its text
// component is over 1024 times larger or smaller.
@group(0) @binding(0) var<storage, read> areas: array<u32>;
@group(0) @binding(1) var<storage, read_write> components: array<AtomicTextComponent>;
@group(0) @binding(2) var<storage, read_write> kernels: array<Kernel>;
@group(0) @binding(3) var<storage, read_write> listed: AtomicListed;
@group(0) @binding(4) var<uniform> settings: Settings;
@group(0) @binding(5) var<uniform> sizes: Sizes;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let count = listed.kernels;
  for (var number = group.x * 64u + lane + 1u; number <= count; number += groups.x * 64u) {
    let text = kernels[number].text;
    let area = kernels[number].area;
    let component = &components[text];
    let largest = atomicLoad(&(*component).largest);
    let smallest = atomicLoad(&(*component).smallest);
    let isUneven = isFarLarger(largest, area) || isFarLarger(area, smallest);
    let isFlagged = settings.always == 1u || isUneven;
    kernels[number].flagged = u32(isFlagged);
    let isAlone = atomicLoad(&(*component).area) == area;
    if (atomicLoad(&(*component).label) == number && (isFlagged || !isAlone)) {
      atomicStore(&(*component).label, OPEN);
      atomicStore(&(*component).left, NONE);
      atomicStore(&(*component).right, 0u);
      atomicStore(&(*component).bottom, 0u);
      let entry = atomicAdd(&listed.components, 1u);
      listed.entries[entry] = ListedComponent(text, atomicAdd(&listed.queued, areas[text]));
    }
  }
}
