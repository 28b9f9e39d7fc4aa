// Converts a PyTorch checkpoint to a weights file.
import {
  type CheckpointOptions,
  checkpointOptionNames,
  openCheckpoint,
} from '../checkpoint/pytorch.js';
import { withoutWrappers } from '../checkpoint/wrappers.js';
import type { NamedTensor } from '../checkpoint/tensor.js';
import { PanppError } from '../errors.js';
import { checkOptions } from '../options.js';
import {
  type DetectionSettings,
  type ModelConfig,
  type NeckConfig,
  detectionPresets,
} from './config.js';
import { inferConfig } from './infer.js';
import { fromMmocrPanet, isMmocrPanet } from './mmocr.js';
import { foldCheckpoint } from './weights.js';
import { writeWeights } from './weights-file.js';

/** What can't be inferred from a checkpoint, and how weights are stored. */
export interface ConvertOptions extends CheckpointOptions {
  /** Store 16-bit floats: half the size, with a relative error of at most 2⁻¹¹ per weight. */
  readonly half?: boolean;
  /**
   * Fusion of the FPEMs, which can't be inferred from the authors' tensor names; default: `pan++`,
   * or `pan` for mmocr's PANet.
   */
  readonly fusion?: NeckConfig['fusion'];
  /** Settings that `detect` uses by default; default: those for ICDAR 2015. */
  readonly detection?: DetectionSettings;
  /**
   * The characters that a recognition head reads, in the order of its classes; default: the
   * authors' vocabulary with that number of classes.
   */
  readonly vocabulary?: readonly string[];
  /** Name used in error messages, for example the file name; default: `checkpoint`. */
  readonly source?: string;
}

/** Result of a conversion. */
export interface Converted {
  /** The bytes of the weights file. */
  readonly weights: Uint8Array;
  /** The configuration in that file. */
  readonly config: ModelConfig;
  /**
   * The key of the checkpoint's moving average of the weights (EMA), if it has one that was not
   * requested.
   */
  readonly emaLeft?: string;
}

/**
 * Reads a PyTorch checkpoint of PAN, PAN++ or mmocr's PANet, folds its batch norms, and writes a
 * weights file for `loadModel`. The backbone, the number of FPEMs and the presence of a recognition
 * head are inferred from the checkpoint.
 * @param checkpoint the bytes of a file written by `torch.save` or of a safetensors file, or of the
 * index of a sharded checkpoint of either kind
 * @throws PanppError `checkpoint` if the bytes can't be read, if a requested moving average or a
 * shard is missing, or if `half` is set and a weight exceeds the range of a 16-bit float; `weights`
 * for another architecture or if the vocabulary's length doesn't match the recognition head
 */
export function convertCheckpoint(checkpoint: Uint8Array, options: ConvertOptions = {}): Converted {
  checkOptions('convertCheckpoint', options, [
    ...checkpointOptionNames,
    'half',
    'fusion',
    'detection',
    'vocabulary',
    'source',
  ]);
  const {
    half = false,
    detection = detectionPresets.icdar2015,
    source = 'checkpoint',
    vocabulary,
    ema = false,
  } = options;
  const { tensors: saved, emaKey } = openCheckpoint(checkpoint, source, options);
  const { tensors, neck } = asAuthors(withoutWrappers(saved, source), options.fusion, source);
  // Backbone convolutions in a checkpoint have batch norms and no bias.
  if (tensors.has('backbone.conv1.bias')) {
    throw new PanppError(
      'weights',
      `${source} is a weights file already: use it directly (for example panpp detect --weights ${source})`,
    );
  }
  const inferred = inferConfig(tensors, neck.fusion, detection, source, vocabulary);
  const config = { ...inferred, neck: { ...inferred.neck, ...neck } };
  const weights = writeWeights({ config, tensors: foldCheckpoint(tensors, config, source) }, half);
  return { weights, config, ...(emaKey !== undefined && !ema && { emaLeft: emaKey }) };
}

/** Tensors by the authors' names, and the neck options that differ from the defaults. */
function asAuthors(
  tensors: ReadonlyMap<string, NamedTensor>,
  fusion: NeckConfig['fusion'] | undefined,
  source: string,
): { tensors: ReadonlyMap<string, NamedTensor>; neck: Omit<NeckConfig, 'fpems'> } {
  if (!isMmocrPanet(tensors)) return { tensors, neck: { fusion: fusion ?? 'pan++' } };
  if (fusion === 'pan++')
    throw new PanppError(
      'weights',
      `${source} is a PANet of mmocr, which is PAN and not PAN++; leave out the architecture`,
    );
  return {
    tensors: fromMmocrPanet(tensors, source),
    neck: { fusion: 'pan', upsampling: 'nearest' },
  };
}
