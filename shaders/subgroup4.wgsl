enable subgroups;

// How conv_subgroup.wgsl shares reads among the 4 lanes of a subgroup: in step n, a lane takes what
// the lane with number `lane ^ n` has read. SwiftShader does this in one instruction, a broadcast
// in eight.
fn take0(x: vec4f) -> vec4f {
  return x;
}

fn take1(x: vec4f) -> vec4f {
  return quadSwapX(x);
}

fn take2(x: vec4f) -> vec4f {
  return quadSwapY(x);
}

fn take3(x: vec4f) -> vec4f {
  return quadSwapDiagonal(x);
}

// The lane whose read is taken in a step.
fn taken(lane: u32, step: u32) -> u32 {
  return lane ^ step;
}
