// The decoder: a region's holistic feature and crop to a word, by beam search; with a beam of 1 that is greedy decoding. Two
// stacked LSTM cells; the upper one's state h asks the crop, and a linear layer on [what it got, h] gives the logits of the next token.
//
// crops, cropValues, weights                 see attention.wgsl; weights: LSTM cells, layer norm, fc_q, fc_k, fc_v, fc_o, cls, embedding
// holistic [region][128]
// states   [region][2][beam][4][128]         h and c of the lower cell, h and c of the upper one; two banks, old and new in turn
// logits   [region][beam or length][classes]   of the last step, by hypothesis; with tokens given, of every step
// trail    [region][32][beam]                what each hypothesis added in each step
// words    [region]                          the best hypothesis; if tokens are given, they are there before
//
// One workgroup a region, which runs all steps until every hypothesis has ended, so short words cost less. A hypothesis is worth the
// mean log-probability of its tokens, EOS included. In every step the most valuable ones stay, of those that have ended
// and all continuations of those that have not.
// LENGTH, the most tokens of a word, and MAX_BEAM, the most hypotheses, are constants that src/recognition/plan.ts adds.
// Source: PAN++ paper, recognition head; spec, Recognition 4.
struct Settings {
  // Regions in this run.
  count: u32,
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

@group(0) @binding(3) var<storage, read> holistic: array<f32>;
@group(0) @binding(4) var<storage, read_write> states: array<f32>;
@group(0) @binding(5) var<storage, read_write> logits: array<f32>;
@group(0) @binding(6) var<storage, read_write> trail: array<Step>;
@group(0) @binding(7) var<storage, read_write> words: array<Word>;
@group(0) @binding(8) var<uniform> settings: Settings;
@group(0) @binding(9) var<uniform> sizes: Sizes;

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

var<workgroup> beam: array<Hypothesis, MAX_BEAM>;
var<workgroup> chosen: array<Hypothesis, MAX_BEAM>;
// By hypothesis, of the current step: log Σ exp(logits), and the position attended to most.
var<workgroup> logSum: array<f32, MAX_BEAM>;
var<workgroup> peak: array<u32, MAX_BEAM>;
var<workgroup> indices: array<u32, LANES>;
var<workgroup> live: u32;

fn endOfWord() -> u32 {
  return sizes.classes - 3u;
}

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
  return ((region * 2u + bank) * sizes.beam + place) * 4u * CHANNELS;
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
    for (var part = 0u; part < 4u; part++) {
      queries[head * CHANNELS + 4u * c + part] = query[part];
    }
  }
  workgroupBarrier();
}

// Orders candidates: the higher value first, then the lower index.
fn precedes(value: f32, index: u32, otherValue: f32, otherIndex: u32) -> bool {
  return value > otherValue || (value == otherValue && index < otherIndex);
}

// A candidate of a lane, or of all of them.
struct Candidate {
  value: f32,
  index: u32,
}

// The first of all lanes' candidates; every lane looks through all of them, which takes few barriers.
fn firstOf(own: Candidate, lane: u32) -> Candidate {
  vectors[THIRD + lane] = own.value;
  indices[lane] = own.index;
  workgroupBarrier();
  var first = own;
  for (var other = 0u; other < sizes.channels; other++) {
    let value = vectors[THIRD + other];
    let index = indices[other];
    if (precedes(value, index, first.value, first.index)) {
      first = Candidate(value, index);
    }
  }
  workgroupBarrier();
  return first;
}

// log Σ exp over all lanes, of which each has a largest value and Σ exp(value − largest).
fn logSumOf(largest: f32, sum: f32, lane: u32) -> f32 {
  vectors[FIRST + lane] = largest;
  vectors[THIRD + lane] = sum;
  workgroupBarrier();
  var overall = largest;
  for (var other = 0u; other < sizes.channels; other++) {
    overall = max(overall, vectors[FIRST + other]);
  }
  var total = 0.0;
  for (var other = 0u; other < sizes.channels; other++) {
    total += vectors[THIRD + other] * exp(vectors[FIRST + other] - overall);
  }
  workgroupBarrier();
  return overall + log(total);
}

// Notes the position that all heads together attended to most.
fn notePeak(place: u32, lane: u32) {
  let own = Candidate(max(focus.x, focus.y), select(lane, LANES + lane, focus.y > focus.x));
  let first = firstOf(own, lane);
  if (lane == 0u) {
    peak[place] = first.index;
  }
}

// Where the logits of a hypothesis lie in a step.
fn logitsAt(region: u32, step: u32, place: u32) -> u32 {
  if (sizes.forced == 1u) {
    return (region * sizes.length + step) * sizes.classes;
  }
  return (region * sizes.beam + place) * sizes.classes;
}

