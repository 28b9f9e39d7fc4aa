// The decoder: a region's holistic feature and crop to a word, by beam search; with a beam of 1 that is greedy decoding. Two
// stacked LSTM cells; the upper one's state h asks the crop, and a linear layer on [what it got, h] gives the logits of the next token.
//
// crops, weights                             see attention.wgsl; weights: LSTM cells, layer norm, fc_q, fc_k, fc_v, fc_o, cls, embedding
// holistic [region][128]
// forced   [region][length]                  the tokens to assume if FORCED
// states   [region][2][BEAMS][4][128]        h and c of the lower cell, h and c of the upper one; two banks, old and new in turn
// logits   [region][BEAMS or length][CLASSES]   of the last step, by hypothesis; if FORCED, of every step
// trail    [region][32][BEAMS]               what each hypothesis added in each step
// words    [region]                          the best hypothesis
//
// One workgroup a region, which runs all steps until every hypothesis has ended, so short words cost less. A hypothesis is worth the
// mean log-probability of its tokens, EOS included. In every step the BEAMS most valuable ones stay, of those that have ended
// and all continuations of those that have not.
// Source: PAN++ paper section 3.5; spec, Recognition 4.
override CLASSES: u32;
override BEAMS: u32;
override FORCED: bool;

struct Settings {
  // Regions in this run.
  count: u32,
  maskScale: u32,
  // Steps at most.
  length: u32,
}

// A token of a hypothesis, and the hypothesis of the step before that it continues. Ended ones go on with no token.
struct Step {
  parent: u32,
  token: u32,
  probability: f32,
  attention: u32,
}

struct Reading {
  token: u32,
  // Softmax of the logits.
  probability: f32,
  // The position, 0 … 255, that the heads together attended to most.
  attention: u32,
}

struct Word {
  length: u32,
  readings: array<Reading, LENGTH>,
}

@group(0) @binding(2) var<storage, read> holistic: array<f32>;
@group(0) @binding(3) var<storage, read> forced: array<u32>;
@group(0) @binding(4) var<storage, read_write> states: array<f32>;
@group(0) @binding(5) var<storage, read_write> logits: array<f32>;
@group(0) @binding(6) var<storage, read_write> trail: array<Step>;
@group(0) @binding(7) var<storage, read_write> words: array<Word>;
@group(0) @binding(8) var<uniform> settings: Settings;
@group(0) @binding(9) var<uniform> sizes: Sizes;

const LENGTH = 32u;
const NONE = 0xffffffffu;
const LOWEST = -3.4e38;

// Where the parts of the weights begin.
const CELL = 2u * CHANNELS * CHANNELS + CHANNELS;
const LAYER_NORM = 2u * CELL;
const QUERY = LAYER_NORM + 2u * CHANNELS4;
const KEY = QUERY + LINEAR;
const OUTPUT = KEY + CHANNELS * CHANNELS4;
const CLASSIFIER = OUTPUT + 2u * LINEAR;

const EMPTY = 0u;
const LIVE = 1u;
const ENDED = 2u;

struct Hypothesis {
  kind: u32,
  // Sum of the tokens' log-probabilities, and how many there are.
  score: f32,
  length: u32,
  // The last token, and the place that the hypothesis had before that.
  token: u32,
  parent: u32,
}

var<workgroup> beam: array<Hypothesis, BEAMS>;
var<workgroup> chosen: array<Hypothesis, BEAMS>;
// By hypothesis, of the current step: log Σ exp(logits), and the position attended to most.
var<workgroup> logSum: array<f32, BEAMS>;
var<workgroup> peak: array<u32, BEAMS>;
var<workgroup> partialIndex: array<u32, LANES>;
var<workgroup> live: u32;

fn sigmoid(x: f32) -> f32 {
  return 1.0 / (1.0 + exp(-max(x, -80.0)));
}

// Not the built-in one, which overflows in some drivers.
fn hyperbolicTangent(x: f32) -> f32 {
  return 2.0 * sigmoid(2.0 * x) - 1.0;
}

