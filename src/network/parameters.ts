// Names and shapes of a configuration's tensors, as in the reference's checkpoints.
// Source: spec, Recognition; for convolutions: detector.ts.
import { type ModelConfig, lstmCells, neckChannels, specialClasses } from './config.js';
import { type ConvParameters, type Ops, detector, recognitionFeatures } from './detector.js';

/** All convolutions, in order of execution. */
export function convolutionsOf(config: ModelConfig): ConvParameters[] {
  const convs: ConvParameters[] = [];
  const list = (...more: readonly ConvParameters[]) => void convs.push(...more);
  const ops: Ops<void> = {
    conv: (conv) => list(conv),
    det: (conv) => list(conv),
    stem: (stem) => list(...stem),
    joined: (conv) => list(conv),
    summedConv: (conv) => ({ output: list(conv), total: undefined }),
    pyramidConv: (conv) => list(conv),
  };
  const { levels } = detector(config, ops, undefined);
  if (config.recognition) recognitionFeatures(ops, levels);
  return convs;
}

/**
 * Tensors of the recognition head other than convolutions: embeddings, attentions, LSTM cells,
 * classifier. Empty if there is no such head.
 */
export function recognitionTensorsOf({ recognition }: ModelConfig): Map<string, readonly number[]> {
  const tensors = new Map<string, readonly number[]>();
  if (!recognition) return tensors;
  const classes = recognition.vocabulary.length + specialClasses;
  const width = neckChannels;
  for (const part of ['rec_head.encoder', 'rec_head.decoder']) {
    tensors.set(`${part}.emb.weight`, [classes, width]);
    tensors.set(`${part}.att.layer_norm.weight`, [width]);
    tensors.set(`${part}.att.layer_norm.bias`, [width]);
    for (const linear of ['fc_q', 'fc_k', 'fc_v', 'fc_o']) {
      tensors.set(`${part}.att.${linear}.weight`, [width, width]);
      tensors.set(`${part}.att.${linear}.bias`, [width]);
    }
  }
  for (let cell = 0; cell < lstmCells; cell++) {
    for (const side of ['ih', 'hh']) {
      tensors.set(`rec_head.decoder.lstm_u.${cell}.weight_${side}`, [4 * width, width]);
      tensors.set(`rec_head.decoder.lstm_u.${cell}.bias_${side}`, [4 * width]);
    }
  }
  tensors.set('rec_head.decoder.cls.weight', [classes, 2 * width]);
  tensors.set('rec_head.decoder.cls.bias', [classes]);
  return tensors;
}

/** All floating-point tensors that a checkpoint of this configuration has, with their shapes. */
export function checkpointTensorsOf(config: ModelConfig): Map<string, readonly number[]> {
  const tensors = new Map<string, readonly number[]>();
  for (const { name, shape, norm, bias } of convolutionsOf(config)) {
    tensors.set(`${name}.weight`, shape);
    if (bias) tensors.set(`${name}.bias`, [shape[0]]);
    if (norm) for (const part of normParts) tensors.set(`${norm}.${part}`, [shape[0]]);
  }
  for (const [name, shape] of recognitionTensorsOf(config)) tensors.set(name, shape);
  return tensors;
}

export const normParts = ['weight', 'bias', 'running_mean', 'running_var'] as const;
