// The decoder: from a region's holistic feature and crop to a word, by beam search (a beam of 1 is
// greedy decoding). Two stacked LSTM cells; the upper cell's state h is the query of the attention
// over the crop, and a linear layer on [attended feature, h] gives the logits of the next token.
//
// crops, cropValues, weights                   see attention.wgsl; weights: LSTM cells, layer norm,
//                                              fc_q, fc_k, fc_v, fc_o, cls, embedding
// holistic [region][128]
// states   [region][2][beam][4][128]           h and c of the lower cell, h and c of the upper one;
//                                              two banks, old and new, which alternate
// logits   [region][beam or length][classes]   of the last step, by hypothesis; with given tokens,
//                                              of every step
// trail    [region][32][beam]                  what each hypothesis added in each step
// words    [region]                            the best hypothesis; given tokens are read from here
//
// Parts: lstm.wgsl, classify.wgsl, beam.wgsl.
//
// One workgroup per region runs all steps until every hypothesis has ended, so short words cost
// less. A hypothesis scores the mean log-probability of its tokens, EOS included. Every step keeps
// the best of the ended hypotheses and of all continuations of the others.
// src/recognition/plan.ts adds the constants LENGTH (most tokens of a word), MAX_BEAM (most
// hypotheses), CELLS, and SPECIAL (classes that are not characters).
// Source: PAN++ paper, recognition head; spec, Recognition 4.
struct Settings {
  // Regions in this run.
  count: u32,
}

// A token of a hypothesis, and the hypothesis of the previous step that it continues. Ended
// hypotheses are carried along with token NONE.
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
  // The position, 0 … 255, with the most attention, summed over the heads.
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
const LAYER_NORM = CELLS * CELL;
const QUERY = LAYER_NORM + 2u * CHANNELS4;
const KEY = QUERY + LINEAR;
const OUTPUT = KEY + CHANNELS * CHANNELS4;
const CLASSIFIER = OUTPUT + 2u * LINEAR;

fn endOfWord() -> u32 {
  return sizes.classes - SPECIAL;
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
  // The step before the first token takes the holistic feature and emits nothing.
  for (var turn = 0u; turn <= sizes.length; turn++) {
    for (var place = 0u; place < sizes.beam; place++) {
      if (workgroupUniformLoad(&beam[place].kind) == LIVE) {
        if (turn == 0u) {
          vectors[INPUT + lane] = holistic[region * CHANNELS + lane];
        } else {
          vectors[INPUT + lane] = weightAt(embedding + beam[place].token * CHANNELS4, lane);
        }
        let oldState = stateAt(region, turn % 2u, beam[place].parent);
        let newState = stateAt(region, (turn + 1u) % 2u, place);
        advance(oldState, newState, turn == 0u, lane);
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
