// Runs parts of the recognition plan on a GPU.
import { prepareInput } from '../../src/images/input.js';
import { inputsOf, writeUploads } from '../../src/images/write-uploads.js';
import type { Gpu } from '../../src/gpu/context.js';
import type { Dispatch, Slot } from '../../src/gpu/dispatch.js';
import { Program } from '../../src/gpu/program.js';
import { Readback } from '../../src/gpu/readback.js';
import type { PixelImage } from '../../src/images/image.js';
import type { Precision } from '../../src/layers/precision.js';
import { planResize } from '../../src/layers/resize.js';
import {
  type BackboneConfig,
  type ModelConfig,
  detectionPresets,
  resnet18,
  specialClasses,
} from '../../src/network/config.js';
import { fusedLevels, dispatchesUpTo, planNetwork } from '../../src/network/plan.js';
import { type FoldedWeights, foldCheckpoint, uploadWeights } from '../../src/network/weights.js';
import { type DecodingPlan, type RecognitionPlan, wordFields } from '../../src/recognition/plan.js';
import { packSettings, planReader } from '../../src/recognition/reader.js';
import { type Rois, packMasks, packRegions } from '../../src/recognition/roi.js';
import { uploadRecognition } from '../../src/recognition/weights.js';
import { type Word, readWords } from '../../src/recognition/words.js';
import { proceduralCheckpoint } from '../support/procedural.js';

/** A PAN++ spotter. */
export function spotterConfig(
  vocabulary: readonly string[],
  backbone: BackboneConfig = resnet18,
): ModelConfig {
  return {
    backbone,
    neck: { fpems: 2, fusion: 'pan++' },
    detection: detectionPresets.icdar2015,
    recognition: { vocabulary },
  };
}

export function foldedProcedural(config: ModelConfig): FoldedWeights {
  return foldCheckpoint(proceduralCheckpoint(config), config, 'procedural');
}

// Procedural weights make hardly any difference between regions and never end a word.
const factors = {
  'decoder.cls.weight': 6,
  'decoder.emb.weight': 8,
  'decoder.att.fc_q.weight': 4,
  'encoder.att.fc_v.weight': 4,
};

/**
 * Procedural weights with parts of the recognition head made larger, and EOS favoured: words then
 * differ, and some end early.
 */
export function livelyWeights(config: ModelConfig, endBias: number): FoldedWeights {
  const tensors = new Map(foldedProcedural(config));
  const change = (name: string, by: (value: number, index: number) => number) => {
    const { shape, data } = tensors.get(`rec_head.${name}`)!;
    tensors.set(`rec_head.${name}`, { shape, data: (data as Float32Array).map(by) });
  };
  for (const [name, factor] of Object.entries(factors)) change(name, (value) => value * factor);
  const endOfWord = config.recognition!.vocabulary.length;
  change('decoder.cls.bias', (value, token) => value + (token === endOfWord ? endBias : 0));
  return tensors;
}

interface Run {
  readonly dispatches: readonly Dispatch[];
  /** Slots to write before the kernels run. */
  readonly writes: readonly (readonly [Slot, ArrayBufferView<ArrayBuffer>])[];
  /** Slots to read, from their beginning. */
  readonly reads: readonly (readonly [Slot, bytes: number])[];
  /** Slots that `prepare` writes. */
  readonly inputs?: readonly Slot[];
  readonly prepare?: (program: Program) => void;
}

/** Runs kernels once. */
export async function runKernels(
  gpu: Gpu,
  { dispatches, writes, reads, inputs = [], prepare }: Run,
): Promise<ArrayBuffer[]> {
  const pinned = [...inputs, ...writes.map(([slot]) => slot), ...reads.map(([slot]) => slot)];
  const program = await Program.create(gpu, [{ name: 'test', dispatches }], pinned);
  const readback = new Readback(
    gpu,
    reads.reduce((sum, [, bytes]) => sum + bytes + 8, 0),
  );
  try {
    prepare?.(program);
    for (const [slot, data] of writes)
      gpu.device.queue.writeBuffer(program.bufferOf(slot), 0, data);
    const encoder = gpu.device.createCommandEncoder();
    program.encode(encoder);
    const ranges = reads.map(([slot, bytes]) =>
      readback.copy(encoder, program.bufferOf(slot), bytes),
    );
    gpu.device.queue.submit([encoder.finish()]);
    return await readback.read((all) =>
      ranges.map(({ offset, bytes }) => all.slice(offset, offset + bytes)),
    );
  } finally {
    readback.dispose();
    program.dispose();
  }
}

