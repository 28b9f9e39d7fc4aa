// Pixels of 8-bit images, and their normalisation: parts of resize_normalize.wgsl and rectify.wgsl.
//
// pixels  bytes: red, green, blue, and alpha if CHANNELS is 4; four per u32, the first one lowest
override CHANNELS: u32;

@group(0) @binding(0) var<storage, read> pixels: array<u32>;

const MEAN = vec3f(0.485, 0.456, 0.406);
const DEVIATION = vec3f(0.229, 0.224, 0.225);

// The pixel that begins at a byte.
fn rgb(first: u32) -> vec3i {
  var bytes = pixels[first / 4u];
  if (CHANNELS == 3u) {
    // The pixel begins in this word and may end in the next.
    let begin = first % 4u * 8u;
    bytes = (bytes >> begin) | ((pixels[(first + 2u) / 4u] << 1u) << (31u - begin));
  }
  return vec3i((vec3u(bytes) >> vec3u(0u, 8u, 16u)) & vec3u(255u));
}

// The network's input for a colour of 0 … 255.
fn normalised(colour: vec3f) -> vec4f {
  return vec4f((colour / 255.0 - MEAN) / DEVIATION, 0.0);
}
