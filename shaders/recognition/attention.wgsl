// Attention over the 256 positions of a region's crop, 8 heads of 16 channels, for a workgroup of 128 lanes: put in front of
// encode.wgsl and decode.wgsl, which say what is asked.
//
// crops   [region][256][32]   vec4 of channels
// weights                     vec4; src/recognition/weights.ts says in what order
//
// Keys and values are never made. A head's score of a position m is q · (K m + k): (Kᵀ q) · m, but for q · k, which is the same at
// every position and so changes no softmax. And Σ a (V m + v) = V (Σ a m) + v. So a query is brought to the crop's 128 channels, and
// of the crop only the mixture that a head attends to is multiplied. For words of up to 17 tokens this is less work, and it
// needs no memory.
// Source: PAN++ paper section 3.5; spec, Recognition 3 and 4.
// The same as constants below, but not known to compilers: they unroll loops whose ends they know, which takes those of software
// drivers minutes.
struct Sizes {
  channels: u32,
  positions: u32,
  headLanes: u32,
  // LSTM cells of the decoder.
  cells: u32,
}

@group(0) @binding(0) var<storage, read> crops: array<vec4f>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;

const LANES = 128u;
const CHANNELS = 128u;
const CHANNELS4 = 32u;
const HEADS = 8u;
// Lanes that share a head where lanes are channels or share out its positions.
const HEAD_LANES = 16u;
const POSITIONS = 256u;
// Vec4s of a 128 → 128 linear layer, [input vec4][output] and then its bias.
const LINEAR = CHANNELS4 * CHANNELS + CHANNELS4;

// [head][channel vec4]: what each head asks of a position; after attend(), the mixture that it found.
var<workgroup> queries: array<vec4f, 256>;
// [head][position]
var<workgroup> attention: array<f32, 2048>;
var<workgroup> partial: array<f32, LANES>;
// Three vectors of 128 channels that all lanes read.
var<workgroup> vectors: array<f32, 384>;
const FIRST = 0u;
const SECOND = 128u;
const THIRD = 256u;

fn vectorAt(at: u32) -> vec4f {
  return vec4f(vectors[at], vectors[at + 1u], vectors[at + 2u], vectors[at + 3u]);
}

// Entry `index` of a vector in the weights.
fn weightAt(base: u32, index: u32) -> f32 {
  return weights[base + index / 4u][index % 4u];
}

// Output `lane` of the linear layer at `base` for the vector at `input`.
fn linear(base: u32, input: u32, lane: u32) -> f32 {
  var sum = weightAt(base + CHANNELS4 * CHANNELS, lane);
  for (var at = 0u; at < sizes.channels; at += 4u) {
    sum += dot(weights[base + at * CHANNELS4 + lane], vectorAt(input + at));
  }
  return sum;
}

// A lane takes two positions, all heads.
fn scorePositions(region: u32, lane: u32) {
  var near: array<f32, HEADS>;
  var far: array<f32, HEADS>;
  let at = (region * POSITIONS + lane) * CHANNELS4;
  for (var c = 0u; 4u * c < sizes.channels; c++) {
    let nearby = crops[at + c];
    let farther = crops[at + LANES * CHANNELS4 + c];
    for (var head = 0u; head < HEADS; head++) {
      let query = queries[head * CHANNELS4 + c];
      near[head] += dot(nearby, query);
      far[head] += dot(farther, query);
    }
  }
  for (var head = 0u; head < HEADS; head++) {
    attention[head * POSITIONS + lane] = near[head];
    attention[head * POSITIONS + LANES + lane] = far[head];
  }
}

// Softmax over each head's positions; 16 lanes share a head.
fn normalisePositions(lane: u32) {
  let own = lane / HEAD_LANES * POSITIONS + lane % HEAD_LANES;
  let group = lane / HEAD_LANES * HEAD_LANES;
  var largest = attention[own];
  for (var at = HEAD_LANES; at < sizes.positions; at += HEAD_LANES) {
    largest = max(largest, attention[own + at]);
  }
  partial[lane] = largest;
  workgroupBarrier();
  for (var other = 0u; other < sizes.headLanes; other++) {
    largest = max(largest, partial[group + other]);
  }
  workgroupBarrier();
  var sum = 0.0;
  for (var at = 0u; at < sizes.positions; at += HEAD_LANES) {
    let share = exp(attention[own + at] - largest);
    attention[own + at] = share;
    sum += share;
  }
  partial[lane] = sum;
  workgroupBarrier();
  sum = 0.0;
  for (var other = 0u; other < sizes.headLanes; other++) {
    sum += partial[group + other];
  }
  for (var at = 0u; at < sizes.positions; at += HEAD_LANES) {
    attention[own + at] /= sum;
  }
}

// A lane takes a vec4 of channels for two heads.
fn mixPositions(region: u32, lane: u32) {
  let c = lane % CHANNELS4;
  let head = lane / CHANNELS4 * 2u;
  var one = vec4f();
  var other = vec4f();
  for (var position = 0u; position < sizes.positions; position++) {
    let value = crops[(region * POSITIONS + position) * CHANNELS4 + c];
    one += attention[head * POSITIONS + position] * value;
    other += attention[(head + 1u) * POSITIONS + position] * value;
  }
  queries[head * CHANNELS4 + c] = one;
  queries[(head + 1u) * CHANNELS4 + c] = other;
}

// Channel `lane` of what `queries` get from the region; `output` is where fc_v and fc_o lie. All lanes must have written the
// queries. Uses the third vector.
fn attend(region: u32, output: u32, lane: u32) -> f32 {
  scorePositions(region, lane);
  workgroupBarrier();
  normalisePositions(lane);
  workgroupBarrier();
  mixPositions(region, lane);
  workgroupBarrier();
  var value = weightAt(output + CHANNELS4 * CHANNELS, lane);
  for (var c = 0u; 4u * c < sizes.channels; c++) {
    value += dot(weights[output + c * CHANNELS + lane], queries[lane / HEAD_LANES * CHANNELS4 + c]);
  }
  vectors[THIRD + lane] = value;
  workgroupBarrier();
  return linear(output + LINEAR, THIRD, lane);
}
