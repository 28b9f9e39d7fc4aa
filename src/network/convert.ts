// A PyTorch checkpoint to a weights file.
import { type CheckpointOptions, openCheckpoint } from '../checkpoint/pytorch.js';
import { withoutWrappers } from '../checkpoint/wrappers.js';
import type { NamedTensor } from '../checkpoint/tensor.js';
import { PanppError } from '../errors.js';
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

/** What a checkpoint does not say of itself, and how it is stored. */
export interface ConvertOptions extends CheckpointOptions {
  /** Store 16-bit floats: half the size, each weight within 2⁻¹¹ of its value. */
  readonly half?: boolean;
  /**
   * How FPEMs are joined; the authors' names can't tell. `pan++` unless given; mmocr's PANet is
   * `pan`.
   */
  readonly fusion?: NeckConfig['fusion'];
  /** Settings that `detect` uses by default; ICDAR 2015's unless given. */
  readonly detection?: DetectionSettings;
  /**
   * The characters that a recognition head reads, in the order of its classes; by default the
   * authors' of that many classes.
   */
  readonly vocabulary?: readonly string[];
  /** Named in errors, for example the file's name; `checkpoint` unless given. */
  readonly source?: string;
}

/** What a conversion gives. */
export interface Converted {
  /** The bytes of the weights file. */
  readonly weights: Uint8Array;
  /** The configuration that is in it. */
  readonly config: ModelConfig;
  /**
   * Where the checkpoint keeps a moving average of the weights (EMA), if that was not asked for.
   */
  readonly emaLeft?: string;
}

/**
 * Reads a PyTorch checkpoint of PAN, PAN++ or mmocr's PANet, folds its batch norms, and writes a
 * weights file for `loadModel`. The backbone, the number of FPEMs and whether there is a
 * recognition head are read off the checkpoint.
 * @param checkpoint the bytes of a file of `torch.save` or of safetensors, or of the index of
 * either in several files
 * @throws PanppError `checkpoint` if the bytes can't be read, lack the moving average or a shard
 * that is asked for, or if `half` is set and a
 *   weight is past a 16-bit float's range; `weights` if they hold another architecture, or a vocabulary of another length than the
 *   recognition head's
 */
export function convertCheckpoint(checkpoint: Uint8Array, options: ConvertOptions = {}): Converted {
  const {
    half = false,
    detection = detectionPresets.icdar2015,
    source = 'checkpoint',
    vocabulary,
    ema = false,
  } = options;
  const { tensors: saved, emaKey } = openCheckpoint(checkpoint, source, options);
  const { tensors, neck } = asAuthors(withoutWrappers(saved, source), options.fusion, source);
  // The convolutions of a checkpoint's backbone have batch norms and no bias.
  if (tensors.has('backbone.conv1.bias')) {
    throw new PanppError(
      'weights',
      `${source} is a weights file already: use it as it is (for example panpp detect --weights ${source})`,
    );
  }
  const inferred = inferConfig(tensors, neck.fusion, detection, source, vocabulary);
  const config = { ...inferred, neck: { ...inferred.neck, ...neck } };
  const weights = writeWeights({ config, tensors: foldCheckpoint(tensors, config, source) }, half);
  return { weights, config, ...(emaKey !== undefined && !ema && { emaLeft: emaKey }) };
}

/** Tensors by the authors' names, and what of the neck is not the usual. */
function asAuthors(
  tensors: ReadonlyMap<string, NamedTensor>,
  fusion: NeckConfig['fusion'] | undefined,
  source: string,
): { tensors: ReadonlyMap<string, NamedTensor>; neck: Omit<NeckConfig, 'fpems'> } {
  if (!isMmocrPanet(tensors)) return { tensors, neck: { fusion: fusion ?? 'pan++' } };
  if (fusion === 'pan++')
    throw new PanppError(
      'weights',
      `${source} is a PANet of mmocr, which is PAN and not PAN++; leave the architecture out`,
    );
  return {
    tensors: fromMmocrPanet(tensors, source),
    neck: { fusion: 'pan', upsampling: 'nearest' },
  };
}
