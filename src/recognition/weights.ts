// Packs the recognition head's weights for its shaders: one buffer of vec4s for the encoder, one
// for the decoder.
// Source: spec, Recognition 3 and 4.
import type { Gpu } from '../gpu/context.js';
import {
  type ModelConfig,
  attentionHeads,
  lstmCells,
  neckChannels,
  specialClasses,
} from '../network/config.js';
import { type FoldedWeights, floats, uploadBuffer } from '../network/weights.js';

/** The encoder's and the decoder's weights on the GPU. */
export interface RecognitionWeights {
  readonly encoder: GPUBuffer;
  readonly decoder: GPUBuffer;
  /** Number of classes: characters, EOS, PAD and UNK. */
  readonly classes: number;
  /** GPU memory in bytes. */
  readonly bytes: number;
  dispose(): void;
}

const width = neckChannels;
const headWidth = width / attentionHeads;
/** Attention scale 1/√16: a power of two, so folding it into the query's weights is exact. */
const scoreScale = 1 / Math.sqrt(headWidth);
const layerNormEpsilon = 1e-6;

/**
 * Packs the recognition head's weights and uploads them; undefined for a model without such a head.
 */
export function uploadRecognition(
  gpu: Gpu,
  tensors: FoldedWeights,
  { recognition }: ModelConfig,
): RecognitionWeights | undefined {
  if (!recognition) return undefined;
  const classes = recognition.vocabulary.length + specialClasses;
  const encoder = uploadBuffer(gpu, 'rec_head.encoder', packEncoder(tensors, classes));
  const decoder = uploadBuffer(gpu, 'rec_head.decoder', packDecoder(tensors, classes));
  return {
    encoder,
    decoder,
    classes,
    bytes: encoder.size + decoder.size,
    dispose: () => [encoder, decoder].forEach((buffer) => buffer.destroy()),
  };
}

/** Packs the queries of all heads [head][channel], fc_v, fc_o. */
export function packEncoder(tensors: FoldedWeights, classes: number): Float32Array {
  const attention = 'rec_head.encoder.att';
  return concatenate([
    encoderQueries(tensors, classes),
    packLinear(tensors, `${attention}.fc_v`),
    packLinear(tensors, `${attention}.fc_o`),
  ]);
}

/** Packs LSTM cells, layer norm, fc_q (scaled), fc_k's weight as is, fc_v, fc_o, cls, embedding. */
export function packDecoder(tensors: FoldedWeights, classes: number): Float32Array {
  const decoder = 'rec_head.decoder';
  const attention = `${decoder}.att`;
  const cells = Array.from({ length: lstmCells }, (_, cell) =>
    packLstmCell(tensors, `${decoder}.lstm_u.${cell}`),
  );
  return concatenate([
    ...cells,
    floats(tensors, `${attention}.layer_norm.weight`),
    floats(tensors, `${attention}.layer_norm.bias`),
    packLinear(tensors, `${attention}.fc_q`, width, width, scoreScale),
    floats(tensors, `${attention}.fc_k.weight`),
    packLinear(tensors, `${attention}.fc_v`),
    packLinear(tensors, `${attention}.fc_o`),
    packLinear(tensors, `${decoder}.cls`, classes, 2 * width),
    floats(tensors, `${decoder}.emb.weight`),
  ]);
}

/** [input / 4][output] as vec4s of 4 inputs, then the bias, padded to whole vec4s. */
function packLinear(
  tensors: FoldedWeights,
  name: string,
  outputs = width,
  inputs = width,
  scale = 1,
): Float32Array {
  const weight = floats(tensors, `${name}.weight`);
  const bias = floats(tensors, `${name}.bias`);
  const packed = new Float32Array(inputs * outputs + Math.ceil(outputs / 4) * 4);
  for (let output = 0; output < outputs; output++) {
    for (let input = 0; input < inputs; input++) {
      packed[((input >> 2) * outputs + output) * 4 + (input & 3)] =
        weight[output * inputs + input] * scale;
    }
    packed[inputs * outputs + output] = bias[output] * scale;
  }
  return packed;
}

/**
 * [input, then previous h][unit] as vec4s of the weights for the unit's gates i, f, g, o (PyTorch's
 * order), then the gates' biases by [unit].
 */
function packLstmCell(tensors: FoldedWeights, name: string): Float32Array {
  const sides = ['ih', 'hh'].map((side) => ({
    weight: floats(tensors, `${name}.weight_${side}`),
    bias: floats(tensors, `${name}.bias_${side}`),
  }));
  const packed = new Float32Array((2 * width + 1) * width * 4);
  for (let gate = 0; gate < 4; gate++) {
    for (let unit = 0; unit < width; unit++) {
      const row = gate * width + unit;
      const at = unit * 4 + gate;
      sides.forEach(({ weight }, side) => {
        for (let input = 0; input < width; input++)
          packed[(side * width + input) * width * 4 + at] = weight[row * width + input];
      });
      packed[2 * width * width * 4 + at] = sides[0].bias[row] + sides[1].bias[row];
    }
  }
  return packed;
}

/** Encoder queries from EOS's embedding after layer norm, fc_q and fc_k: [head][crop channel]. */
function encoderQueries(tensors: FoldedWeights, classes: number): Float32Array {
  const attention = 'rec_head.encoder.att';
  const names = ['layer_norm.weight', 'layer_norm.bias', 'fc_q.weight', 'fc_q.bias', 'fc_k.weight'];
  const [scale, shift, queryWeight, queryBias, keyWeight] = names.map((name) =>
    floats(tensors, `${attention}.${name}`),
  );
  const endOfWord = classes - specialClasses;
  const embedding = Float64Array.from(
    floats(tensors, 'rec_head.encoder.emb.weight').subarray(
      endOfWord * width,
      (endOfWord + 1) * width,
    ),
  );
  const mean = embedding.reduce((sum, x) => sum + x, 0) / width;
  const variance = embedding.reduce((sum, x) => sum + (x - mean) ** 2, 0) / width;
  const normal = embedding.map(
    (x, at) => ((x - mean) / Math.sqrt(variance + layerNormEpsilon)) * scale[at] + shift[at],
  );
  const queries = new Float64Array(attentionHeads * width);
  for (let row = 0; row < width; row++) {
    const dot = normal.reduce(
      (sum, x, at) => sum + x * queryWeight[row * width + at],
      queryBias[row],
    );
    const head = Math.floor(row / headWidth);
    for (let at = 0; at < width; at++)
      queries[head * width + at] += dot * scoreScale * keyWeight[row * width + at];
  }
  return Float32Array.from(queries);
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
  const result = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}
