// A text detector or spotter: weights on the GPU, and the passes for the image sizes it has met.
import { checkAggregationSettings } from '../aggregation/input.js';
import { detectRegions } from '../detection/detect.js';
import { DetectionPass } from '../detection/pass.js';
import { aggregationSettings, mapSettingNames } from '../detection/regions-from-map.js';
import { PanppError } from '../errors.js';
import type { Gpu } from '../gpu/context.js';
import { TexturePixels } from '../gpu/texture-pixels.js';
import { isBytes } from '../images/image.js';
import { type ImageInput, prepareInput } from '../images/input.js';
import { type ImageSource, pixelsFrom } from '../images/source.js';
import type { PixelSource } from '../images/upload.js';
import type { Precision } from '../layers/precision.js';
import type { DetectionSettings, ModelConfig } from '../network/config.js';
import type { NetworkWeights } from '../network/weights.js';
import { checkOptions, withoutUndefined } from '../options.js';
import { RecognitionPass } from '../recognition/pass.js';
import { type RecognitionHead, correctionOf, decodingOf } from '../recognition/reading.js';
import type { RecognitionWeights } from '../recognition/weights.js';
import type { Box, Polygon } from '../shapes/geometry.js';
import { checkRegionSettings } from '../shapes/settings.js';
import type { TuningState } from '../tuning/tuning.js';
import { type OutputTensor, forwardMaps } from './forward.js';
import type {
  BatchDetection,
  DetectOptions,
  Detection,
  ForwardOptions,
  Recognition,
  RecognizeOptions,
  SpotOptions,
  Spotting,
} from './options.js';
import { type Pass, PassCache, type PassShelf } from './pass-cache.js';
import { SpottingPass } from './spotting-pass.js';
import { type StreamOptions, type Streamed, streamed } from './stream.js';
import { Turns } from './turns.js';

// The options that calls know.
const detectNames = ['shortSide', ...mapSettingNames, 'signal'];
const readNames = ['beam', 'characters'];
const spotNames = [...detectNames, ...readNames, 'lexicon', 'correction'];
const streamNames = ['concurrency', 'onError'];

/** Passes kept for image sizes met before; each holds the network's working memory. */
const keptPasses = 2;

/** What a call does with its images. */
interface Task<P extends Pass, R> {
  readonly passes: PassShelf<P>;
  /** What the pass depends on besides the images' sizes. */
  readonly key: readonly number[];
  readonly create: (inputs: readonly ImageInput[]) => Promise<P>;
  /** May call `next` once the GPU has all its work: the next call begins. */
  readonly work: (pass: P, inputs: readonly ImageInput[], next: () => void) => Promise<R>;
}

/**
 * A network with its weights on a GPU, made by `loadModel`. It keeps programs for the sizes of
 * image met last.
 */
export class Model {
  /** Where it runs. */
  readonly gpu: Gpu;
  /**
   * What the weights file says: architecture, default settings, and the vocabulary of a model that
   * reads.
   */
  readonly config: ModelConfig;
  /** Whether the tuning that it was loaded with is used, and if not, why. */
  readonly tuning: TuningState;
  readonly #weights: NetworkWeights;
  readonly #recognition: RecognitionWeights | undefined;
  readonly #passes = new PassCache(keptPasses);
  readonly #detections = this.#passes.shelf<DetectionPass>();
  readonly #spottings = this.#passes.shelf<SpottingPass>();
  readonly #recognitions = this.#passes.shelf<RecognitionPass>();
  readonly #turns = new Turns();
  #disposed = false;

  /** @param recognition belongs to a config with recognition */
  constructor(
    gpu: Gpu,
    config: ModelConfig,
    weights: NetworkWeights,
    recognition?: RecognitionWeights,
    tuning: TuningState = 'none',
  ) {
    this.gpu = gpu;
    this.tuning = tuning;
    this.config = config;
    this.#weights = weights;
    this.#recognition = recognition;
  }

  /**
   * Finds the text regions of an image. Calls may overlap: they are worked off in order, and while
   * the GPU works on one image, the next is uploaded and the last one's regions are shaped.
   * @throws PanppError `argument` or `image` for settings or sizes out of range, `device-lost`,
   * `disposed`
   */
  async detect(image: ImageSource, options: DetectOptions = {}): Promise<Detection> {
    checkOptions('detect', options, detectNames);
    const { regions, ...rest } = await this.#detectTogether([image], options);
    return { regions: regions[0], ...rest };
  }

  /**
   * Finds the text regions of several images of one size at once: each layer sees all of them, so
   * that small images fill a large GPU. Takes as many times the working memory; results are those
   * of `detect`. For images of any size there is `detectAll`.
   * @throws PanppError `argument` for no image, or images of different sizes; else as `detect`
   */
  async detectBatch(
    images: readonly ImageSource[],
    options: DetectOptions = {},
  ): Promise<BatchDetection> {
    if (!Array.isArray(images) || images.length === 0)
      throw new PanppError('argument', 'a batch is an array of one image at least');
    checkOptions('detectBatch', options, detectNames);
    return this.#detectTogether(images, options);
  }

