// Pixel aggregation 9: kernels grow over their text component, a breadth-first search in exactly the reference's order.
//
// map        [height][width][2]   vec4, see init.wgsl
// textParent [height][width]      roots
// listed     [pixels / 2 + 3]     see common.wgsl
// components [height][width]      by root
// kernels    [pixels / 2 + 1]     by number
// labels     [height][width]
// claims     [height][width]      smallest key that wants a pixel; a key is 4 · (the parent's place in the queue) + direction
// queue      [height][width]      each component has its own part
//
// One workgroup a text component (they never interact), in turn if there are more. The queue starts with the component's kernel
// pixels in raster order. In every level each queued pixel claims its unlabelled text neighbours (up, down, left, right), the
// smallest key wins a pixel, and the winners, in key order, are the next level's part of the queue: what the sequential queue
// would have done, in as many steps as the text is wide around its kernels.
// Source: spec, Pixel aggregation 4.
@group(0) @binding(0) var<storage, read> map: array<vec4f>;
@group(0) @binding(1) var<storage, read> textParent: array<u32>;
@group(0) @binding(2) var<storage, read> listed: array<u32>;
@group(0) @binding(3) var<storage, read> components: array<TextComponent>;
@group(0) @binding(4) var<storage, read> kernels: array<Kernel>;
@group(0) @binding(5) var<storage, read_write> labels: array<u32>;
@group(0) @binding(6) var<storage, read_write> claims: array<atomic<u32>>;
@group(0) @binding(7) var<storage, read_write> queue: array<u32>;
@group(0) @binding(8) var<uniform> settings: Settings;
@group(0) @binding(9) var<uniform> sizes: Sizes;

const LANES = 64u;
var<workgroup> running: array<u32, LANES>;

// Sum of `value` over the lanes before this one; `total` then has the sum over all.
fn scan(lane: u32, value: u32) -> u32 {
  running[lane] = value;
  workgroupBarrier();
  for (var step = 1u; step < LANES; step *= 2u) {
    let other = select(0u, running[max(lane, step) - step], lane >= step);
    workgroupBarrier();
    running[lane] += other;
    workgroupBarrier();
  }
  return running[lane] - value;
}

fn total() -> u32 {
  return workgroupUniformLoad(&running[LANES - 1u]);
}

// The neighbour of a pixel in a direction; NONE outside the map.
fn neighbour(pixel: u32, direction: u32) -> u32 {
  let x = pixel % sizes.width;
  switch (direction) {
    case 0u: { return select(NONE, pixel - sizes.width, pixel >= sizes.width); }
    case 1u: { return select(NONE, pixel + sizes.width, pixel + sizes.width < sizes.height * sizes.width); }
    case 2u: { return select(NONE, pixel - 1u, x > 0u); }
    default: { return select(NONE, pixel + 1u, x + 1u < sizes.width); }
  }
}

fn accepts(number: u32, pixel: u32) -> bool {
  if (kernels[number].flagged == 0u) {
    return true;
  }
  let first = map[pixel * 2u];
  let second = map[pixel * 2u + 1u];
  return distance(vec4f(first.zw, second.xy), kernels[number].mean) <= settings.distance;
}

fn claimNeighbours(place: u32) {
  let pixel = queue[place];
  let number = labels[pixel];
  for (var direction = 0u; direction < 4u; direction++) {
    let other = neighbour(pixel, direction);
    if (other != NONE && textParent[other] != NONE && labels[other] == 0u && accepts(number, other)) {
      atomicMin(&claims[other], place * 4u + direction);
    }
  }
}

// Bit d: the queued pixel has won its neighbour in direction d.
fn winsOf(place: u32) -> u32 {
  let pixel = queue[place];
  var wins = 0u;
  for (var direction = 0u; direction < 4u; direction++) {
    let other = neighbour(pixel, direction);
    if (other != NONE && atomicLoad(&claims[other]) == place * 4u + direction) {
      wins |= 1u << direction;
    }
  }
  return wins;
}

fn takeWins(place: u32, wins: u32, to: u32) {
  let pixel = queue[place];
  var at = to;
  for (var direction = 0u; direction < 4u; direction++) {
    if ((wins & (1u << direction)) != 0u) {
      let other = neighbour(pixel, direction);
      labels[other] = labels[pixel];
      queue[at] = other;
      at++;
    }
  }
}

// Queues the component's kernel pixels in raster order; returns the end of the queue.
fn queueKernels(root: u32, lane: u32) -> u32 {
  let left = components[root].left;
  let top = components[root].top;
  let across = components[root].right - left + 1u;
  let count = across * (components[root].bottom - top + 1u);
  var end = components[root].queue;
  for (var base = 0u; base < count; base += LANES) {
    let at = base + lane;
    let pixel = (top + at / across) * sizes.width + left + at % across;
    let isOwn = at < count && textParent[min(pixel, sizes.height * sizes.width - 1u)] == root && labels[pixel] != 0u;
    let before = scan(lane, select(0u, 1u, isOwn));
    if (isOwn) {
      queue[end + before] = pixel;
    }
    end += total();
  }
  return end;
}

fn growComponent(root: u32, lane: u32) {
  var begin = components[root].queue;
  var end = queueKernels(root, lane);
  storageBarrier();
  while (begin < end) {
    for (var base = begin; base < end; base += LANES) {
      if (base + lane < end) {
        claimNeighbours(base + lane);
      }
    }
    storageBarrier();
    var next = end;
    for (var base = begin; base < end; base += LANES) {
      let place = base + lane;
      var wins = 0u;
      if (place < end) {
        wins = winsOf(place);
      }
      let before = scan(lane, countOneBits(wins));
      if (wins != 0u) {
        takeWins(place, wins, next + before);
      }
      next += total();
    }
    storageBarrier();
    begin = end;
    end = next;
  }
}

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let count = listed[LISTED_COMPONENTS];
  for (var index = group.x; index < count; index += groups.x) {
    growComponent(listed[LISTED_ROOTS + index], lane);
  }
}
