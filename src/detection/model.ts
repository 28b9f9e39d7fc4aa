// A text detector: weights on the GPU, and the programs for the image sizes it has met.
import type { AggregationMode } from '../aggregation/types.js';
import { PanppError } from '../errors.js';
import type { Gpu } from '../gpu/context.js';
import type { PixelImage } from '../images/image.js';
import { resizedSize } from '../images/size.js';
import { type ImageUpload, prepareUpload } from '../images/upload.js';
import type { DetectionSettings, ModelConfig } from '../network/config.js';
import { type NetworkWeights, uploadWeights } from '../network/weights.js';
import { readWeights } from '../network/weights-file.js';
import { type Region, regionsFromLabels } from '../shapes/regions.js';
import { checkRegionSettings } from '../shapes/settings.js';
import { type OutputTensor, forwardMaps } from './forward.js';
import { DetectionPass } from './pass.js';
import { aggregationSettings } from './regions-from-map.js';

/** Settings of one call; what is left out is the model's own (`model.config.detection`). */
export interface DetectOptions extends Partial<DetectionSettings> {
  /** Which kernels check instance vectors while growing; `reference` unless given. */
  readonly mode?: AggregationMode;
  /** Farthest that a checked pixel's instance vector may lie from its kernel's mean; 3 unless given. */
  readonly distance?: number;
}

/** Milliseconds. The GPU's own clock for its stages; those are left out on adapters without timestamps. */
export interface DetectionTimings {
  /** Choosing and packing the image's pixels, on the CPU. */
  readonly upload: number;
  readonly preprocess?: number;
  readonly network?: number;
  readonly aggregation?: number;
  /** Shapes from the label map, on the CPU. */
  readonly regions: number;
  /** Planning, shader compilation and memory, where this image's size is new; else 0. */
  readonly setup: number;
  /** From the call's start to its result, wall clock, waiting for earlier calls not counted. */
  readonly total: number;
}

export interface Detection {
  /** By ascending label, which is the raster order of their kernels. Polygons in pixels of the image. */
  readonly regions: Region[];
  /** The image's size. */
  readonly width: number;
  readonly height: number;
  readonly timings: DetectionTimings;
}

export interface ForwardOptions {
  /**
   * Names of maps: `backbone.c2` … `c5`, `reduce.f1` … `f4`, `fpem1.f1` …, `ffm.f1` … (what the head sees), `det` (text logit, kernel logit,
   * instance vector).
   */
  readonly outputs: readonly string[];
  readonly shortSide?: number;
}

/** Programs kept for image sizes met before; each holds the network's working memory. */
const keptPasses = 2;

export class Model {
  readonly gpu: Gpu;
  readonly config: ModelConfig;
  readonly #weights: NetworkWeights;
  // By size, in the order of their last use.
  readonly #passes = new Map<string, DetectionPass>();
  #queue: Promise<unknown> = Promise.resolve();
  #disposed = false;

  constructor(gpu: Gpu, config: ModelConfig, weights: NetworkWeights) {
    this.gpu = gpu;
    this.config = config;
    this.#weights = weights;
  }

  /**
   * Finds the text regions of an image. Calls may overlap: they are worked off in order.
   * @throws PanppError `argument` or `image` for settings or sizes out of range, `device-lost`, `disposed`
   */
  async detect(image: PixelImage, options: DetectOptions = {}): Promise<Detection> {
    const settings = { ...this.config.detection, ...withoutUndefined(options) };
    checkRegionSettings(settings);
    if (![1, 2, 4].includes(settings.scale)) throw new PanppError('argument', `scale is ${settings.scale}; it must be 1, 2 or 4`);
    return this.#inTurn(async () => {
      const start = performance.now();
      const size = resizedSize(image.height, image.width, settings.shortSide);
      const upload = prepareUpload(image, size.height, size.width);
      const uploaded = performance.now();
      const pass = await this.#passFor(upload, size, settings.scale);
      const ready = performance.now();
      const { labels, sums, gpuTimings } = await pass.run(upload, aggregationSettings(settings));
      const mapped = performance.now();
      const regions = regionsFromLabels({
        ...{ labels, sums, settings },
        ...pass.mapSize,
        ...{ imageHeight: size.height, imageWidth: size.width, originalHeight: image.height, originalWidth: image.width },
      });
      const end = performance.now();
      const timings = { upload: uploaded - start, setup: ready - uploaded, ...gpuTimings, regions: end - mapped, total: end - start };
      return { regions, width: image.width, height: image.height, timings };
    });
  }

  /**
   * Runs the network on an image and returns maps of it, as float32 tensors [channels, height, width] at 1/4 to 1/32 of the resized image.
   * @throws PanppError `argument` for a name that the network does not have
   */
  async forward(image: PixelImage, { outputs, shortSide = this.config.detection.shortSide }: ForwardOptions): Promise<Map<string, OutputTensor>> {
    return this.#inTurn(() => {
      const size = resizedSize(image.height, image.width, shortSide);
      return forwardMaps(this.gpu, this.config, this.#weights, prepareUpload(image, size.height, size.width), size, outputs);
    });
  }

  /** Bytes of GPU memory: weights, and what the programs for sizes met so far hold. */
  get memory(): { weights: number; programs: number } {
    return {
      weights: this.#weights.bytes,
      programs: [...this.#passes.values()].reduce((sum, pass) => sum + pass.memory.bytes, 0),
    };
  }

  /** Frees the model's GPU memory; the Gpu stays open. Safe to call twice. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const pass of this.#passes.values()) pass.dispose();
    this.#passes.clear();
    this.#weights.dispose();
  }

  // One call at a time on the GPU, in the order of the calls; a failed one does not hold up the next.
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(() => {
      if (this.#disposed) throw new PanppError('disposed', 'this model was disposed of; load it again');
      this.gpu.assertUsable();
      return work();
    });
    this.#queue = turn.catch(() => {});
    return turn;
  }

  async #passFor(upload: ImageUpload, size: { height: number; width: number }, scale: DetectionSettings['scale']): Promise<DetectionPass> {
    const key = [upload.rows, upload.columns, size.height, size.width, scale].join();
    const known = this.#passes.get(key);
    if (known) {
      this.#passes.delete(key);
      this.#passes.set(key, known);
      return known;
    }
    // Made room for before the new one takes its memory.
    while (this.#passes.size >= keptPasses) {
      const [oldest, pass] = this.#passes.entries().next().value!;
      pass.dispose();
      this.#passes.delete(oldest);
    }
    const config = { ...this.config, detection: { ...this.config.detection, scale } };
    const pass = await DetectionPass.create(this.gpu, config, this.#weights, upload, size);
    this.#passes.set(key, pass);
    return pass;
  }
}

/**
 * Puts a converted model on the GPU.
 * @param weights the bytes of a file that `panpp convert` made
 * @param source named in errors
 * @throws PanppError `checkpoint` or `weights` if the bytes are not such a file
 */
export async function loadModel(gpu: Gpu, weights: Uint8Array | ArrayBuffer, source?: string): Promise<Model> {
  gpu.assertUsable();
  const { config, tensors } = readWeights(weights instanceof Uint8Array ? weights : new Uint8Array(weights), source);
  return new Model(gpu, config, uploadWeights(gpu, tensors, config));
}

function withoutUndefined<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;
}