  /**
   * Finds the text of image after image, overlapped as far as it goes; results come in the images'
   * order. No image is asked for while `concurrency` are under way or the results are not fetched.
   * Leaving the loop ends the images' iterator too.
   *
   *     for await (const { index, regions } of model.detectAll(frames)) …
   *
   * A source may use one array for all its images, for their pixels are copied as they are taken
   * (but not where `images` is an array, or `concurrency` is 1). The `image` that comes with a
   * result is the source's own.
   *
   * @throws PanppError as `detect`, for the first image that fails (unless `onError` is given)
   */
  async *detectAll<S extends ImageSource>(
    images: AsyncIterable<S> | Iterable<S>,
    options: DetectOptions & StreamOptions = {},
  ): AsyncGenerator<Streamed<Detection, S>, void, undefined> {
    checkOptions('detectAll', options, [...detectNames, ...streamNames]);
    const { concurrency: _, onError: __, ...settings } = options;
    // For all images, so no matter of `onError`.
    this.#settings(settings);
    yield* streamed(images, (image) => this.detect(image, settings), options, ownPixels);
  }

  /**
   * Finds the text regions of an image and reads them.
   * @throws PanppError `weights` if the model only detects; else as `detect`
   */
  async spot(image: ImageSource, options: SpotOptions = {}): Promise<Spotting> {
    checkOptions('spot', options, spotNames);
    const head = this.#head();
    const decoding = decodingOf(options);
    const correction = correctionOf(options);
    const { config, settings } = this.#settings(options);
    return this.#run([image], settings.shortSide, options.signal, {
      passes: this.#spottings,
      key: [settings.scale, decoding.beam],
      create: ([input]) =>
        SpottingPass.create(this.gpu, config, this.#weights, head, input, decoding),
      work: (pass, [input]) => pass.spot(input, settings, { ...options, ...correction }),
    });
  }

  /** As `detectAll`, with `spot`. */
  async *spotAll<S extends ImageSource>(
    images: AsyncIterable<S> | Iterable<S>,
    options: SpotOptions & StreamOptions = {},
  ): AsyncGenerator<Streamed<Spotting, S>, void, undefined> {
    checkOptions('spotAll', options, [...spotNames, ...streamNames]);
    const { concurrency: _, onError: __, ...settings } = options;
    this.#head();
    decodingOf(settings);
    this.#settings(settings);
    // A lexicon is made ready once.
    const own = { ...settings, ...correctionOf(settings) };
    yield* streamed(images, (image) => this.spot(image, own), options, ownPixels);
  }

  /**
   * Reads given regions of an image: polygons or boxes in its pixels.
   * @throws PanppError `weights` if the model only detects, `argument` for a region that is none or
   * lies outside of the image
   */
  async recognize(
    image: ImageSource,
    regions: readonly (Polygon | Box)[],
    options: RecognizeOptions = {},
  ): Promise<Recognition> {
    checkOptions('recognize', options, [...readNames, 'shortSide', 'signal']);
    if (!Array.isArray(regions))
      throw new PanppError(
        'argument',
        'the regions to recognize are no array; give polygons or boxes',
      );
    const head = this.#head();
    const decoding = decodingOf(options);
    return this.#run(
      [image],
      options.shortSide ?? this.config.detection.shortSide,
      options.signal,
      {
        passes: this.#recognitions,
        key: [decoding.beam],
        create: ([input]) =>
          RecognitionPass.create(this.gpu, this.config, this.#weights, head, input, decoding),
        work: (pass, [input]) => pass.recognize(input, regions, options),
      },
    );
  }

  /**
   * Runs the network on an image and returns maps of it, as float32 tensors [channels, height,
   * width] at 1/4 to 1/32 of the resized image.
   * @throws PanppError `argument` for a name that the network does not have
   */
  async forward(image: ImageSource, options: ForwardOptions): Promise<Map<string, OutputTensor>> {
    checkOptions('forward', options, ['outputs', 'shortSide', 'signal']);
    const { outputs, shortSide = this.config.detection.shortSide, signal } = options;
    if (!Array.isArray(outputs))
      throw new PanppError('argument', 'outputs is no array; give the names of maps');
    return this.#inTurn([image], signal, async ([pixels]) => {
      const { upload, size } = prepareInput(pixels, shortSide);
      return forwardMaps(this.gpu, this.config, this.#weights, upload, size, outputs);
    });
  }

  /** How maps and weights are stored. */
  get precision(): Precision {
    return this.#weights.precision;
  }

  /** Bytes of GPU memory: weights, and what the programs for sizes met so far hold. */
  get memory(): { weights: number; programs: number } {
    return {
      weights: this.#weights.bytes + (this.#recognition?.bytes ?? 0),
      programs: this.#passes.bytes,
    };
  }

  /**
   * Frees the model's GPU memory as soon as the image that it works on is done; the Gpu stays open.
   * Safe to call twice.
   */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#turns.whenIdle(() => {
      this.#passes.dispose();
      this.#weights.dispose();
      this.#recognition?.dispose();
    });
  }

  // The settings of a call, and the configuration with the call's scale, which the network's plan
  // depends on.
  #settings(options: DetectOptions): {
    settings: DetectionSettings & DetectOptions;
    config: ModelConfig;
  } {
    const settings = { ...this.config.detection, ...withoutUndefined(options) };
    checkRegionSettings(settings);
    if (![1, 2, 4].includes(settings.scale))
      throw new PanppError('argument', `scale is ${settings.scale}; it must be 1, 2 or 4`);
    checkAggregationSettings(aggregationSettings(settings));
    return {
      settings,
      config: { ...this.config, detection: { ...this.config.detection, scale: settings.scale } },
    };
  }

  #head(): RecognitionHead {
    const { recognition } = this.config;
    if (!this.#recognition || !recognition) {
      throw new PanppError(
        'weights',
        'this model only detects text, its weights have no recognition head; convert a checkpoint that reads, or use detect',
      );
    }
    return { weights: this.#recognition, vocabulary: recognition.vocabulary };
  }

  async #detectTogether(
    images: readonly ImageSource[],
    options: DetectOptions,
  ): Promise<BatchDetection> {
    const { config, settings } = this.#settings(options);
    const count = images.length;
    return this.#run(images, settings.shortSide, options.signal, {
      passes: this.#detections,
      key: [settings.scale, count],
      create: ([{ upload, size }]) =>
        DetectionPass.create(this.gpu, config, this.#weights, upload, size, count),
      work: async (pass, inputs, next) => {
        const { detected, timings } = await detectRegions(pass, inputs, settings, next);
        return { regions: detected.map(({ regions }) => regions), timings };
      },
    });
  }

  // Prepares images of one size, finds or makes the pass for them, and works on them in turn.
  #run<P extends Pass, R extends { timings: object }>(
    sources: readonly ImageSource[],
    shortSide: number,
    signal: AbortSignal | undefined,
    { passes, key, create, work }: Task<P, R>,
  ) {
    return this.#inTurn(sources, signal, async (images, next) => {
      const start = performance.now();
      const [{ width, height }] = images;
      const inputs = images.map((image) => prepareInput(image, shortSide));
      assertAlike(inputs);
      const uploaded = performance.now();
      const { upload, size } = inputs[0];
      const sizes = [upload.rows, upload.columns, upload.channels, size.height, size.width];
      const kept = await passes.find([...key, ...sizes].join(), () => create(inputs));
      const ready = performance.now();
      const working = work(kept.pass, inputs, next);
      kept.holdFor(working);
      const result = await working;
      const timings = {
        upload: uploaded - start,
        setup: ready - uploaded,
        ...result.timings,
        total: performance.now() - start,
      };
      return { ...result, width, height, timings };
    });
  }

  // In the order of the calls; a failed one does not hold up the next.
  #inTurn<T>(
    sources: readonly ImageSource[],
    signal: AbortSignal | undefined,
    work: (images: PixelSource[], next: () => void) => Promise<T>,
  ): Promise<T> {
    signal?.throwIfAborted();
    this.#assertUsable();
    // At once: a canvas or video may have moved on by the call's turn.
    const pixels = sources.map((source) => pixelsFrom(source, this.gpu));
    for (const each of pixels) each.catch(() => {}); // told in the call's turn
    return this.#turns.take(async (next) => {
      try {
        signal?.throwIfAborted();
        this.#assertUsable();
        return await work(await Promise.all(pixels), next);
      } finally {
        for (const each of pixels)
          void each
            .then((image) => image instanceof TexturePixels && image.dispose())
            .catch(() => {});
      }
    }, signal);
  }

  #assertUsable(): void {
    if (this.#disposed)
      throw new PanppError('disposed', 'this model was disposed of; load it again');
    this.gpu.assertUsable();
  }
}

