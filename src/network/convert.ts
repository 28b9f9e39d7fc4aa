// A PyTorch checkpoint to a weights file.
import { readCheckpoint, withoutModulePrefix } from '../checkpoint/pytorch.js';
import { type DetectionSettings, type ModelConfig, type NeckConfig, detectionPresets } from './config.js';
import { inferConfig } from './infer.js';
import { foldCheckpoint } from './weights.js';
import { writeWeights } from './weights-file.js';

export interface ConvertOptions {
  /** Store 16-bit floats: half the size, each weight within 2⁻¹¹ of its value. */
  readonly half?: boolean;
  /** How FPEMs are joined; names can't tell. `pan++` unless given. */
  readonly fusion?: NeckConfig['fusion'];
  /** Settings that `detect` uses by default; ICDAR 2015's unless given. */
  readonly detection?: DetectionSettings;
  /** The characters that a recognition head reads, in the order of its classes; by default the authors' of that many classes. */
  readonly vocabulary?: readonly string[];
  /** Named in errors. */
  readonly source?: string;
}

/**
 * Reads a PyTorch checkpoint of PAN or PAN++, folds its batch norms, and writes a weights file for `loadModel`.
 * The backbone, the number of FPEMs and whether there is a recognition head are read off the checkpoint.
 * @throws PanppError `checkpoint` if the bytes can't be read, `weights` if they hold another architecture
 */
export function convertCheckpoint(checkpoint: Uint8Array, options: ConvertOptions = {}): { weights: Uint8Array; config: ModelConfig } {
  const { half = false, fusion = 'pan++', detection = detectionPresets.icdar2015, source = 'checkpoint', vocabulary } = options;
  // The reference trains with DataParallel, which puts `module.` before every name.
  const tensors = withoutModulePrefix(readCheckpoint(checkpoint, source));
  const config = inferConfig(tensors, fusion, detection, source, vocabulary);
  return { weights: writeWeights({ config, tensors: foldCheckpoint(tensors, config, source) }, half), config };
}
