// The decoder's beam search: selects the hypotheses to continue, and writes the best one's word.
// Part of decode.wgsl.

const EMPTY = 0u;
const LIVE = 1u;
const ENDED = 2u;

struct Hypothesis {
  kind: u32,
  // Sum of the tokens' log-probabilities, and the number of tokens.
  score: f32,
  length: u32,
  // The last token, and the hypothesis's place in the previous beam.
  token: u32,
  parent: u32,
}

var<workgroup> beam: array<Hypothesis, MAX_BEAM>;
var<workgroup> chosen: array<Hypothesis, MAX_BEAM>;
var<workgroup> live: u32;

// Mean log-probability of a candidate. Candidate `place` · classes + token extends the hypothesis
// at `place` by that token; an ended hypothesis is its own candidate, with token 0.
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

// Called by one lane: a candidate becomes a hypothesis of the next step.
fn choose(region: u32, step: u32, candidate: Candidate, to: u32) {
  let place = candidate.index / sizes.classes;
  let token = candidate.index % sizes.classes;
  if (candidate.value == LOWEST) {
    // There are fewer candidates than places; none if the logits are NaN.
    chosen[to] = Hypothesis(EMPTY, 0.0, 0u, 0u, 0u);
  } else if (beam[place].kind == ENDED) {
    chosen[to] = beam[place];
    trail[stepAt(region, step, to)] = Step(place, NONE, 0.0, 0u);
  } else {
    let logProbability = logits[logitsAt(region, step, place) + token] - logSum[place];
    let kind = select(LIVE, ENDED, token == endOfWord() && sizes.forced == 0u);
    let score = beam[place].score + logProbability;
    chosen[to] = Hypothesis(kind, score, beam[place].length + 1u, token, place);
    trail[stepAt(region, step, to)] = Step(place, token, exp(logProbability), peak[place]);
  }
}

// Selects the beam's best candidates in order: each is the best of those that rank below the
// previous one. With given tokens there is only one.
fn chooseAll(region: u32, step: u32, lane: u32) {
  var before = Candidate(-LOWEST, 0u);
  for (var to = 0u; to < sizes.beam; to++) {
    var own = Candidate(LOWEST, NONE);
    for (var index = lane; index < sizes.beam * sizes.classes; index += LANES) {
      let value = valueOf(region, step, index);
      let isBelow = precedes(before.value, before.index, value, index);
      if (isBelow && precedes(value, index, own.value, own.index)) {
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

// The chosen hypotheses become the beam; `live` counts those that have not ended.
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

// Called by one lane: traces the best hypothesis, in place 0, back through the steps.
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
