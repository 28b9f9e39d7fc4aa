// What the kernels of pixel aggregation share; put in front of each of them.
//
// Text and kernels are masks, a bit a pixel. A row is ceil(width / 32) words, its first pixel the
// lowest bit of its first word. There are three masks: text, kernels, and the kernel pixels that
// growth begins from.
// A piece is a run of ones within a word, known by its first pixel; pieces, not pixels, are joined
// into components. A component (of text or of kernel pixels) is known by its root, the piece that
// comes first in raster order. BLOCK, STRETCH and STRIP are constants that src/aggregation/plan.ts
// adds.
// Source: spec, Pixel aggregation; PAN++ paper, pixel aggregation.
const NONE = 0xffffffffu;

struct Sizes {
  height: u32,
  width: u32,
  // The resized image's size, at which areas are counted.
  imageHeight: u32,
  imageWidth: u32,
}

struct Settings {
  // The smallest area of a kernel that is kept, pixels of the map.
  minKernelArea: u32,
  // 1: every kept kernel is flagged (mode `always`); 0: mode `reference`.
  always: u32,
  // Farthest that a flagged kernel's pixels may lie from its mean, in instance vector space.
  distance: f32,
}

// What is known of a text component, by its root.
struct TextComponent {
  // Of the kernels that it keeps: smallest and largest area, sum of areas.
  smallest: u32,
  largest: u32,
  area: u32,
  // The highest number of its kept kernels, 0 if it has none, OPEN once it is listed: its pixels'
  // label before growth.
  label: u32,
  // Bounds of its kept kernels' pixels, once it is listed; none of them is above the root.
  left: u32,
  right: u32,
  bottom: u32,
}

// TextComponent, to be changed by many.
struct AtomicTextComponent {
  smallest: atomic<u32>,
  largest: atomic<u32>,
  area: atomic<u32>,
  label: atomic<u32>,
  left: atomic<u32>,
  right: atomic<u32>,
  bottom: atomic<u32>,
}

// What is known of a kernel, by its number.
struct Kernel {
  // Sum of the instance vectors, fixed point: whole part and 2⁻³² parts, so that no order of
  // additions matters.
  wholes: vec4i,
  parts: vec4u,
  area: u32,
  // Its own root and that of its text component.
  root: u32,
  text: u32,
  // 1: it only takes pixels whose instance vector is close to its mean.
  flagged: u32,
}

// The text components that are to be grown.
struct Listed {
  // How many there are.
  components: u32,
  // Entries of the queue that are given out.
  queued: u32,
  // Kernel components, dropped ones too: the largest label that can occur.
  kernels: u32,
  // 1 if a value of the map is NaN or infinite: cleared by the host.
  infinite: u32,
  entries: array<ListedComponent>,
}

// Listed, to be changed by many invocations at once.
struct AtomicListed {
  components: atomic<u32>,
  queued: atomic<u32>,
  kernels: u32,
  infinite: atomic<u32>,
  entries: array<ListedComponent>,
}

struct ListedComponent {
  root: u32,
  // Where its part of the queue begins.
  begin: u32,
}

// Label of a pixel that is still to be reached, if any kernel accepts it.
const OPEN = 0xffffffffu;

// What a region adds up to, by its label.
struct RegionSum {
  area: u32,
  // Fixed point, 2⁻²⁰, in 64 bits.
  scoreLow: u32,
  scoreHigh: u32,
}

// Whether one area is more than 1024 times another: kernels of one text component that differ so
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

// Of one mask.
fn wordCount() -> u32 {
  return sizes.height * wordsAcross();
}

// The word of an invocation, in strips of STRIP rows, downwards first: words above one another look
// most alike, so that invocations side by side do much the same.
fn wordAt(invocation: u32) -> u32 {
  let strip = STRIP * wordsAcross();
  let place = invocation % strip;
  return (invocation / strip * STRIP + place % STRIP) * wordsAcross() + place / STRIP;
}

// Kernels' roots are counted by blocks of BLOCK words and by stretches of STRETCH blocks, whose
// counts follow those of the blocks.
fn blockOf(word: u32) -> u32 {
  return word / BLOCK;
}

fn blockCount() -> u32 {
  return (wordCount() + BLOCK - 1u) / BLOCK;
}

fn stretchOf(block: u32) -> u32 {
  return blockCount() + block / STRETCH;
}

// Index of the pixel of a word's lowest bit.
fn firstPixel(word: u32) -> u32 {
  let across = wordsAcross();
  return word / across * sizes.width + word % across * 32u;
}

// Bits of a word that are pixels.
fn bitsOf(word: u32) -> u32 {
  return min(32u, sizes.width - word % wordsAcross() * 32u);
}

// Ones from the lowest bit up to the first zero. (Counting ones is cheap on every adapter, counting
// zeros at an end is not.)
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
