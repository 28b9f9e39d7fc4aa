// What a model's calls take and give.
import type { AggregationMode } from '../aggregation/input.js';
import type { DetectionSettings } from '../network/config.js';
import type { CorrectionOptions, ReadOptions, TextReading } from '../recognition/reading.js';
import type { Region } from '../shapes/regions.js';
import type { SpottedRegion } from './spotting-pass.js';

/** What every call takes. */
export interface CallOptions {
  /**
   * Rejects the call with the signal's reason, at once; what the GPU has begun is finished in the
   * background.
   */
  readonly signal?: AbortSignal;
}

/** Settings of one call; what is left out is the model's own (`model.config.detection`). */
export interface DetectOptions extends Partial<DetectionSettings>, CallOptions {
  /** Which kernels check instance vectors while growing; `reference` unless given. */
  readonly mode?: AggregationMode;
  /**
   * Farthest that a checked pixel's instance vector may lie from its kernel's mean; 3 unless given.
   */
  readonly distance?: number;
}

/**
 * Milliseconds. The GPU's own clock for its stages; those are left out on adapters without
 * timestamps.
 */
export interface DetectionTimings {
  /** Choosing and packing the image's pixels, on the CPU. */
  readonly upload: number;
  /** Resize and normalisation, on the GPU. */
  readonly preprocess?: number;
  /** Backbone, FPEMs and detection head, on the GPU. */
  readonly network?: number;
  /** Pixel aggregation and the regions' sums, on the GPU. */
  readonly aggregation?: number;
  /** Shapes from the label map, on the CPU. */
  readonly regions: number;
  /** Planning, shader compilation and memory, where this image's size is new; else 0. */
  readonly setup: number;
  /**
   * From the image's pixels to the result, wall clock. Decoding and waiting for the call's turn are
   * not counted; where calls overlap, what the GPU still does for the call before is.
   */
  readonly total: number;
}

/** What `detect` finds. */
export interface Detection {
  /**
   * By ascending label, which is the raster order of their kernels. Polygons in pixels of the
   * image.
   */
  readonly regions: Region[];
  /** Pixels of the image's rows. */
  readonly width: number;
  /** The image's rows. */
  readonly height: number;
  /** Where the time went. */
  readonly timings: DetectionTimings;
}

/** What `detectBatch` finds. */
export interface BatchDetection {
  /** Of each image, in the images' order, as `Detection.regions`. */
  readonly regions: Region[][];
  /** Pixels of the images' rows. */
  readonly width: number;
  /** The images' rows. */
  readonly height: number;
  /** Where the time for all of them went. */
  readonly timings: DetectionTimings;
}

/** Settings of one call of `spot`. */
export interface SpotOptions extends DetectOptions, ReadOptions, CorrectionOptions {}

/** Milliseconds, as in `DetectionTimings`. */
export interface SpottingTimings extends DetectionTimings {
  /** The recognition head's feature map, on the GPU. */
  readonly features?: number;
  /** Masked RoI, encoder and decoder, on the GPU. */
  readonly recognition?: number;
  /** From the regions to their words, wall clock. */
  readonly reading: number;
}

/** What `spot` finds. */
export interface Spotting {
  /** As `Detection.regions`, with their text; without those that a correction drops. */
  readonly regions: SpottedRegion[];
  /** Pixels of the image's rows. */
  readonly width: number;
  /** The image's rows. */
  readonly height: number;
  /** Where the time went. */
  readonly timings: SpottingTimings;
}

/** Settings of one call of `recognize`. */
export interface RecognizeOptions extends ReadOptions, CallOptions {
  /** The image's shorter side while the network looks at it; the model's own unless given. */
  readonly shortSide?: number;
}

/** What `recognize` reads. */
export interface Recognition {
  /** One for each region given, in their order. */
  readonly words: TextReading[];
  /** Pixels of the image's rows. */
  readonly width: number;
  /** The image's rows. */
  readonly height: number;
  /** Where the time went. */
  readonly timings: Omit<SpottingTimings, 'aggregation' | 'regions'>;
}

/** What `forward` gives. */
export interface ForwardOptions extends CallOptions {
  /**
   * Names of maps: `backbone.c2` … `c5`, `reduce.f1` … `f4`, `fpem1.f1` …, `ffm.f1` … (what the
   * head sees), `det` (text logit, kernel logit, instance vector).
   */
  readonly outputs: readonly string[];
  /** The image's shorter side while the network looks at it; the model's own unless given. */
  readonly shortSide?: number;
}
