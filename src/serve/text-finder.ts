// Finds text in the images of many requests: what waits is bounded, detections of one size and with
// the same settings are made in one batch, and a request that is given up gives up its work.
import { PanppError } from '../errors.js';
import type { PixelImage } from '../images/image.js';
import { resizedSize } from '../images/size.js';
import type {
  BatchDetection,
  DetectOptions,
  Detection,
  SpotOptions,
  Spotting,
} from '../model/options.js';
import type { DetectionSettings } from '../network/config.js';
import { BatchQueue, type Done, type Work } from './batch-queue.js';
import type { Metrics } from './metrics.js';

/** What is used of a model. */
export interface TextModel {
  readonly memory: Readonly<Record<'weights' | 'programs', number>>;
  detect(image: PixelImage, options: DetectOptions): Promise<Detection>;
  detectBatch(images: readonly PixelImage[], options: DetectOptions): Promise<BatchDetection>;
  spot(image: PixelImage, options: SpotOptions): Promise<Spotting>;
}

/** A model that recovers from the loss of its device. */
export interface TextEngine {
  /** The model, unless it is being loaded or its device is lost. */
  readonly ready: { readonly model: TextModel } | undefined;
  /** Number of devices lost so far. */
  readonly losses: number;
  /** Begins to load the model on a fresh device if that is needed. */
  recover(): void;
  /** Runs work on the model, once more on a fresh device if its device is lost. */
  run<T>(work: (model: TextModel) => Promise<T>): Promise<T>;
}

/** Text found in an image. */
export type Found = Detection | Spotting;

/** How the finder works. */
export interface FinderOptions {
  /** An image with more pixels after resizing is refused. */
  readonly maxPixels: number;
  /**
   * Milliseconds that a detection waits for others of its kind while requests are on their way; 0:
   * each is made alone.
   */
  readonly batchWait: number;
  /** Largest number of images in a batch. */
  readonly batchSize: number;
}

/** While the GPU works on one run, the CPU prepares the next. */
const runsAtOnce = 2;

/**
 * Most pixels of a batch after resizing. Larger images fill a GPU alone, and a batch of this size
 * is within every adapter's limits.
 */
const batchPixels = 2 ** 21;

export class TextFinder {
  readonly #engine: TextEngine;
  readonly #options: FinderOptions;
  readonly #metrics: Pick<Metrics, 'timed' | 'ran'>;
  readonly #queue: BatchQueue<PixelImage, Found>;

  /** @param requests how many have no answer yet, those included whose image is not here yet */
  constructor(
    engine: TextEngine,
    options: FinderOptions,
    metrics: Pick<Metrics, 'timed' | 'ran'>,
    requests: () => number,
  ) {
    this.#engine = engine;
    this.#options = options;
    this.#metrics = metrics;
    this.#queue = new BatchQueue(runsAtOnce, options.batchWait, requests);
  }

  /** Number of images that wait. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Finds text; errors are those of `model.detect`, and `image` for too many pixels. */
  async detect(
    image: PixelImage,
    settings: DetectionSettings & DetectOptions,
    signal: AbortSignal,
  ): Promise<Done<Found>> {
    const { width, height, channels } = image;
    return this.#add(image, settings, signal, {
      key: JSON.stringify([width, height, channels, settings]),
      most: this.#batchOf(image, settings),
      run: (images, signal) => this.#detectTogether(images, { ...settings, signal }),
    });
  }

  /** Finds and reads text; errors are those of `model.spot`, and `image` for too many pixels. */
  async spot(
    image: PixelImage,
    options: DetectionSettings & SpotOptions,
    signal: AbortSignal,
  ): Promise<Done<Found>> {
    return this.#add(image, options, signal, {
      key: 'spot',
      most: 1,
      run: ([image], signal) => [this.#run((model) => model.spot(image, { ...options, signal }))],
    });
  }

  /** Ends all calls with an error. */
  stop(reason: Error): void {
    this.#queue.dropAll(reason);
  }

  async #add(
    image: PixelImage,
    settings: DetectionSettings,
    signal: AbortSignal,
    work: Work<PixelImage, Found>,
  ): Promise<Done<Found>> {
    // A tiny image may ask for a large one by its settings.
    resizedSize(image.height, image.width, settings, this.#options.maxPixels);
    const done = await this.#queue.add(work, image, signal);
    this.#metrics.timed({ queue: done.waited });
    return done;
  }

  #batchOf({ width, height }: PixelImage, settings: DetectionSettings & DetectOptions): number {
    const { batchWait, batchSize } = this.#options;
    // The tiles of an image are processed one after another.
    if (batchWait === 0 || settings.tileSide !== undefined) return 1;
    const size = resizedSize(height, width, settings, this.#options.maxPixels);
    const fitting = Math.floor(batchPixels / (size.height * size.width));
    return Math.max(1, Math.min(batchSize, fitting));
  }

  #detectTogether(images: readonly PixelImage[], options: DetectOptions): Promise<Found>[] {
    const alone = (image: PixelImage) => this.#run((model) => model.detect(image, options));
    if (images.length === 1) return [alone(images[0])];
    const together = this.#run((model) => model.detectBatch(images, options), images.length);
    return images.map(async (image, index) => {
      try {
        const { regions, ...rest } = await together;
        return { ...rest, regions: regions[index] };
      } catch (error) {
        // One image may be the reason, and it must not fail the others.
        if (options.signal?.aborted || isOfDevice(error)) throw error;
        return alone(image);
      }
    });
  }

  async #run<R extends { readonly timings: Detection['timings'] }>(
    work: (model: TextModel) => Promise<R>,
    images = 1,
  ): Promise<R> {
    const result = await this.#engine.run(work);
    this.#metrics.ran(images);
    this.#metrics.timed(result.timings);
    return result;
  }
}

function isOfDevice(error: unknown): boolean {
  return error instanceof PanppError && ['device-lost', 'adapter'].includes(error.code);
}
