// The decoder's attention and classifier, from h of the top cell to logits. Part of decode.wgsl.

// By hypothesis, for the current step: log Σ exp(logits), and the position with the most attention.
var<workgroup> logSum: array<f32, MAX_BEAM>;
var<workgroup> peak: array<u32, MAX_BEAM>;
// Used with EXCHANGE: the index of a lane's value.
var<workgroup> indices: array<u32, LANES>;

// Layer norm of h. Every lane sums all of h, which needs no barrier.
fn layerNorm(lane: u32) -> f32 {
  var sum = vec4f();
  for (var at = 0u; at < sizes.channels; at += 4u) {
    sum += vectorAt(HIDDEN + at);
  }
  let mean = dot(sum, vec4f(1.0)) / f32(CHANNELS);
  var squares = 0.0;
  for (var at = 0u; at < sizes.channels; at += 4u) {
    let centred = vectorAt(HIDDEN + at) - mean;
    squares += dot(centred, centred);
  }
  let centred = vectors[HIDDEN + lane] - mean;
  let normalized = centred * inverseSqrt(squares / f32(CHANNELS) + 1e-6);
  return normalized * weightAt(LAYER_NORM, lane) + weightAt(LAYER_NORM + CHANNELS4, lane);
}

// Each head's query, projected to the crop's channels; a lane computes a vec4 for two heads.
fn askQueries(lane: u32) {
  vectors[EXCHANGE + lane] = layerNorm(lane);
  workgroupBarrier();
  vectors[INPUT + lane] = linear(QUERY, EXCHANGE, lane);
  workgroupBarrier();
  let c = lane % CHANNELS4;
  for (var head = lane / CHANNELS4 * 2u; head < lane / CHANNELS4 * 2u + 2u; head++) {
    var query = vec4f();
    for (var row = head * HEAD_LANES; row < head * HEAD_LANES + sizes.headLanes; row++) {
      query += vectors[INPUT + row] * weights[KEY + row * CHANNELS4 + c];
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

// A candidate of one lane, or the best of all lanes.
struct Candidate {
  value: f32,
  index: u32,
}

// The best of all lanes' candidates. Every lane reads all of them, which needs few barriers.
fn firstOf(own: Candidate, lane: u32) -> Candidate {
  vectors[EXCHANGE + lane] = own.value;
  indices[lane] = own.index;
  workgroupBarrier();
  var first = own;
  for (var other = 0u; other < sizes.channels; other++) {
    let value = vectors[EXCHANGE + other];
    let index = indices[other];
    if (precedes(value, index, first.value, first.index)) {
      first = Candidate(value, index);
    }
  }
  workgroupBarrier();
  return first;
}

// log Σ exp over all lanes, given each lane's maximum and its Σ exp(value − maximum).
fn logSumOf(largest: f32, sum: f32, lane: u32) -> f32 {
  vectors[INPUT + lane] = largest;
  vectors[EXCHANGE + lane] = sum;
  workgroupBarrier();
  var overall = largest;
  for (var other = 0u; other < sizes.channels; other++) {
    overall = max(overall, vectors[INPUT + other]);
  }
  var total = 0.0;
  for (var other = 0u; other < sizes.channels; other++) {
    total += vectors[EXCHANGE + other] * exp(vectors[INPUT + other] - overall);
  }
  workgroupBarrier();
  return overall + log(total);
}

// Stores the position with the most attention, summed over the heads.
fn notePeak(place: u32, lane: u32) {
  let own = Candidate(max(focus.x, focus.y), select(lane, LANES + lane, focus.y > focus.x));
  let first = firstOf(own, lane);
  if (lane == 0u) {
    peak[place] = first.index;
  }
}

// Where the logits of a hypothesis begin in a step.
fn logitsAt(region: u32, step: u32, place: u32) -> u32 {
  if (sizes.forced == 1u) {
    return (region * sizes.length + step) * sizes.classes;
  }
  return (region * sizes.beam + place) * sizes.classes;
}

// Computes the logits of a hypothesis from h, and log Σ exp for their softmax.
fn classify(region: u32, place: u32, step: u32, lane: u32) {
  let at = logitsAt(region, step, place);
  askQueries(lane);
  vectors[INPUT + lane] = attend(region, OUTPUT, lane);
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
