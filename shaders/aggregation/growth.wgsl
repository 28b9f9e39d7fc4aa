// Shared by both ways of growing and put in front of them: which instance vectors are close enough.

// Whether kernels of a component check instance vectors.
fn checksIn(root: u32) -> bool {
  return settings.always == 1u || isFarLarger(components[root].largest, components[root].smallest);
}

// The mean instance vector of a flagged kernel.
fn meanOf(number: u32) -> vec4f {
  let sum = vec4f(kernels[number].wholes) + vec4f(kernels[number].parts) * 0x1p-32;
  return sum / f32(kernels[number].area);
}

// Compares squares, since a driver may round a square root differently.
fn isNear(mean: vec4f, pixel: u32) -> bool {
  let to = vec4f(map[pixel * 4u + 1u], map[pixel * 4u + 2u]) - mean;
  let squares = to * to;
  return squares.x + squares.y + squares.z + squares.w <= settings.squaredDistance;
}
