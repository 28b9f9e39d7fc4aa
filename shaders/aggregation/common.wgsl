// What the kernels of pixel aggregation share; put in front of each of them.
//
// A component (of text or of kernel pixels) is known by its root: the index of its first pixel in raster order.
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
  area: u32,
  // Smallest and largest area of its kept kernels; `largest` 0 = it has none.
  smallest: u32,
  largest: u32,
  // Bounds of its kept kernels' pixels.
  left: u32,
  top: u32,
  right: u32,
  bottom: u32,
  // Where its pixels' part of the queue begins.
  queue: u32,
}

// What is known of a kernel, by its number.
struct Kernel {
  mean: vec4f,
  // Sum of the instance vectors, fixed point: whole part and 2⁻³² parts, so that no order of additions matters.
  wholes: vec4i,
  parts: vec4u,
  area: u32,
  flagged: u32,
}

// The list of text components with a kept kernel: three counts, then their roots.
const LISTED_COMPONENTS = 0u;
// Entries of the queue that are given out.
const LISTED_QUEUED = 1u;
// Kernel components, dropped ones too: the largest label that can occur.
const LISTED_KERNELS = 2u;
const LISTED_ROOTS = 3u;

// What a region adds up to, by its label.
struct RegionSum {
  area: u32,
  // Fixed point, 2⁻²⁰, in 64 bits.
  scoreLow: u32,
  scoreHigh: u32,
}
