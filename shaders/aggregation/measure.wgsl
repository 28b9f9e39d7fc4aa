// Pixel aggregation 3: every pixel learns its root, and areas are counted.
//
// textParent, kernelParent [height][width]   afterwards roots
// kernelArea               [height][width]   by root
// components               [height][width]   by root; `area` only
//
// One invocation a stretch of 16 pixels: it counts as long as the root stays, so that few additions meet at one address.
@group(0) @binding(0) var<storage, read_write> textParent: array<atomic<u32>>;
@group(0) @binding(1) var<storage, read_write> kernelParent: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read_write> kernelArea: array<atomic<u32>>;
@group(0) @binding(3) var<storage, read_write> components: array<AtomicTextComponent>;
@group(0) @binding(4) var<uniform> sizes: Sizes;

// TextComponent, to be changed by many.
struct AtomicTextComponent {
  area: atomic<u32>,
  smallest: u32,
  largest: u32,
  left: u32,
  top: u32,
  right: u32,
  bottom: u32,
  queue: u32,
}

fn textRoot(start: u32) -> u32 {
  var pixel = start;
  var parent = atomicLoad(&textParent[pixel]);
  while (parent != pixel) {
    pixel = parent;
    parent = atomicLoad(&textParent[pixel]);
  }
  return pixel;
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

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let begin = ((group.y * groups.x + group.x) * 64u + lane) * 16u;
  let end = min(begin + 16u, sizes.height * sizes.width);
  var text = NONE;
  var textCount = 0u;
  var kernel = NONE;
  var kernelCount = 0u;
  for (var pixel = begin; pixel < end; pixel++) {
    if (atomicLoad(&textParent[pixel]) == NONE) {
      continue;
    }
    let root = textRoot(pixel);
    atomicStore(&textParent[pixel], root);
    if (root != text) {
      if (text != NONE) {
        atomicAdd(&components[text].area, textCount);
      }
      text = root;
      textCount = 0u;
    }
    textCount++;
    if (atomicLoad(&kernelParent[pixel]) == NONE) {
      continue;
    }
    let ownRoot = kernelRoot(pixel);
    atomicStore(&kernelParent[pixel], ownRoot);
    if (ownRoot != kernel) {
      if (kernel != NONE) {
        atomicAdd(&kernelArea[kernel], kernelCount);
      }
      kernel = ownRoot;
      kernelCount = 0u;
    }
    kernelCount++;
  }
  if (text != NONE) {
    atomicAdd(&components[text].area, textCount);
  }
  if (kernel != NONE) {
    atomicAdd(&kernelArea[kernel], kernelCount);
  }
}
