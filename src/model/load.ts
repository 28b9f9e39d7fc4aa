// From a weights file's bytes to a model on the GPU.
import type { Gpu } from '../gpu/context.js';
import type { PrecisionChoice } from '../layers/precision.js';
import { readWeights } from '../network/weights-file.js';
import { uploadWeights } from '../network/weights.js';
import { checkOptions } from '../options.js';
import { uploadRecognition } from '../recognition/weights.js';
import { type Tuning, asTuning, tunedChoices, tuningState } from '../tuning/tuning.js';
import { Model } from './model.js';

/** How a model is loaded. */
export interface LoadOptions {
  /** Named in errors, for example the file's name. */
  readonly source?: string;
  /**
   * How maps and weights are stored: `f32`, unless given; `f16`, half the traffic and less memory,
   * where the device has `shader-f16`; `auto`, f16 on hardware that has it, else f32. Sums are
   * float32 either way, and so is reading.
   */
  readonly precision?: PrecisionChoice;
  /**
   * What `tune` found out on this adapter. One of another adapter or of another version is not
   * used: `model.tuning` says so.
   */
  readonly tuning?: Tuning;
}

/**
 * Puts a converted model on the GPU.
 * @param weights the bytes of a file that `panpp convert` made
 * @throws PanppError `checkpoint` or `weights` if the bytes are not such a file; `adapter` if the
 * device has no f16 that was asked for, or
 *   no memory for the weights; `argument` for a tuning that is none
 */
export async function loadModel(
  gpu: Gpu,
  weights: Uint8Array | ArrayBuffer,
  options: LoadOptions = {},
): Promise<Model> {
  checkOptions('loadModel', options, ['source', 'precision', 'tuning']);
  const { source, precision, tuning } = options;
  gpu.assertUsable();
  const tuned = tuning && asTuning(tuning);
  const state = tuningState(tuned, gpu.profile);
  const { config, tensors } = readWeights(
    weights instanceof Uint8Array ? weights : new Uint8Array(weights),
    source,
  );
  const network = uploadWeights(
    gpu,
    tensors,
    config,
    precision,
    state === 'used' ? tunedChoices(tuned!, gpu.profile) : undefined,
    source,
  );
  await network.ready;
  return new Model(gpu, config, network, uploadRecognition(gpu, tensors, config), state);
}
