// Loads a model onto the GPU from the bytes of a weights file.
import { allocated } from '../gpu/allocate.js';
import type { Gpu } from '../gpu/context.js';
import type { PrecisionChoice } from '../layers/precision.js';
import { readWeights } from '../network/weights-file.js';
import { uploadWeights } from '../network/weights.js';
import { checkOptions } from '../options.js';
import { uploadRecognition } from '../recognition/weights.js';
import { type Tuning, asTuning, tunedChoices, tuningState } from '../tuning/tuning.js';
import { Model } from './model.js';

/** Options of `loadModel`. */
export interface LoadOptions {
  /** Name of the weights in error messages, for example the file name. */
  readonly source?: string;
  /**
   * Storage of maps and weights; default: `f32`. `f16` halves memory traffic and needs the device
   * feature `shader-f16`; `auto` is f16 on hardware that supports it, else f32. Sums and the
   * recognition head always use float32.
   */
  readonly precision?: PrecisionChoice;
  /**
   * A result of `tune` for this adapter. If it belongs to another adapter or to other shaders, it
   * is ignored and `model.tuning` says so.
   */
  readonly tuning?: Tuning;
}

/**
 * Loads a converted model onto the GPU.
 * @param weights the bytes of a file written by `panpp convert`
 * @throws PanppError `checkpoint` or `weights` if the bytes are not such a file; `adapter` if f16
 * is requested but not supported, or if GPU memory is too small for the weights; `argument` for an
 * invalid tuning; `device-lost`
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
  // Writes to a lost device fail silently.
  gpu.assertUsable();
  const reading = await allocated(
    gpu,
    "the recognition head's weights",
    () => uploadRecognition(gpu, tensors, config),
    (made) => [made, network].forEach((held) => held?.dispose()),
    'take another adapter, or free some of its memory',
    'adapter',
  );
  return new Model(gpu, config, network, reading, state);
}
