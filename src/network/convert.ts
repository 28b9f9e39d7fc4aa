// A PyTorch checkpoint to a weights file.
import { readCheckpoint, withoutModulePrefix } from '../checkpoint/pytorch.js';
import { PanppError } from '../errors.js';
import { type DetectionSettings, type ModelConfig, type NeckConfig, detectionPresets } from './config.js';
import { inferConfig } from './infer.js';
import { foldCheckpoint } from './weights.js';
import { writeWeights } from './weights-file.js';

/** What a checkpoint does not say of itself, and how it is stored. */
export interface ConvertOptions {
  /** Store 16-bit floats: half the size, each weight within 2⁻¹¹ of its value. */
  readonly half?: boolean;
  /** How FPEMs are joined; names can't tell. `pan++` unless given. */
  readonly fusion?: NeckConfig['fusion'];
  /** Settings that `detect` uses by default; ICDAR 2015's unless given. */
  readonly detection?: DetectionSettings;
  /** The characters that a recognition head reads, in the order of its classes; by default the authors' of that many classes. */
  readonly vocabulary?: readonly string[];
  /** Named in errors, for example the file's name; `checkpoint` unless given. */
  readonly source?: string;
}

/**
 * Reads a PyTorch checkpoint of PAN or PAN++, folds its batch norms, and writes a weights file for `loadModel`.
 * The backbone, the number of FPEMs and whether there is a recognition head are read off the checkpoint.
 * @param checkpoint the bytes of a file of `torch.save` or of safetensors
 * @returns the bytes of the weights file, and the configuration that is in it
 * @throws PanppError `checkpoint` if the bytes can't be read, or if `half` is set and a weight is past a 16-bit float's range; `weights` if
 *   they hold another architecture, or a vocabulary of another length than the recognition head's
 */
export function convertCheckpoint(checkpoint: Uint8Array, options: ConvertOptions = {}): { weights: Uint8Array; config: ModelConfig } {
  const { half = false, fusion = 'pan++', detection = detectionPresets.icdar2015, source = 'checkpoint', vocabulary } = options;
  // The reference trains with DataParallel, which puts `module.` before every name.
  const tensors = withoutModulePrefix(readCheckpoint(checkpoint, source));
  // The convolutions of a checkpoint's backbone have batch norms and no bias.
  if (tensors.has('backbone.conv1.bias')) {
    throw new PanppError('weights', `${source} is a weights file already: use it as it is (for example panpp detect --weights ${source})`);
  }
  const config = inferConfig(tensors, fusion, detection, source, vocabulary);
  return { weights: writeWeights({ config, tensors: foldCheckpoint(tensors, config, source) }, half), config };
}
