// Options and results of a model's calls.
import type { AggregationMode } from '../aggregation/input.js';
import type { DetectionSettings } from '../network/config.js';
import type { CorrectionOptions, ReadOptions, TextReading } from '../recognition/reading.js';
import type { Region } from '../shapes/regions.js';
import type { SpottedRegion } from './spotting-pass.js';

/** Options of every call. */
export interface CallOptions {
  /**
   * Rejects the call at once with the signal's reason; GPU work already started finishes in the
   * background.
   */
  readonly signal?: AbortSignal;
}

/** Settings of one call; defaults: the model's own (`model.config.detection`). */
export interface DetectOptions extends Partial<DetectionSettings>, CallOptions {
  /** Which kernels check instance vectors while growing; default: `reference`. */
  readonly mode?: AggregationMode;
  /**
   * Maximum Euclidean distance between a checked pixel's instance vector and its kernel's mean;
   * default: 3.
   */
  readonly distance?: number;
  /**
   * Maximum side of a tile in pixels, at least 768. Images with a longer side, after resizing, are
   * processed in overlapping tiles. Smaller tiles take less GPU memory. Tiles of an image with more
   * than 2²⁴ pixels, after resizing, have sides of at most 4096. Default: an image that fits the GPU
   * is processed whole, a larger one in tiles of 2048, or less if the GPU's limits require it.
   */
  readonly tileSide?: number;
}

/**
 * Timings in milliseconds. GPU stages are measured with GPU timestamps and are missing on adapters
 * without them.
 */
export interface DetectionTimings {
  /** Selecting and packing the image's pixels, on the CPU. */
  readonly upload: number;
  /** Resize and normalisation, on the GPU. */
  readonly preprocess?: number;
  /** Backbone, FPEMs and detection head, on the GPU. */
  readonly network?: number;
  /** Pixel aggregation and sums per region, on the GPU; for an image in tiles on the CPU. */
  readonly aggregation?: number;
  /** Region shapes from the label map, on the CPU. */
  readonly regions: number;
  /** Planning, shader compilation and allocation for a new image size; else about 0. */
  readonly setup: number;
  /**
   * Wall-clock time from the image's pixels to the result. Excludes decoding and waiting for the
   * call's turn; if calls overlap, includes GPU work left over from the previous call.
   */
  readonly total: number;
}

/** Result of `detect`. */
export interface Detection {
  /**
   * Ordered by label, which follows the raster order of their kernels. Polygons are in image
   * pixels.
   */
  readonly regions: Region[];
  /** Width of the image in pixels. */
  readonly width: number;
  /** Height of the image in pixels. */
  readonly height: number;
  /** Timings of the call. */
  readonly timings: DetectionTimings;
}

/** Result of `detectBatch`. */
export interface BatchDetection {
  /** Regions of each image, in the order of the images, as in `Detection.regions`. */
  readonly regions: Region[][];
  /** Width of the images in pixels. */
  readonly width: number;
  /** Height of the images in pixels. */
  readonly height: number;
  /** Timings of the whole batch. */
  readonly timings: DetectionTimings;
}

/** Settings of one call of `spot`. */
export interface SpotOptions extends DetectOptions, ReadOptions, CorrectionOptions {}

/** Milliseconds, as in `DetectionTimings`. */
export interface SpottingTimings extends DetectionTimings {
  /** The recognition head's feature map, on the GPU; of both readings if words are rectified. */
  readonly features?: number;
  /** Masked RoI, encoder and decoder, on the GPU; of both readings if words are rectified. */
  readonly recognition?: number;
  /** Sampling of the rectified words, on the GPU. */
  readonly rectification?: number;
  /** The network on the pages of rectified words, on the GPU. */
  readonly pages?: number;
  /**
   * Wall-clock time from the regions to their words, with what the rectified reading sets up and
   * uploads.
   */
  readonly reading: number;
}

/** Result of `spot`. */
export interface Spotting {
  /** As `Detection.regions`, with their text; regions dropped by a correction are left out. */
  readonly regions: SpottedRegion[];
  /** Width of the image in pixels. */
  readonly width: number;
  /** Height of the image in pixels. */
  readonly height: number;
  /** Timings of the call. */
  readonly timings: SpottingTimings;
}

/** Settings of one call of `recognize`; default sizes: the model's own. */
export interface RecognizeOptions
  extends
    ReadOptions,
    CallOptions,
    Pick<DetectOptions, 'tileSide'>,
    Partial<Pick<DetectionSettings, 'shortSide' | 'maxSide'>> {}

/** Result of `recognize`. */
export interface Recognition {
  /** One for each given region, in the same order. */
  readonly words: TextReading[];
  /** Width of the image in pixels. */
  readonly width: number;
  /** Height of the image in pixels. */
  readonly height: number;
  /** Timings of the call. */
  readonly timings: Omit<SpottingTimings, 'aggregation' | 'regions'>;
}

/** Options of `forward`; default sizes: the model's own. */
export interface ForwardOptions
  extends CallOptions, Partial<Pick<DetectionSettings, 'shortSide' | 'maxSide'>> {
  /**
   * Names of maps: `backbone.c2` … `c5`, `reduce.f1` … `f4`, `fpem1.f1` …, `ffm.f1` … (the heads'
   * input), `det` (text logit, kernel logit, instance vector).
   */
  readonly outputs: readonly string[];
}
