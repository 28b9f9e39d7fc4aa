// Pixel aggregation 8, for adapters that compute on the CPU: kernels grow over their text
// component, with one queue per component.
//
// map        [height][width][4]   vec2, see masks.wgsl
// masks      [3][words]           see common.wgsl
// listed                          see common.wgsl
// components [height][width]      by root
// kernels    [pixels / 2 + 1]     by number
// labels     [height][width]
// queue      [height][width]      places, see columnBits; each component has its own part
//
// One invocation per text component (components never interact), in a loop if there are more. It is
// the reference's queue without the kernel pixels that have nothing to take. No invocation waits
// for another: waiting is what costs most on such adapters.
// Source: spec, Pixel aggregation 4.
@group(0) @binding(0) var<storage, read> map: array<vec2f>;
@group(0) @binding(1) var<storage, read> masks: array<u32>;
@group(0) @binding(2) var<storage, read> listed: Listed;
@group(0) @binding(3) var<storage, read> components: array<TextComponent>;
@group(0) @binding(4) var<storage, read> kernels: array<Kernel>;
@group(0) @binding(5) var<storage, read_write> labels: array<u32>;
@group(0) @binding(6) var<storage, read_write> queue: array<u32>;
@group(0) @binding(7) var<uniform> settings: Settings;
@group(0) @binding(8) var<uniform> sizes: Sizes;

// A place is a pixel as row · 2^columnBits + column, so that reading row and column needs no
// division.
fn columnBits() -> u32 {
  return 32u - countLeadingZeros(sizes.width - 1u);
}

// Queues the pixels of a component that growth begins from, in raster order; returns the end of the
// queue.
fn queueKernels(root: u32, begin: u32) -> u32 {
  let shift = columnBits();
  let bottom = components[root].bottom;
  let first = components[root].left / 32u;
  let last = components[root].right / 32u;
  var end = begin;
  for (var y = root / sizes.width; y <= bottom; y++) {
    for (var column = first; column <= last; column++) {
      var rest = masks[2u * wordCount() + y * wordsAcross() + column];
      while (rest != 0u) {
        let x = column * 32u + firstBit(rest);
        rest &= rest - 1u;
        if (kernels[labels[y * sizes.width + x]].text == root) {
          queue[end] = (y << shift) + x;
          end++;
        }
      }
    }
  }
  return end;
}

fn growComponent(root: u32, begin: u32, checks: bool) {
  let shift = columnBits();
  var end = queueKernels(root, begin);
  for (var at = begin; at < end; at++) {
    let place = queue[at];
    let x = place & ((1u << shift) - 1u);
    let y = place >> shift;
    let pixel = y * sizes.width + x;
    let number = labels[pixel];
    var isFlagged = false;
    var mean = vec4f();
    if (checks) {
      isFlagged = kernels[number].flagged == 1u;
      mean = meanOf(number);
    }
    // Beyond the map's border, use the pixel itself, which is not open.
    let up = select(pixel, pixel - sizes.width, y > 0u);
    let down = select(pixel, pixel + sizes.width, y + 1u < sizes.height);
    let left = select(pixel, pixel - 1u, x > 0u);
    let right = select(pixel, pixel + 1u, x + 1u < sizes.width);
    let isOpen = vec4u(labels[up], labels[down], labels[left], labels[right]) == vec4u(OPEN);
    if (isOpen.x && (!isFlagged || isNear(mean, up))) {
      labels[up] = number;
      queue[end] = place - (1u << shift);
      end++;
    }
    if (isOpen.y && (!isFlagged || isNear(mean, down))) {
      labels[down] = number;
      queue[end] = place + (1u << shift);
      end++;
    }
    if (isOpen.z && (!isFlagged || isNear(mean, left))) {
      labels[left] = number;
      queue[end] = place - 1u;
      end++;
    }
    if (isOpen.w && (!isFlagged || isNear(mean, right))) {
      labels[right] = number;
      queue[end] = place + 1u;
      end++;
    }
  }
}

// Components whose kernels check no vectors have a path of their own: adapters that mask lanes off
// instead of skipping code would otherwise compute distances at every step.
@compute @workgroup_size(8)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let count = listed.components;
  for (var index = group.x * 8u + lane; index < count; index += groups.x * 8u) {
    let root = listed.entries[index].root;
    if (!checksIn(root)) {
      growComponent(root, listed.entries[index].begin, false);
    }
  }
  for (var index = group.x * 8u + lane; index < count; index += groups.x * 8u) {
    let root = listed.entries[index].root;
    if (checksIn(root)) {
      growComponent(root, listed.entries[index].begin, true);
    }
  }
}