// Unit `lane` of an LSTM cell: its new h and c. The input is the first vector, the old h the second. A vec4 of weights is
// what one input gives to the unit's four gates.
fn lstmCell(base: u32, memory: f32, lane: u32) -> vec2f {
  var gates = weights[base + 2u * CHANNELS * CHANNELS + lane];
  for (var at = 0u; at < 2u * sizes.channels; at += 4u) {
    let x = vectorAt(at);
    let row = base + at * CHANNELS + lane;
    gates += x.x * weights[row] + x.y * weights[row + CHANNELS] + x.z * weights[row + 2u * CHANNELS] + x.w * weights[row + 3u * CHANNELS];
  }
  let kept = sigmoid(gates.y) * memory + sigmoid(gates.x) * hyperbolicTangent(gates.z);
  return vec2f(sigmoid(gates.w) * hyperbolicTangent(kept), kept);
}

fn stateAt(region: u32, bank: u32, place: u32) -> u32 {
  return ((region * 2u + bank) * BEAMS + place) * 4u * CHANNELS;
}

// One step of all cells, the lowest on the first vector, which the lanes are writing; leaves h of the upmost in the second one.
fn advance(oldState: u32, newState: u32, isFirst: bool, lane: u32) {
  for (var cell = 0u; cell < sizes.cells; cell++) {
    let hidden = 2u * CHANNELS * cell + lane;
    let memory = hidden + CHANNELS;
    // A lane reads back only what it wrote itself.
    vectors[SECOND + lane] = select(states[oldState + hidden], 0.0, isFirst);
    workgroupBarrier();
    let updated = lstmCell(CELL * cell, select(states[oldState + memory], 0.0, isFirst), lane);
    states[newState + hidden] = updated.x;
    states[newState + memory] = updated.y;
    workgroupBarrier();
    vectors[FIRST + lane] = updated.x;
  }
  vectors[SECOND + lane] = vectors[FIRST + lane];
  workgroupBarrier();
}

// Layer norm of the second vector; every lane adds up all of it, which takes no barrier.
fn layerNorm(lane: u32) -> f32 {
  var sum = vec4f();
  for (var at = 0u; at < sizes.channels; at += 4u) {
    sum += vectorAt(SECOND + at);
  }
  let mean = dot(sum, vec4f(1.0)) / f32(CHANNELS);
  var squares = 0.0;
  for (var at = 0u; at < sizes.channels; at += 4u) {
    let centred = vectorAt(SECOND + at) - mean;
    squares += dot(centred, centred);
  }
  let centred = vectors[SECOND + lane] - mean;
  return centred * inverseSqrt(squares / f32(CHANNELS) + 1e-6) * weightAt(LAYER_NORM, lane) + weightAt(LAYER_NORM + CHANNELS4, lane);
}

// What each head asks, in the crop's channels; a lane takes a vec4 of them for two heads.
fn askQueries(lane: u32) {
  vectors[THIRD + lane] = layerNorm(lane);
  workgroupBarrier();
  vectors[FIRST + lane] = linear(QUERY, THIRD, lane);
  workgroupBarrier();
  let c = lane % CHANNELS4;
  for (var head = lane / CHANNELS4 * 2u; head < lane / CHANNELS4 * 2u + 2u; head++) {
    var query = vec4f();
    for (var row = head * HEAD_LANES; row < head * HEAD_LANES + sizes.headLanes; row++) {
      query += vectors[FIRST + row] * weights[KEY + row * CHANNELS4 + c];
    }
    queries[head * CHANNELS4 + c] = query;
  }
  workgroupBarrier();
}

// Orders candidates: the higher value first, then the lower index.
fn precedes(value: f32, index: u32, otherValue: f32, otherIndex: u32) -> bool {
  return value > otherValue || (value == otherValue && index < otherIndex);
}

