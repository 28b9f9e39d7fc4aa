// Configuration of PAN++ and PAN as plain data: depth and number of FPEMs are values, not code.
// Sources: spec (Backbone, Neck, Regions); the authors' configuration files for the detection
// settings.
import { PanppError } from '../errors.js';
import type { RegionSettings } from '../shapes/settings.js';

/** A ResNet with a deep stem. */
export interface BackboneConfig {
  /**
   * `basic`: two 3×3 convs (ResNet-18); `bottleneck`: 1×1, 3×3, 1×1 with expansion 4 (ResNet-50,
   * -101).
   */
  readonly block: 'basic' | 'bottleneck';
  /** Blocks in layer1 … layer4. */
  readonly blocks: readonly [number, number, number, number];
}

/** How a coarser pyramid level is upsampled to the size of a finer one. */
export type Upsampling = 'bilinear' | 'nearest';

/** The FPEMs (feature pyramid enhancement modules) and their fusion. */
export interface NeckConfig {
  /** FPEMs in sequence; the paper's N_stk. */
  readonly fpems: number;
  /**
   * `pan++`: each FPEM adds its input to its output, and the last FPEM's output is used (FPEM v2).
   * `pan`: no such residual, and the outputs of all FPEMs are added (FPEM v1).
   */
  readonly fusion: 'pan++' | 'pan';
  /**
   * How FPEMs upsample coarser maps; default: `bilinear`. mmocr's PANet uses `nearest`.
   */
  readonly upsampling?: Upsampling;
}

/** How a map is converted to regions, and the size at which images are processed. */
export interface DetectionSettings extends RegionSettings {
  /**
   * Length of the images' shorter side after resizing, in pixels; both sides are then rounded up to
   * multiples of 32.
   */
  readonly shortSide: number;
  /**
   * Maximum length of the longer side after resizing, in pixels, at least 32. If `shortSide` would
   * make it longer, this limit sets the size instead, and the shorter side is shorter than
   * `shortSide`. Default: no limit.
   */
  readonly maxSide?: number;
  /** Kernels with fewer pixels than this, divided by scale², are dropped. */
  readonly minKernelArea: number;
}

/** Configuration of a recognition head. */
export interface RecognitionConfig {
  /**
   * Characters in the order of their classes, in any script; each entry is one class. The classes
   * EOS, PAD and UNK follow and are not listed.
   */
  readonly vocabulary: readonly string[];
}

/**
 * Everything about a model except its weights; stored as JSON in the weights file's metadata under
 * `config`.
 */
export interface ModelConfig {
  /** The ResNet. */
  readonly backbone: BackboneConfig;
  /** The FPEMs. */
  readonly neck: NeckConfig;
  /** Default settings for calls. */
  readonly detection: DetectionSettings;
  /** Present only for models with a recognition head. */
  readonly recognition?: RecognitionConfig;
}

/**
 * What a recognition head reads.
 * @param subject what has the configuration, for the error
 * @throws PanppError `weights` if there is no head
 */
export function recognitionOf({ recognition }: ModelConfig, subject: string): RecognitionConfig {
  if (recognition) return recognition;
  throw new PanppError(
    'weights',
    `${subject} only detects text: it has no recognition head; use weights that have one, or only detect`,
  );
}

/** Two basic blocks per layer; used by the shipped weights. */
export const resnet18: BackboneConfig = { block: 'basic', blocks: [2, 2, 2, 2] };
/** 3, 4, 6 and 3 bottleneck blocks. */
export const resnet50: BackboneConfig = { block: 'bottleneck', blocks: [3, 4, 6, 3] };
/** 3, 4, 23 and 3 bottleneck blocks. */
export const resnet101: BackboneConfig = { block: 'bottleneck', blocks: [3, 4, 23, 3] };

/**
 * The authors' settings by benchmark; `icdar2015-e2e` is for spotting, the others for detection
 * only. `convertCheckpoint` stores one of them in a weights file, and `detect` uses it for the
 * defaults of a call. Source: spec, Regions.
 */
export const detectionPresets = {
  icdar2015: {
    shortSide: 736,
    minScore: 0.85,
    minArea: 260,
    minKernelArea: 2.6,
    scale: 4,
    bbox: 'rect',
  },
  'icdar2015-e2e': {
    shortSide: 736,
    minScore: 0.8,
    minArea: 260,
    minKernelArea: 2.6,
    scale: 4,
    bbox: 'rect',
  },
  totaltext: {
    shortSide: 640,
    minScore: 0.87,
    minArea: 16,
    minKernelArea: 2.6,
    scale: 4,
    bbox: 'poly',
  },
  ctw1500: {
    shortSide: 640,
    minScore: 0.88,
    minArea: 16,
    minKernelArea: 2.6,
    scale: 4,
    bbox: 'poly',
  },
} as const satisfies Record<string, DetectionSettings>;

const digits = '0123456789';
const lowercase = 'abcdefghijklmnopqrstuvwxyz';

/** The authors' vocabularies: 36, 62 and 94 characters, i.e. 39, 65 and 97 classes. */
export const vocabularies = {
  lowercase: [...(digits + lowercase)],
  allcases: [...(digits + lowercase + lowercase.toUpperCase())],
  symbols: [
    ...(digits + lowercase + lowercase.toUpperCase() + '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~'),
  ],
} as const satisfies Record<string, readonly string[]>;

/** Number of special classes (EOS, PAD and UNK), which come last. */
export const specialClasses = 3;

/** Channels of c2 … c5. */
export function backboneChannels({ block }: BackboneConfig): [number, number, number, number] {
  return block === 'basic' ? [64, 128, 256, 512] : [256, 512, 1024, 2048];
}

/** Channels of each pyramid level, of the FPEMs and of the head's hidden map. */
export const neckChannels = 128;

/**
 * Numbers of attention heads and of stacked LSTM cells in the recognition head. All its vectors
 * have `neckChannels` entries.
 */
export const attentionHeads = 8;
export const lstmCells = 2;

/** Channels of the detection head's map: text logit, kernel logit, 4 of the instance vector. */
export const mapChannels = 6;
