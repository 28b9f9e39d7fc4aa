// The encoder and the decoder on the CPU in float64, one step after the other, straight from the
// spec; with greedy decoding, a plain beam search, and a search through all words.
import type { FoldedWeights } from '../../src/network/weights.js';
import { dot } from '../support/twin.js';

const width = 128;
const heads = 8;
const positions = 256;

type Vector = Float64Array;

/** h and c of each LSTM cell, from the lowest up. */
type State = readonly { readonly h: Vector; readonly c: Vector }[];

/** A sequence of tokens with the probability of each. */
export interface Hypothesis {
  readonly tokens: readonly number[];
  readonly probabilities: readonly number[];
  /** Mean log-probability. */
  readonly value: number;
}

/** A region's features with what an attention makes of them once. */
interface Memory {
  readonly keys: readonly Vector[];
  readonly values: readonly Vector[];
}

export class DecoderTwin {
  readonly #tensors: ReadonlyMap<string, Vector>;
  readonly classes: number;

  constructor(tensors: FoldedWeights, classes: number) {
    this.#tensors = new Map(
      [...tensors]
        .filter(([name]) => name.startsWith('rec_head.'))
        .map(([name, { data }]) => [name, Float64Array.from(data as Float32Array)]),
    );
    this.classes = classes;
  }

  get endOfWord(): number {
    return this.classes - 3;
  }

  /** What the encoder makes of a region's features, [256][128]. */
  holistic(crop: Float32Array): Vector {
    const part = 'rec_head.encoder';
    return this.#attend(part, this.#embedding(part, this.endOfWord), this.#remember(part, crop))
      .attended;
  }

  greedy(crop: Float32Array, length: number): Hypothesis & { peaks: number[] } {
    const memory = this.#remember('rec_head.decoder', crop);
    let state = this.#start(crop);
    const tokens: number[] = [];
    const peaks: number[] = [];
    const logs: number[] = [];
    for (let token = this.endOfWord; tokens.length < length;) {
      const next = this.#step(state, token, memory);
      state = next.state;
      token = next.logProbabilities.indexOf(Math.max(...next.logProbabilities));
      tokens.push(token);
      peaks.push(next.peak);
      logs.push(next.logProbabilities[token]);
      if (token === this.endOfWord) break;
    }
    return { ...hypothesisOf(tokens, logs), peaks };
  }

  /** The best of all sequences that end with EOS or have `length` tokens. */
  exhaustive(crop: Float32Array, length: number): Hypothesis {
    const memory = this.#remember('rec_head.decoder', crop);
    let best: Hypothesis | undefined;
    const visit = (state: State, tokens: readonly number[], logs: readonly number[]): void => {
      const next = this.#step(state, tokens.at(-1) ?? this.endOfWord, memory);
      next.logProbabilities.forEach((log, token) => {
        const longer = [...tokens, token];
        if (token === this.endOfWord || longer.length === length) {
          const hypothesis = hypothesisOf(longer, [...logs, log]);
          if (!best || hypothesis.value > best.value) best = hypothesis;
        } else visit(next.state, longer, [...logs, log]);
      });
    };
    visit(this.#start(crop), [], []);
    return best!;
  }

  /** Beam search: `beam` hypotheses by mean log-probability, ended ones among them. */
  beamSearch(crop: Float32Array, beam: number, length: number): Hypothesis {
    interface Entry {
      readonly tokens: readonly number[];
      readonly logs: readonly number[];
      readonly state: State;
    }
    const memory = this.#remember('rec_head.decoder', crop);
    const valueOf = ({ logs }: Entry) => logs.reduce((sum, log) => sum + log, 0) / logs.length;
    const hasEnded = ({ tokens }: Entry) => tokens.at(-1) === this.endOfWord;
    let entries: Entry[] = [{ tokens: [], logs: [], state: this.#start(crop) }];
    for (let step = 0; step < length && !entries.every(hasEnded); step++) {
      entries = entries
        .flatMap((entry) => {
          if (hasEnded(entry)) return [entry];
          const next = this.#step(entry.state, entry.tokens.at(-1) ?? this.endOfWord, memory);
          return Array.from(next.logProbabilities, (log, token) => ({
            tokens: [...entry.tokens, token],
            logs: [...entry.logs, log],
            state: next.state,
          }));
        })
        .sort((a, b) => valueOf(b) - valueOf(a))
        .slice(0, beam);
    }
    return hypothesisOf(entries[0].tokens, entries[0].logs);
  }

  /** The state before the first token. */
  #start(crop: Float32Array): State {
    const zero = Array.from({ length: 2 }, () => ({
      h: new Float64Array(width),
      c: new Float64Array(width),
    }));
    return this.#advance(zero, this.holistic(crop));
  }

  /**
   * The state after one more token, the probabilities of the next one, and the position that the
   * heads together attended to most.
   */
  #step(state: State, token: number, memory: Memory) {
    const next = this.#advance(state, this.#embedding('rec_head.decoder', token));
    const { h } = next[next.length - 1];
    const { attended, peak } = this.#attend('rec_head.decoder', h, memory);
    const logits = this.#linear('rec_head.decoder.cls', Float64Array.from([...attended, ...h]));
    return { state: next, logProbabilities: logSoftmax(logits), peak };
  }

  #advance(state: State, input: Vector): State {
    let x = input;
    return state.map(({ h, c }, cell) => {
      const name = `rec_head.decoder.lstm_u.${cell}`;
      const fromInput = this.#linear(name, x, 'weight_ih', 'bias_ih');
      const fromState = this.#linear(name, h, 'weight_hh', 'bias_hh');
      const gate = (index: number, unit: number) =>
        fromInput[index * width + unit] + fromState[index * width + unit];
      const nextC = c.map(
        (old, unit) =>
          sigmoid(gate(1, unit)) * old + sigmoid(gate(0, unit)) * Math.tanh(gate(2, unit)),
      );
      x = nextC.map((value, unit) => sigmoid(gate(3, unit)) * Math.tanh(value));
      return { h: x, c: nextC };
    });
  }

  #remember(part: string, crop: Float32Array): Memory {
    const rows = Array.from({ length: positions }, (_, at) =>
      Float64Array.from(crop.subarray(at * width, (at + 1) * width)),
    );
    return {
      keys: rows.map((row) => this.#linear(`${part}.att.fc_k`, row)),
      values: rows.map((row) => this.#linear(`${part}.att.fc_v`, row)),
    };
  }

  #attend(
    part: string,
    query: Vector,
    { keys, values }: Memory,
  ): { attended: Vector; peak: number } {
    const name = `${part}.att`;
    const mean = query.reduce((sum, x) => sum + x, 0) / width;
    const variance = query.reduce((sum, x) => sum + (x - mean) ** 2, 0) / width;
    const [scale, shift] = ['weight', 'bias'].map((half) =>
      this.#values(`${name}.layer_norm.${half}`),
    );
    const normal = query.map(
      (x, at) => ((x - mean) / Math.sqrt(variance + 1e-6)) * scale[at] + shift[at],
    );
    const q = this.#linear(`${name}.fc_q`, normal);
    const mixed = new Float64Array(width);
    const total = new Float64Array(positions);
    const headWidth = width / heads;
    for (let head = 0; head < heads; head++) {
      const own = Array.from({ length: headWidth }, (_, at) => head * headWidth + at);
      const scores = Float64Array.from(
        keys,
        (key) => own.reduce((sum, at) => sum + q[at] * key[at], 0) / Math.sqrt(headWidth),
      );
      const shares = logSoftmax(scores).map(Math.exp);
      for (const at of own)
        mixed[at] = shares.reduce((sum, share, position) => sum + share * values[position][at], 0);
      shares.forEach((share, position) => (total[position] += share));
    }
    return {
      attended: this.#linear(`${name}.fc_o`, mixed),
      peak: total.indexOf(Math.max(...total)),
    };
  }

  #linear(name: string, input: Vector, weight = 'weight', bias = 'bias'): Vector {
    const rows = this.#values(`${name}.${weight}`);
    return this.#values(`${name}.${bias}`).map(
      (start, row) => start + dot(rows, row * input.length, input),
    );
  }

  #embedding(part: string, token: number): Vector {
    return this.#values(`${part}.emb.weight`).slice(token * width, (token + 1) * width);
  }

  #values(name: string): Vector {
    return this.#tensors.get(name)!;
  }
}

function hypothesisOf(tokens: readonly number[], logs: readonly number[]): Hypothesis {
  return {
    tokens,
    probabilities: logs.map(Math.exp),
    value: logs.reduce((sum, log) => sum + log, 0) / logs.length,
  };
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

function logSoftmax(values: Vector): Vector {
  const largest = Math.max(...values);
  const logSum =
    largest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0));
  return values.map((value) => value - logSum);
}