// Leaves the first of all lanes' candidates in partial[0] and partialIndex[0].
fn findFirst(value: f32, index: u32, lane: u32) {
  partial[lane] = value;
  partialIndex[lane] = index;
  for (var half = sizes.channels / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half && precedes(partial[lane + half], partialIndex[lane + half], partial[lane], partialIndex[lane])) {
      partial[lane] = partial[lane + half];
      partialIndex[lane] = partialIndex[lane + half];
    }
  }
}

fn sumOf(value: f32, lane: u32) -> f32 {
  partial[lane] = value;
  for (var half = sizes.channels / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      partial[lane] += partial[lane + half];
    }
  }
  return workgroupUniformLoad(&partial[0]);
}

fn notePeak(place: u32, lane: u32) {
  var near = 0.0;
  var far = 0.0;
  for (var head = 0u; head < HEADS; head++) {
    near += attention[head * POSITIONS + lane];
    far += attention[head * POSITIONS + LANES + lane];
  }
  findFirst(max(near, far), select(lane, LANES + lane, far > near), lane);
  if (lane == 0u) {
    peak[place] = partialIndex[0];
  }
  workgroupBarrier();
}

fn logitsAt(region: u32, row: u32) -> u32 {
  return (region * select(BEAMS, settings.length, FORCED) + row) * CLASSES;
}

// The logits of a hypothesis from h in the second vector, and what a softmax of them needs.
fn classify(region: u32, place: u32, row: u32, lane: u32) {
  askQueries(lane);
  vectors[FIRST + lane] = attend(region, OUTPUT, lane);
  workgroupBarrier();
  notePeak(place, lane);
  let bias = CLASSIFIER + 2u * CHANNELS4 * CLASSES;
  var largest = LOWEST;
  for (var token = lane; token < CLASSES; token += LANES) {
    var sum = weightAt(bias, token);
    for (var c = 0u; 2u * c < sizes.channels; c++) {
      sum += dot(weights[CLASSIFIER + c * CLASSES + token], vectorAt(4u * c));
    }
    logits[logitsAt(region, row) + token] = sum;
    largest = max(largest, sum);
  }
  findFirst(largest, lane, lane);
  largest = workgroupUniformLoad(&partial[0]);
  var sum = 0.0;
  for (var token = lane; token < CLASSES; token += LANES) {
    sum += exp(logits[logitsAt(region, row) + token] - largest);
  }
  sum = sumOf(sum, lane);
  if (lane == 0u) {
    logSum[place] = largest + log(sum);
  }
}

// Mean log-probability of a candidate; candidate `place` · CLASSES + token is that hypothesis with that token, and an ended one
// itself is its candidate with token 0.
fn valueOf(region: u32, candidate: u32) -> f32 {
  let place = candidate / CLASSES;
  let token = candidate % CLASSES;
  let hypothesis = beam[place];
  if (hypothesis.kind == LIVE) {
    let logProbability = logits[logitsAt(region, place) + token] - logSum[place];
    return (hypothesis.score + logProbability) / f32(hypothesis.length + 1u);
  }
  if (hypothesis.kind == ENDED && token == 0u) {
    return hypothesis.score / f32(hypothesis.length);
  }
  return LOWEST;
}

fn stepAt(region: u32, step: u32, place: u32) -> u32 {
  return (region * LENGTH + step) * BEAMS + place;
}

// By one lane: the hypothesis at `place` with one more token, as one of the next step.
fn extend(region: u32, step: u32, row: u32, place: u32, token: u32, to: u32) {
  let logProbability = logits[logitsAt(region, row) + token] - logSum[place];
  let kind = select(LIVE, ENDED, token == CLASSES - 3u && !FORCED);
  chosen[to] = Hypothesis(kind, beam[place].score + logProbability, beam[place].length + 1u, token, place);
  trail[stepAt(region, step, to)] = Step(place, token, exp(logProbability), peak[place]);
}

