// The decoder's LSTM cells. Part of decode.wgsl.

fn sigmoid(x: f32) -> f32 {
  return 1.0 / (1.0 + exp(-max(x, -80.0)));
}

// Own implementation, because the built-in one overflows in some drivers.
fn hyperbolicTangent(x: f32) -> f32 {
  return 2.0 * sigmoid(2.0 * x) - 1.0;
}

// Unit `lane` of an LSTM cell: its new h and c. A vec4 of weights holds one input's weights for the
// unit's four gates.
fn lstmCell(base: u32, memory: f32, lane: u32) -> vec2f {
  var gates = weights[base + 2u * CHANNELS * CHANNELS + lane];
  for (var at = 0u; at < 2u * sizes.channels; at += 4u) {
    let x = vectorAt(at);
    let row = base + at * CHANNELS + lane;
    let lower = x.x * weights[row] + x.y * weights[row + CHANNELS];
    gates += lower + x.z * weights[row + 2u * CHANNELS] + x.w * weights[row + 3u * CHANNELS];
  }
  let kept = sigmoid(gates.y) * memory + sigmoid(gates.x) * hyperbolicTangent(gates.z);
  return vec2f(sigmoid(gates.w) * hyperbolicTangent(kept), kept);
}

fn stateAt(region: u32, bank: u32, place: u32) -> u32 {
  return ((region * 2u + bank) * sizes.beam + place) * 2u * CELLS * CHANNELS;
}

// One step of all cells; the lowest reads INPUT, which the lanes have just written. Leaves h of the
// top cell at HIDDEN.
fn advance(oldState: u32, newState: u32, isFirst: bool, lane: u32) {
  for (var cell = 0u; cell < sizes.cells; cell++) {
    let hidden = 2u * CHANNELS * cell + lane;
    let memory = hidden + CHANNELS;
    // A lane reads only what it wrote itself, so no barrier is needed before.
    vectors[HIDDEN + lane] = select(states[oldState + hidden], 0.0, isFirst);
    workgroupBarrier();
    let updated = lstmCell(CELL * cell, select(states[oldState + memory], 0.0, isFirst), lane);
    states[newState + hidden] = updated.x;
    states[newState + memory] = updated.y;
    workgroupBarrier();
    vectors[INPUT + lane] = updated.x;
  }
  vectors[HIDDEN + lane] = vectors[INPUT + lane];
  workgroupBarrier();
}