/** @throws PanppError `argument` if the images of a batch can't go through one pass */
function assertAlike(inputs: readonly ImageInput[]): void {
  const [{ original, upload }] = inputs;
  const kind = ({ pixels, channels }: ImageInput['upload']) =>
    pixels instanceof Uint8Array ? `bytes with ${channels} channels` : 'a texture';
  inputs.forEach((other, index) => {
    const refuse = (its: string, first: string, todo: string): never => {
      throw new PanppError(
        'argument',
        `image ${index} of the batch ${its} and image 0 ${first}; ${todo}`,
      );
    };
    const size = ({ width, height }: ImageInput['original']) => `has ${width} × ${height} pixels`;
    if (size(other.original) !== size(original))
      refuse(size(other.original), size(original), 'use detectAll for images of different sizes');
    if (kind(other.upload) !== kind(upload))
      refuse(`is ${kind(other.upload)}`, `is ${kind(upload)}`, 'give all in one form');
  });
}

/**
 * An image whose pixels nobody else changes. What a browser draws is taken from its source at once
 * anyway.
 */
function ownPixels(image: ImageSource): ImageSource {
  // What is no image is told when it is looked at.
  if (typeof image !== 'object' || image === null || !('data' in image) || !isBytes(image.data))
    return image;
  const { width, height, data } = image;
  return { width, height, channels: 'channels' in image ? image.channels : 4, data: data.slice() };
}
