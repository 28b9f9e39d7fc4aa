// PAN++ and PAN as plain data: another depth or another number of FPEMs is a literal, not code.
// Sources: spec (Backbone, Neck, Regions); the authors' configuration files for the detection
// settings.
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

/** How a coarser level of the pyramid is enlarged to a finer one's size. */
export type Upsampling = 'bilinear' | 'nearest';

/** The FPEMs (feature pyramid enhancement modules) and how they are joined. */
export interface NeckConfig {
  /** FPEMs in sequence; the paper's N_stk. */
  readonly fpems: number;
  /**
   * `pan++`: every FPEM adds its input to its output, and the last one's output is taken (FPEM v2).
   * `pan`: no sum inside, and all FPEMs' outputs are added (FPEM v1).
   */
  readonly fusion: 'pan++' | 'pan';
  /**
   * How FPEMs bring coarser maps to the finer ones' size; `bilinear` unless given. mmocr's PANet
   * has `nearest`.
   */
  readonly upsampling?: Upsampling;
}

/** How a map becomes regions, and at what size images are looked at. */
export interface DetectionSettings extends RegionSettings {
  /**
   * Images are resized so that their shorter side has this many pixels (then up to multiples of
   * 32).
   */
  readonly shortSide: number;
  /** Kernels with fewer pixels than this, divided by scale², are dropped. */
  readonly minKernelArea: number;
}

/** What a recognition head reads. */
export interface RecognitionConfig {
  /**
   * Its characters in the order of its classes, any script, each entry one class; after them come
   * the classes EOS, PAD and UNK, which are not listed.
   */
  readonly vocabulary: readonly string[];
}

/**
 * Everything about a model but its weights; stored as JSON in the weights file's metadata under
 * `config`.
 */
export interface ModelConfig {
  /** The ResNet. */
  readonly backbone: BackboneConfig;
  /** The FPEMs behind it. */
  readonly neck: NeckConfig;
  /** Settings of calls that give none. */
  readonly detection: DetectionSettings;
  /** Only models with a recognition head have it. */
  readonly recognition?: RecognitionConfig;
}

/** Two basic blocks a layer; what the shipped weights have. */
export const resnet18: BackboneConfig = { block: 'basic', blocks: [2, 2, 2, 2] };
/** Bottlenecks: 3, 4, 6, 3. */
export const resnet50: BackboneConfig = { block: 'bottleneck', blocks: [3, 4, 6, 3] };
/** Bottlenecks: 3, 4, 23, 3. */
export const resnet101: BackboneConfig = { block: 'bottleneck', blocks: [3, 4, 23, 3] };

/**
 * The authors' settings by benchmark; `icdar2015-e2e` is for reading, the others for detection
 * alone. `convertCheckpoint` stores one of them in a weights file, and `detect` takes what a call
 * leaves out from there. Source: spec, Regions.
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

/** The authors' vocabularies: 36, 62 and 94 characters, so 39, 65 and 97 classes. */
export const vocabularies = {
  lowercase: [...(digits + lowercase)],
  allcases: [...(digits + lowercase + lowercase.toUpperCase())],
  symbols: [
    ...(digits + lowercase + lowercase.toUpperCase() + '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~'),
  ],
} as const satisfies Record<string, readonly string[]>;

/** EOS, PAD and UNK, the last three classes. */
export const specialClasses = 3;

/** Channels of c2 … c5. */
export function backboneChannels({ block }: BackboneConfig): [number, number, number, number] {
  return block === 'basic' ? [64, 128, 256, 512] : [256, 512, 1024, 2048];
}

/** Channels of every pyramid level, of FPEMs and of the head's hidden map. */
export const neckChannels = 128;

/**
 * Recognition attends with this many heads; its LSTM cells are stacked this high. All its vectors
 * have `neckChannels` entries.
 */
export const attentionHeads = 8;
export const lstmCells = 2;

/** Channels of the head's map: text logit, kernel logit, 4 of instance vector. */
export const mapChannels = 6;
