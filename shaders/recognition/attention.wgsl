// Attention over the 256 positions of a region's crop, 8 heads of 16 channels, for a workgroup of
// 128 lanes. Put in front of encode.wgsl and decode.wgsl, which set the queries.
// src/recognition/plan.ts adds the constants CHANNELS, HEADS, CROP_HEIGHT and CROP_WIDTH.
//
// crops      [region][256][32]   vec4 of channels
// cropValues                     the same, as single floats
// weights                        vec4; src/recognition/weights.ts defines the order
//
// Keys and values are never computed. A head's score of a position m is q · (K m + k) = (Kᵀ q) · m
// + q · k; the last term is the same at every position, so the softmax cancels it. And Σ a (V m +
// v) = V (Σ a m) + v. So the query is projected to the crop's 128 channels, and V multiplies only
// the weighted sum of positions. For words of up to 17 tokens this is less work, and it needs no
// memory.
// Source: PAN++ paper, recognition head; spec, Recognition 3 and 4.
struct Sizes {
  // Equal to the constants below, but unknown to compilers, which would unroll loops of constant
  // length: that takes software drivers minutes.
  channels: u32,
  positions: u32,
  headLanes: u32,
  // The decoder's LSTM cells, classes, hypotheses, most steps, and 1 if tokens are given.
  cells: u32,
  classes: u32,
  beam: u32,
  length: u32,
  forced: u32,
}

@group(0) @binding(0) var<storage, read> crops: array<vec4f>;
@group(0) @binding(1) var<storage, read> cropValues: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<vec4f>;

const LANES = CHANNELS;
const CHANNELS4 = CHANNELS / 4u;
// Channels of a head.
const HEAD_LANES = CHANNELS / HEADS;
const POSITIONS = CROP_HEIGHT * CROP_WIDTH;
// Vec4s of a 128 → 128 linear layer, [input vec4][output] and then its bias.
const LINEAR = CHANNELS4 * CHANNELS + CHANNELS4;

// [head][channel]: the query of each head; after attend(), the head's weighted sum of positions.
var<workgroup> queries: array<f32, HEADS * CHANNELS>;
// [position][heads 0 … 3, heads 4 … 7]
var<workgroup> attention: array<vec4f, 2u * POSITIONS>;
// Three vectors of CHANNELS values that all lanes read. They share one array, because separate
// arrays took 1.4 times as long on SwiftShader and far longer to compile on lavapipe.
var<workgroup> vectors: array<f32, 3u * CHANNELS>;
// Operands of the LSTM cells and the classifier: an input, then h of the top or the current cell.
const INPUT = 0u;
const HIDDEN = CHANNELS;
// One value per lane: the input of a linear layer, or operands of a reduction.
const EXCHANGE = 2u * CHANNELS;

fn vectorAt(at: u32) -> vec4f {
  return vec4f(vectors[at], vectors[at + 1u], vectors[at + 2u], vectors[at + 3u]);
}

// Entry `index` of a vector in the weights.
fn weightAt(base: u32, index: u32) -> f32 {
  return weights[base + index / 4u][index % 4u];
}

// Output `lane` of the linear layer at `base`, applied to the vector at `input`.
fn linear(base: u32, input: u32, lane: u32) -> f32 {
  var sum = weightAt(base + CHANNELS4 * CHANNELS, lane);
  for (var at = 0u; at < sizes.channels; at += 4u) {
    sum += dot(weights[base + at * CHANNELS4 + lane], vectorAt(input + at));
  }
  return sum;
}

// One number per head.
struct Heads {
  low: vec4f,
  high: vec4f,
}

// Attention to the lane's two positions, summed over all heads.
var<private> focus: vec2f;

fn scoresOf(region: u32, position: u32) -> Heads {
  var scores = Heads(vec4f(), vec4f());
  for (var c = 0u; c < sizes.channels; c += 4u) {
    let value = crops[(region * POSITIONS + position) * CHANNELS4 + c / 4u];
    scores.low += vec4f(
      dotQuery(value, 0u, c),
      dotQuery(value, 1u, c),
      dotQuery(value, 2u, c),
      dotQuery(value, 3u, c),
    );
    scores.high += vec4f(
      dotQuery(value, 4u, c),
      dotQuery(value, 5u, c),
      dotQuery(value, 6u, c),
      dotQuery(value, 7u, c),
    );
  }
  return scores;
}

fn dotQuery(value: vec4f, head: u32, channel: u32) -> f32 {
  let at = head * CHANNELS + channel;
  return dot(value, vec4f(queries[at], queries[at + 1u], queries[at + 2u], queries[at + 3u]));
}

// Each head's largest score over all lanes; every lane passes the larger of its two. Every lane
// reads all values.
fn largestOf(own: Heads, lane: u32) -> Heads {
  attention[2u * lane] = own.low;
  attention[2u * lane + 1u] = own.high;
  workgroupBarrier();
  var largest = own;
  for (var other = 0u; other < sizes.channels; other++) {
    largest = Heads(
      max(largest.low, attention[2u * other]),
      max(largest.high, attention[2u * other + 1u]),
    );
  }
  workgroupBarrier();
  return largest;
}

// Channel `lane` of the attention's output for `queries`; `output` is where fc_v and fc_o begin.
// All lanes must have written the queries. Overwrites EXCHANGE.
fn attend(region: u32, output: u32, lane: u32) -> f32 {
  // First, a lane computes two positions for all heads.
  let near = scoresOf(region, lane);
  let far = scoresOf(region, LANES + lane);
  let largest = largestOf(Heads(max(near.low, far.low), max(near.high, far.high)), lane);
  let nearShare = Heads(exp(near.low - largest.low), exp(near.high - largest.high));
  let farShare = Heads(exp(far.low - largest.low), exp(far.high - largest.high));
  attention[2u * lane] = nearShare.low;
  attention[2u * lane + 1u] = nearShare.high;
  attention[2u * (LANES + lane)] = farShare.low;
  attention[2u * (LANES + lane) + 1u] = farShare.high;
  workgroupBarrier();

  // Then it computes one channel for all heads.
  var mixture = Heads(vec4f(), vec4f());
  var sum = Heads(vec4f(), vec4f());
  for (var position = 0u; position < sizes.positions; position++) {
    let value = cropValues[(region * POSITIONS + position) * CHANNELS + lane];
    let low = attention[2u * position];
    let high = attention[2u * position + 1u];
    mixture = Heads(mixture.low + low * value, mixture.high + high * value);
    sum = Heads(sum.low + low, sum.high + high);
  }
  focus = vec2f(
    dot(nearShare.low / sum.low + nearShare.high / sum.high, vec4f(1.0)),
    dot(farShare.low / sum.low + farShare.high / sum.high, vec4f(1.0)),
  );
  for (var head = 0u; head < 4u; head++) {
    queries[head * CHANNELS + lane] = mixture.low[head] / sum.low[head];
    queries[(head + 4u) * CHANNELS + lane] = mixture.high[head] / sum.high[head];
  }
  workgroupBarrier();

  let own = lane / HEAD_LANES * CHANNELS;
  var value = weightAt(output + CHANNELS4 * CHANNELS, lane);
  for (var c = 0u; c < sizes.channels; c += 4u) {
    let at = own + c;
    let mixed = vec4f(queries[at], queries[at + 1u], queries[at + 2u], queries[at + 3u]);
    value += dot(weights[output + c * CHANNELS4 + lane], mixed);
  }
  vectors[EXCHANGE + lane] = value;
  workgroupBarrier();
  return linear(output + LINEAR, EXCHANGE, lane);
}