// The logits of a hypothesis from h in the second vector, and what a softmax of them needs.
fn classify(region: u32, place: u32, step: u32, lane: u32) {
  let at = logitsAt(region, step, place);
  askQueries(lane);
  vectors[FIRST + lane] = attend(region, OUTPUT, lane);
  workgroupBarrier();
  notePeak(place, lane);
  let bias = CLASSIFIER + 2u * CHANNELS4 * sizes.classes;
  var largest = LOWEST;
  var sum = 0.0;
  for (var token = lane; token < sizes.classes; token += LANES) {
    var logit = weightAt(bias, token);
    for (var c = 0u; 2u * c < sizes.channels; c++) {
      logit += dot(weights[CLASSIFIER + c * sizes.classes + token], vectorAt(4u * c));
    }
    logits[at + token] = logit;
    sum = sum * exp(largest - max(largest, logit)) + exp(logit - max(largest, logit));
    largest = max(largest, logit);
  }
  workgroupBarrier();
  let whole = logSumOf(largest, sum, lane);
  if (lane == 0u) {
    logSum[place] = whole;
  }
}

// Mean log-probability of a candidate; candidate `place` · classes + token is that hypothesis with that token, and an ended one
// itself is its candidate with token 0.
fn valueOf(region: u32, step: u32, index: u32) -> f32 {
  let place = index / sizes.classes;
  let token = index % sizes.classes;
  let hypothesis = beam[place];
  if (hypothesis.kind == LIVE) {
    let logProbability = logits[logitsAt(region, step, place) + token] - logSum[place];
    return (hypothesis.score + logProbability) / f32(hypothesis.length + 1u);
  }
  if (hypothesis.kind == ENDED && token == 0u) {
    return hypothesis.score / f32(hypothesis.length);
  }
  return LOWEST;
}

fn stepAt(region: u32, step: u32, place: u32) -> u32 {
  return (region * LENGTH + step) * sizes.beam + place;
}

// By one lane: a candidate becomes a hypothesis of the next step.
fn choose(region: u32, step: u32, candidate: Candidate, to: u32) {
  let place = candidate.index / sizes.classes;
  let token = candidate.index % sizes.classes;
  if (candidate.value == LOWEST) {
    // Fewer candidates than places; none at all if the logits are no numbers.
    chosen[to] = Hypothesis(EMPTY, 0.0, 0u, 0u, 0u);
  } else if (beam[place].kind == ENDED) {
    chosen[to] = beam[place];
    trail[stepAt(region, step, to)] = Step(place, NONE, 0.0, 0u);
  } else {
    let logProbability = logits[logitsAt(region, step, place) + token] - logSum[place];
    let kind = select(LIVE, ENDED, token == endOfWord() && sizes.forced == 0u);
    chosen[to] = Hypothesis(kind, beam[place].score + logProbability, beam[place].length + 1u, token, place);
    trail[stepAt(region, step, to)] = Step(place, token, exp(logProbability), peak[place]);
  }
}

// The beam's first candidates, one after the other: each is the first of those that come after the one before. Where tokens are given
// there is only one.
fn chooseAll(region: u32, step: u32, lane: u32) {
  var before = Candidate(-LOWEST, 0u);
  for (var to = 0u; to < sizes.beam; to++) {
    var own = Candidate(LOWEST, NONE);
    for (var index = lane; index < sizes.beam * sizes.classes; index += LANES) {
      let value = valueOf(region, step, index);
      if (precedes(before.value, before.index, value, index) && precedes(value, index, own.value, own.index)) {
        own = Candidate(value, index);
      }
    }
    before = firstOf(own, lane);
    if (sizes.forced == 1u) {
      before.index = words[region].readings[step].token;
    }
    if (lane == 0u) {
      choose(region, step, before, to);
    }
  }
}

// The chosen hypotheses become the beam; `live` counts those that go on.
fn turnOver(lane: u32) {
  workgroupBarrier();
  if (lane < sizes.beam) {
    beam[lane] = chosen[lane];
  }
  if (lane == 0u) {
    live = 0u;
    for (var place = 0u; place < sizes.beam; place++) {
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
  if (lane < sizes.beam) {
    beam[lane] = Hypothesis(select(EMPTY, LIVE, lane == 0u), 0.0, 0u, endOfWord(), 0u);
  }
  let embedding = CLASSIFIER + 2u * CHANNELS4 * sizes.classes + (sizes.classes + 3u) / 4u;
  var steps = 0u;
  // The step before the first one takes the holistic feature and emits nothing.
  for (var turn = 0u; turn <= sizes.length; turn++) {
    for (var place = 0u; place < sizes.beam; place++) {
      if (workgroupUniformLoad(&beam[place].kind) == LIVE) {
        if (turn == 0u) {
          vectors[FIRST + lane] = holistic[region * CHANNELS + lane];
        } else {
          vectors[FIRST + lane] = weightAt(embedding + beam[place].token * CHANNELS4, lane);
        }
        advance(stateAt(region, turn % 2u, beam[place].parent), stateAt(region, (turn + 1u) % 2u, place), turn == 0u, lane);
        if (turn > 0u) {
          classify(region, place, turn - 1u, lane);
        }
      }
    }
    if (turn == 0u) {
      continue;
    }
    storageBarrier();
    workgroupBarrier();
    chooseAll(region, turn - 1u, lane);
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
