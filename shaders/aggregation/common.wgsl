// Shared by the shaders of pixel aggregation, and put in front of each.
//
// Text and kernels are masks with one bit per pixel. A row is ceil(width / 32) words; its first
// pixel is the lowest bit of its first word. There are three masks: text, kernels, and the kernel
// pixels that growth begins from.
// A piece is a run of ones within a word, identified by its first pixel; pieces, not pixels, are
// joined into components. A component (of text or of kernel pixels) is identified by its root, its
// first piece in raster order. src/aggregation/plan.ts adds the constants BLOCK, STRETCH and STRIP.
// Source: spec, Pixel aggregation; PAN++ paper, pixel aggregation.
const NONE = 0xffffffffu;

struct Sizes {
  height: u32,
  width: u32,
  // Size of the resized image, at which areas are counted.
  imageHeight: u32,
  imageWidth: u32,
}

struct Settings {
  // Smallest area of a kernel that is kept, in pixels of the map.
  minKernelArea: u32,
  // 1: every kept kernel is flagged (mode `always`); 0: mode `reference`.
  always: u32,
  // Largest squared distance of a flagged kernel's pixels from its mean, in instance vector space.
  squaredDistance: f32,
}

// A text component, indexed by its root.
struct TextComponent {
  // Of the kernels that it keeps: smallest and largest area, sum of areas.
  smallest: u32,
  largest: u32,
  area: u32,
  // The label of its pixels before growth: the highest number of its kept kernels, 0 if it has
  // none, OPEN once it is listed.
  label: u32,
  // Bounds of its kept kernels' pixels, once it is listed; none is above the root.
  left: u32,
  right: u32,
  bottom: u32,
}

// TextComponent, with atomic members.
struct AtomicTextComponent {
  smallest: atomic<u32>,
  largest: atomic<u32>,
  area: atomic<u32>,
  label: atomic<u32>,
  left: atomic<u32>,
  right: atomic<u32>,
  bottom: atomic<u32>,
}

// A kernel, indexed by its number.
struct Kernel {
  // Sum of the instance vectors in fixed point: integer part and 2⁻³² fractions, so that the order
  // of additions does not matter.
  wholes: vec4i,
  parts: vec4u,
  area: u32,
  // Its own root and the root of its text component.
  root: u32,
  text: u32,
  // 1: it only takes pixels whose instance vector is close to its mean.
  flagged: u32,
}

// The text components that will be grown.
struct Listed {
  // Number of these components.
  components: u32,
  // Number of queue entries already assigned.
  queued: u32,
  // Number of kernel components, including dropped ones: the largest possible label.
  kernels: u32,
  // Bits, cleared by the host: 1 if a value of the map is NaN or infinite, 2 if an instance vector
  // of text is too large to be summed.
  faults: u32,
  entries: array<ListedComponent>,
}

// Listed, with atomic members.
struct AtomicListed {
  components: atomic<u32>,
  queued: atomic<u32>,
  kernels: u32,
  faults: atomic<u32>,
  entries: array<ListedComponent>,
}

struct ListedComponent {
  root: u32,
  // Where its part of the queue begins.
  begin: u32,
}

// Label of a pixel that no kernel has reached yet.
const OPEN = 0xffffffffu;

// Sums of a region, indexed by its label.
struct RegionSum {
  area: u32,
  // Fixed point in units of 2⁻²⁰, 64 bits.
  scoreLow: u32,
  scoreHigh: u32,
}

// Whether one area is more than 1024 times another: kernels of one text component that differ this
// much check instance vectors.
fn isFarLarger(area: u32, other: u32) -> bool {
  return (area - 1u) / 1024u >= other;
}

fn pixelCount() -> u32 {
  return sizes.height * sizes.width;
}

fn wordsAcross() -> u32 {
  return (sizes.width + 31u) / 32u;
}

// Words of one mask.
fn wordCount() -> u32 {
  return sizes.height * wordsAcross();
}

// The word of an invocation: strips of STRIP rows, downwards first. Words above one another are
// most alike, so neighbouring invocations take similar paths.
fn wordAt(invocation: u32) -> u32 {
  let strip = STRIP * wordsAcross();
  let place = invocation % strip;
  return (invocation / strip * STRIP + place % STRIP) * wordsAcross() + place / STRIP;
}

// Kernel roots are counted per block of BLOCK words and per stretch of STRETCH blocks; the counts
// of the stretches follow those of the blocks.
fn blockOf(word: u32) -> u32 {
  return word / BLOCK;
}

fn blockCount() -> u32 {
  return (wordCount() + BLOCK - 1u) / BLOCK;
}

fn stretchOf(block: u32) -> u32 {
  return blockCount() + block / STRETCH;
}

// Index of the pixel at a word's lowest bit.
fn firstPixel(word: u32) -> u32 {
  let across = wordsAcross();
  return word / across * sizes.width + word % across * 32u;
}

// Bits of a word that are pixels of the map.
fn bitsOf(word: u32) -> u32 {
  return min(32u, sizes.width - word % wordsAcross() * 32u);
}

// Number of ones from the lowest bit up to the first zero. (Counting ones is cheap on every
// adapter; counting leading or trailing zeros is not.)
fn onesFromBelow(bits: u32) -> u32 {
  return countOneBits(bits & ~(bits + 1u));
}

// Lowest bit of a mask's lowest piece; 32 if there is none.
fn firstBit(mask: u32) -> u32 {
  return onesFromBelow(~mask);
}

// Lowest bit of the piece that holds bit `at`.
fn pieceStart(mask: u32, at: u32) -> u32 {
  return at + 1u - onesFromBelow(reverseBits(mask) >> (31u - at));
}

// A mask without its lowest piece.
fn withoutPiece(mask: u32) -> u32 {
  return mask & (mask + (mask & (~mask + 1u)));
}