export interface RecognitionTensors {
  /** [region][128][8][32], as PyTorch has it. */
  readonly crops: Float32Array;
  /** The same as decodeCrops takes them. */
  readonly features: Float32Array<ArrayBuffer>;
  readonly holistic: Float32Array;
  /** [region][step][classes], if tokens were given. */
  readonly logits: Float32Array;
  readonly words: readonly Word[];
}

/**
 * The recognition head on an image, from its pixels on.
 * @param tokens [region][length]: take these tokens, and give the logits of all steps
 * @param precision how the network's weights and maps are stored
 */
export async function recognizeRois(
  gpu: Gpu,
  config: ModelConfig,
  tensors: FoldedWeights,
  image: PixelImage,
  shortSide: number,
  { rois, maskScale }: Rois,
  decoding: DecodingPlan,
  tokens?: Uint32Array<ArrayBuffer>,
  precision: Precision = 'f32',
): Promise<RecognitionTensors> {
  const weights = uploadWeights(gpu, tensors, config, precision);
  const recognitionWeights = uploadRecognition(gpu, tensors, config)!;
  const { upload, size } = prepareInput(image, { shortSide });
  const resize = planResize(upload, size.height, size.width);
  const network = planNetwork(config, weights, resize.output);
  const reader = planReader(network, weights, recognitionWeights, size, decoding);
  const plan = reader.recognition;
  const count = rois.length;
  const classes = config.recognition!.vocabulary.length + specialClasses;
  const given = new Uint32Array(count * wordFields);
  tokens?.forEach(
    (token, at) =>
      (given[Math.floor(at / decoding.length) * wordFields + 1 + 3 * (at % decoding.length)] =
        token),
  );
  const [crops, holistic, logits, words] = await runKernels(gpu, {
    dispatches: [
      ...resize.dispatches,
      ...dispatchesUpTo(network, fusedLevels(network)),
      ...reader.stages.flatMap((stage) => stage.dispatches),
    ],
    writes: [
      [plan.regions, packRegions(rois)],
      [plan.masks, packMasks(rois)],
      [plan.settings, packSettings(count, maskScale)],
      [plan.words, given],
    ],
    reads: [
      [plan.crops, count * 256 * 128 * 4],
      [plan.holistic, count * 128 * 4],
      [plan.logits, count * (decoding.forced ? decoding.length : decoding.beam) * classes * 4],
      [plan.words, count * wordFields * 4],
    ],
    inputs: inputsOf(resize),
    prepare: (program) => writeUploads(gpu.device.queue, program, resize, [upload]),
  });
  weights.dispose();
  recognitionWeights.dispose();
  return {
    crops: toPlanes(new Float32Array(crops)),
    features: new Float32Array(crops),
    holistic: new Float32Array(holistic),
    logits: new Float32Array(logits),
    words: readWords(words, config.recognition!.vocabulary),
  };
}

/**
 * Encoder and decoder by themselves, on features given as [region][256][128]: the words as the
 * reader leaves them, and their tokens, probabilities and positions.
 */
export async function decodeCrops(
  gpu: Gpu,
  plan: RecognitionPlan,
  crops: Float32Array<ArrayBuffer>,
) {
  const count = crops.length / (256 * 128);
  const [words, holistic] = await runKernels(gpu, {
    dispatches: plan.dispatches.filter(({ label }) => !label.endsWith('masked_roi')),
    writes: [
      [plan.crops, crops],
      [plan.settings, packSettings(count, 1)],
    ],
    reads: [
      [plan.words, count * wordFields * 4],
      [plan.holistic, count * 128 * 4],
    ],
  });
  const whole = new Uint32Array(words);
  const floats = new Float32Array(words);
  const placesOf = (index: number, field: number) =>
    Array.from(
      { length: whole[index * wordFields] },
      (_, at) => index * wordFields + 1 + 3 * at + field,
    );
  return {
    words,
    holistic: new Float32Array(holistic),
    hypotheses: Array.from({ length: count }, (_, index) => ({
      tokens: placesOf(index, 0).map((at) => whole[at]),
      probabilities: placesOf(index, 1).map((at) => floats[at]),
      peaks: placesOf(index, 2).map((at) => whole[at]),
    })),
  };
}

function toPlanes(crops: Float32Array): Float32Array {
  const result = new Float32Array(crops.length);
  crops.forEach((value, index) => {
    const region = Math.floor(index / (256 * 128));
    const position = Math.floor(index / 128) % 256;
    result[(region * 128 + (index % 128)) * 256 + position] = value;
  });
  return result;
}
