// Pixel aggregation 8, for GPU hardware: kernels grow over their text component, level by level.
//
// map        [height][width][4]   vec2, see masks.wgsl
// masks      [3][words]           see common.wgsl
// listed                          see common.wgsl
// components [height][width]      by root
// kernels    [pixels / 2 + 1]     by number
// labels     [height][width]
// origins    [height][width]      the kernel pixel that a labelled pixel's growth began from
// queue      [height][width]      pixels; each component has its own part
//
// One workgroup per text component (components never interact), in a loop if there are more. At
// every level each queued pixel offers its origin to the open neighbours that it may take. The
// smallest offer wins; the invocation that makes the first offer queues the neighbour for the next
// level.
//
// Why this equals the reference: its queue holds a level's pixels ordered by (parent's place,
// direction), hence by (place of the kernel pixel that growth began from, directions since then),
// and the kernel pixels in raster order. Two pixels that compete for a third with different labels
// began from different kernel pixels, so the smaller origin decides; with the same label the winner
// does not matter.
// Source: spec, Pixel aggregation 4.
@group(0) @binding(0) var<storage, read> map: array<vec2f>;
@group(0) @binding(1) var<storage, read> masks: array<u32>;
@group(0) @binding(2) var<storage, read> listed: Listed;
@group(0) @binding(3) var<storage, read> components: array<TextComponent>;
@group(0) @binding(4) var<storage, read> kernels: array<Kernel>;
@group(0) @binding(5) var<storage, read_write> labels: array<atomic<u32>>;
@group(0) @binding(6) var<storage, read_write> origins: array<u32>;
@group(0) @binding(7) var<storage, read_write> queue: array<u32>;
@group(0) @binding(8) var<uniform> settings: Settings;
@group(0) @binding(9) var<uniform> sizes: Sizes;

const LANES = 128u;
// End of the queue.
var<workgroup> tail: atomic<u32>;
var<workgroup> ended: u32;

// A label of OFFER or more is an offer, OFFER + origin; OPEN is larger than every offer.
const OFFER = 0x80000000u;

// Queues the pixels of a component that growth begins from.
fn queueKernels(root: u32, lane: u32) {
  let top = root / sizes.width;
  let first = components[root].left / 32u;
  let columns = components[root].right / 32u + 1u - first;
  let count = columns * (components[root].bottom + 1u - top);
  for (var at = lane; at < count; at += LANES) {
    let word = (top + at / columns) * wordsAcross() + first + at % columns;
    var rest = masks[2u * wordCount() + word];
    while (rest != 0u) {
      let pixel = firstPixel(word) + firstBit(rest);
      rest &= rest - 1u;
      if (kernels[atomicLoad(&labels[pixel])].text == root) {
        origins[pixel] = pixel;
        queue[atomicAdd(&tail, 1u)] = pixel;
      }
    }
  }
}

fn offer(origin: u32, isFlagged: bool, mean: vec4f, pixel: u32) {
  if (atomicLoad(&labels[pixel]) < OFFER || (isFlagged && !isNear(mean, pixel))) {
    return;
  }
  if (atomicMin(&labels[pixel], OFFER + origin) == OPEN) {
    queue[atomicAdd(&tail, 1u)] = pixel;
  }
}

// The end of the queue, after all lanes have reached this point.
fn endOfQueue(lane: u32) -> u32 {
  workgroupBarrier();
  if (lane == 0u) {
    ended = atomicLoad(&tail);
  }
  return workgroupUniformLoad(&ended);
}

fn growComponent(root: u32, start: u32, lane: u32) {
  let checks = checksIn(root);
  if (lane == 0u) {
    atomicStore(&tail, start);
  }
  workgroupBarrier();
  queueKernels(root, lane);
  storageBarrier();
  var begin = start;
  var end = endOfQueue(lane);
  while (begin < end) {
    for (var at = begin + lane; at < end; at += LANES) {
      let pixel = queue[at];
      let x = pixel % sizes.width;
      let number = atomicLoad(&labels[pixel]);
      let origin = origins[pixel];
      var isFlagged = false;
      var mean = vec4f();
      if (checks) {
        isFlagged = kernels[number].flagged == 1u;
        mean = meanOf(number);
      }
      if (pixel >= sizes.width) {
        offer(origin, isFlagged, mean, pixel - sizes.width);
      }
      if (pixel + sizes.width < pixelCount()) {
        offer(origin, isFlagged, mean, pixel + sizes.width);
      }
      if (x > 0u) {
        offer(origin, isFlagged, mean, pixel - 1u);
      }
      if (x + 1u < sizes.width) {
        offer(origin, isFlagged, mean, pixel + 1u);
      }
    }
    storageBarrier();
    begin = end;
    end = endOfQueue(lane);
    for (var at = begin + lane; at < end; at += LANES) {
      let pixel = queue[at];
      let origin = atomicLoad(&labels[pixel]) - OFFER;
      origins[pixel] = origin;
      atomicStore(&labels[pixel], atomicLoad(&labels[origin]));
    }
    storageBarrier();
  }
}

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let count = listed.components;
  for (var index = group.x; index < count; index += groups.x) {
    growComponent(listed.entries[index].root, listed.entries[index].begin, lane);
  }
}
