// Pixel aggregation 7: labels before growth. In components that will be grown, this writes kernel
// numbers to kernel pixels, and finds the kernels' bounds, the pixels that growth begins from, and
// the sums of instance vectors of flagged kernels.
//
// map        [height][width][4]   vec2, see masks.wgsl
// masks      [3][words]           see common.wgsl; the third part is written
// parents    [2][height][width]   roots
// numbers    [2][height][width]   by kernel root: the kernel's number, 0 if dropped
// components [height][width]      by text root
// kernels    [pixels / 2 + 1]     by number
// labels     [height][width]
//
// One invocation per word.
@group(0) @binding(0) var<storage, read> map: array<vec2f>;
@group(0) @binding(1) var<storage, read> parents: array<u32>;
@group(0) @binding(2) var<storage, read> numbers: array<u32>;
@group(0) @binding(3) var<storage, read_write> masks: array<u32>;
@group(0) @binding(4) var<storage, read_write> components: array<AtomicTextComponent>;
@group(0) @binding(5) var<storage, read_write> kernels: array<AtomicKernel>;
@group(0) @binding(6) var<storage, read_write> labels: array<u32>;
@group(0) @binding(7) var<uniform> sizes: Sizes;

// Kernel, with atomic members.
struct AtomicKernel {
  wholes: array<atomic<i32>, 4>,
  parts: array<atomic<u32>, 4>,
  area: u32,
  root: u32,
  text: u32,
  flagged: u32,
}

// Text pixels outside kernels.
fn bare(word: u32) -> u32 {
  return masks[word] & ~masks[wordCount() + word];
}

// Pixels beside text that is outside kernels. The first and last bit are always set, so that the
// neighbouring words need not be read.
fn besideBare(word: u32) -> u32 {
  let across = wordsAcross();
  let own = bare(word);
  let above = select(0u, bare(max(word, across) - across), word >= across);
  let below = select(0u, bare(min(word + across, wordCount() - 1u)), word + across < wordCount());
  return (own << 1u) | (own >> 1u) | above | below | 0x80000001u;
}

// Adds the instance vectors of the pixels begin … end − 1 to a kernel's sums.
fn addVectors(number: u32, begin: u32, end: u32) {
  var wholes = vec4i();
  var parts = vec4u();
  for (var pixel = begin; pixel < end; pixel++) {
    let vector = vec4f(map[pixel * 4u + 1u], map[pixel * 4u + 2u]);
    let whole = floor(vector);
    // The fraction is below 1 in float32, so `part` is at most 2³² − 256.
    let part = vec4u((vector - whole) * 4294967296.0);
    parts += part;
    wholes += vec4i(whole) + select(vec4i(), vec4i(1), parts < part);
  }
  for (var axis = 0u; axis < 4u; axis++) {
    let before = atomicAdd(&kernels[number].parts[axis], parts[axis]);
    let carry = select(0, 1, before + parts[axis] < before);
    atomicAdd(&kernels[number].wholes[axis], wholes[axis] + carry);
  }
}

fn setLabels(number: u32, begin: u32, end: u32) {
  for (var pixel = begin; pixel < end; pixel++) {
    labels[pixel] = number;
  }
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let word = wordAt((group.y * groups.x + group.x) * 64u + lane);
  if (word >= wordCount()) {
    return;
  }
  let origin = firstPixel(word);
  // Kernel pieces in components that will be grown.
  var open = 0u;
  // The first pass writes the first piece and all of the background; then one piece per pass.
  var text = masks[word];
  var first = 0u;
  var end = bitsOf(word);
  while (end > 0u) {
    var piece = 0u;
    var label = 0u;
    if (text != 0u) {
      piece = text & ~withoutPiece(text);
      label = atomicLoad(&components[parents[origin + firstBit(text)]].label);
    }
    for (var at = first; at < end; at++) {
      labels[origin + at] = select(0u, label, (piece & (1u << at)) != 0u);
    }
    open |= select(0u, piece, label == OPEN);
    text &= ~piece;
    first = firstBit(text);
    end = select(0u, first + onesFromBelow(text >> first), text != 0u);
  }
  let column = word % wordsAcross() * 32u;
  var kernel = masks[wordCount() + word] & open;
  var kept = 0u;
  while (kernel != 0u) {
    let piece = kernel & ~withoutPiece(kernel);
    let start = firstBit(piece);
    let end = start + onesFromBelow(piece >> start);
    kernel &= ~piece;
    let number = numbers[parents[pixelCount() + origin + start]];
    if (number != 0u) {
      kept |= piece;
      setLabels(number, origin + start, origin + end);
      let text = kernels[number].text;
      atomicMin(&components[text].left, column + start);
      atomicMax(&components[text].right, column + end - 1u);
      atomicMax(&components[text].bottom, word / wordsAcross());
      if (kernels[number].flagged == 1u) {
        addVectors(number, origin + start, origin + end);
      }
    }
  }
  masks[2u * wordCount() + word] = kept & besideBare(word);
}
