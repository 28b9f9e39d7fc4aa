enable subgroups;

// How conv_subgroup.wgsl shares reads among the 8 lanes of a subgroup: in step n, all lanes take
// what lane n has read.
fn take0(x: vec4f) -> vec4f {
  return subgroupBroadcast(x, 0u);
}

fn take1(x: vec4f) -> vec4f {
  return subgroupBroadcast(x, 1u);
}

fn take2(x: vec4f) -> vec4f {
  return subgroupBroadcast(x, 2u);
}

fn take3(x: vec4f) -> vec4f {
  return subgroupBroadcast(x, 3u);
}

fn take4(x: vec4f) -> vec4f {
  return subgroupBroadcast(x, 4u);
}

fn take5(x: vec4f) -> vec4f {
  return subgroupBroadcast(x, 5u);
}

fn take6(x: vec4f) -> vec4f {
  return subgroupBroadcast(x, 6u);
}

fn take7(x: vec4f) -> vec4f {
  return subgroupBroadcast(x, 7u);
}

// The lane whose read is taken in a step.
fn taken(_lane: u32, step: u32) -> u32 {
  return step;
}