// By one lane: a chosen candidate becomes a hypothesis of the next step.
fn choose(region: u32, step: u32, candidate: u32, value: f32, to: u32) {
  let place = candidate / CLASSES;
  if (value == LOWEST) {
    // Fewer candidates than places; none at all if the logits are no numbers.
    chosen[to] = Hypothesis(EMPTY, 0.0, 0u, 0u, 0u);
  } else if (beam[place].kind == ENDED) {
    chosen[to] = beam[place];
    trail[stepAt(region, step, to)] = Step(place, NONE, 0.0, 0u);
  } else {
    extend(region, step, place, place, candidate % CLASSES, to);
  }
}

// The BEAMS first candidates, one after the other: each is the first of those that come after the one before.
fn chooseAll(region: u32, step: u32, lane: u32) {
  var before = 3.4e38;
  var beforeIndex = 0u;
  for (var to = 0u; to < BEAMS; to++) {
    var value = LOWEST;
    var index = NONE;
    for (var candidate = lane; candidate < BEAMS * CLASSES; candidate += LANES) {
      let own = valueOf(region, candidate);
      if (precedes(before, beforeIndex, own, candidate) && precedes(own, candidate, value, index)) {
        value = own;
        index = candidate;
      }
    }
    findFirst(value, index, lane);
    before = workgroupUniformLoad(&partial[0]);
    beforeIndex = workgroupUniformLoad(&partialIndex[0]);
    if (lane == 0u) {
      choose(region, step, beforeIndex, before, to);
    }
  }
}

// The chosen hypotheses become the beam; `live` counts those that go on.
fn turnOver(lane: u32) {
  workgroupBarrier();
  if (lane < BEAMS) {
    beam[lane] = chosen[lane];
  }
  if (lane == 0u) {
    live = 0u;
    for (var place = 0u; place < BEAMS; place++) {
      live += select(0u, 1u, chosen[place].kind == LIVE);
    }
  }
}

// By one lane: follows the best hypothesis, which is in the first place, back through the steps.
fn writeWord(region: u32, steps: u32) {
  words[region].length = beam[0].length;
  if (beam[0].kind == EMPTY) {
    return;
  }
  var place = 0u;
  for (var step = steps; step > 0u; step--) {
    let taken = trail[stepAt(region, step - 1u, place)];
    if (taken.token != NONE) {
      words[region].readings[step - 1u] = Reading(taken.token, taken.probability, taken.attention);
    }
    place = taken.parent;
  }
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let region = group.x;
  if (region >= settings.count) {
    return;
  }
  if (lane < BEAMS) {
    beam[lane] = Hypothesis(select(EMPTY, LIVE, lane == 0u), 0.0, 0u, CLASSES - 3u, 0u);
  }
  let embedding = CLASSIFIER + 2u * CHANNELS4 * CLASSES + (CLASSES + 3u) / 4u;
  var steps = 0u;
  // The step before the first one takes the holistic feature and emits nothing.
  for (var turn = 0u; turn <= settings.length; turn++) {
    for (var place = 0u; place < BEAMS; place++) {
      if (workgroupUniformLoad(&beam[place].kind) == LIVE) {
        if (turn == 0u) {
          vectors[FIRST + lane] = holistic[region * CHANNELS + lane];
        } else {
          vectors[FIRST + lane] = weightAt(embedding + beam[place].token * CHANNELS4, lane);
        }
        advance(stateAt(region, turn % 2u, beam[place].parent), stateAt(region, (turn + 1u) % 2u, place), turn == 0u, lane);
        if (turn > 0u) {
          classify(region, place, select(place, turn - 1u, FORCED), lane);
        }
      }
    }
    if (turn == 0u) {
      continue;
    }
    storageBarrier();
    workgroupBarrier();
    if (!FORCED) {
      chooseAll(region, turn - 1u, lane);
    } else if (lane == 0u) {
      let step = turn - 1u;
      extend(region, step, step, 0u, forced[region * settings.length + step], 0u);
    }
    turnOver(lane);
    steps = turn;
    if (workgroupUniformLoad(&live) == 0u) {
      break;
    }
  }
  if (lane == 0u) {
    writeWord(region, steps);
  }
}
