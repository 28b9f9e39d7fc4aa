// A text detector or spotter: its weights on the GPU and passes for recent image sizes.
import { checkAggregationSettings } from '../aggregation/input.js';
import { detectRegions } from '../detection/detect.js';
import { DetectionPass } from '../detection/pass.js';
import { aggregationSettings, mapSettingNames } from '../detection/regions-from-map.js';
import { checkTileSide } from '../detection/tiles.js';
import { PanppError } from '../errors.js';
import type { Gpu } from '../gpu/context.js';
import { TexturePixels } from '../gpu/texture-pixels.js';
import { isBytes } from '../images/image.js';
import { type ImageInput, prepareInput } from '../images/input.js';
import { type ImageSource, pixelsFrom } from '../images/source.js';
import { type ResizeSettings, checkResizeSettings } from '../images/size.js';
import type { PixelSource } from '../images/upload.js';
import type { Precision } from '../layers/precision.js';
import { type DetectionSettings, type ModelConfig, recognitionOf } from '../network/config.js';
import type { NetworkWeights } from '../network/weights.js';
import { checkOptions, withoutUndefined } from '../options.js';
import { RecognitionPass } from '../recognition/pass.js';
import {
  type RecognitionHead,
  correctionOf,
  decodingOf,
  readingOf,
} from '../recognition/reading.js';
import { roisOfShapes } from '../recognition/roi.js';
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
import { type Pass, PassCache, type PassShelf, sourceKey } from './pass-cache.js';
import { RegionReader } from './region-reader.js';
import { SpottingPass, spottedRegions } from './spotting-pass.js';
import { type ImageStream, type StreamOptions, type Streamed, streamed } from './stream.js';
import { TiledImages, type Tiling } from './tiled-images.js';
import { Turns } from './turns.js';

// Option names that each call accepts.
const sizeNames = ['shortSide', 'maxSide'];
const detectNames = [...sizeNames, ...mapSettingNames, 'tileSide', 'signal'];
const readNames = ['beam', 'characters', 'rectify'];
const spotNames = [...detectNames, ...readNames, 'lexicon', 'correction'];
const streamNames = ['concurrency', 'onError'];

/**
 * The passes that are kept; each holds the network's working memory. Small images come in batches,
 * and each size of a batch has a pass of its own.
 */
const keptPasses = { least: 2, most: 8, bytes: 2 ** 27 };

/** How a call processes its images. */
interface Task<P extends Pass, R, T> {
  /** For images that are too large for one pass. */
  readonly inTiles: (tiling: Tiling) => Promise<T>;
  readonly passes: PassShelf<P>;
  /** What the pass depends on besides the image sizes. */
  readonly key: readonly number[];
  readonly create: (inputs: readonly ImageInput[]) => Promise<P>;
  /** May call `next` once all its GPU work is submitted, so that the next call can start. */
  readonly work: (pass: P, inputs: readonly ImageInput[], next: () => void) => Promise<R>;
}

/**
 * A network with its weights on a GPU, created by `loadModel`. It caches GPU programs for the most
 * recent image sizes.
 */
export class Model {
  /** The GPU that the model runs on. */
  readonly gpu: Gpu;
  /**
   * Configuration from the weights file: architecture, default settings and, for a spotter, the
   * vocabulary.
   */
  readonly config: ModelConfig;
  /** Whether the tuning passed to `loadModel` is used, and if not, why. */
  readonly tuning: TuningState;
  readonly #weights: NetworkWeights;
  readonly #recognition: RecognitionWeights | undefined;
  readonly #passes = new PassCache(keptPasses);
  readonly #detections = this.#passes.shelf<DetectionPass>();
  readonly #spottings = this.#passes.shelf<SpottingPass>();
  readonly #recognitions = this.#passes.shelf<RecognitionPass>();
  readonly #regionReader: RegionReader;
  readonly #tiled: TiledImages;
  readonly #turns = new Turns();
  #disposed = false;

  /** @param recognition required if the config has recognition */
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
    this.#regionReader = new RegionReader(gpu);
    this.#tiled = new TiledImages(gpu, weights, this.#passes, this.#regionReader);
  }

  /**
   * Finds the text regions of an image. Calls may overlap: they are processed in order, and while
   * the GPU works on one image, the CPU uploads the next and computes the previous one's region
   * shapes.
   * @throws PanppError `argument` or `image` for settings or sizes out of range, `device-lost`,
   * `disposed`
   */
  async detect(image: ImageSource, options: DetectOptions = {}): Promise<Detection> {
    checkOptions('detect', options, detectNames);
    const { regions, ...rest } = await this.#detectTogether([image], options);
    return { regions: regions[0], ...rest };
  }

  /**
   * Finds the text regions of several images of the same size in one pass, so that small images
   * fill a large GPU. Working memory grows with the number of images; results equal those of
   * `detect`. For images of different sizes use `detectAll`.
   * @throws PanppError `argument` for an empty batch or images of different sizes; otherwise as
   * `detect`
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
   * Finds the text regions of a stream of images, overlapping them where possible. Results come in
   * the order of the images. At most `concurrency` images are taken before their results are
   * consumed. Leaving the loop also closes the images' iterator.
   *
   *     for await (const { index, regions } of model.detectAll(frames)) …
   *
   * A source may reuse one pixel buffer for all images: pixels are copied when an image is taken
   * (except if `images` is an array or `concurrency` is 1). The `image` of a result is the source's
   * own object, not the copy.
   *
   * Images may be promises. Then decoding overlaps with detection, and `onError` is also called for
   * a file that can't be decoded:
   *
   *     function* pictures() {
   *       for (const file of files) yield readFile(file).then((bytes) => decodeImage(bytes, file));
   *     }
   *     for await (const { index, regions } of model.detectAll(pictures(), { onError })) …
   *
   * @throws PanppError as `detect`, for the first image that fails; with `onError`, that is called
   * instead
   */
  async *detectAll<S extends ImageSource>(
    images: ImageStream<S>,
    options: DetectOptions & StreamOptions = {},
  ): AsyncGenerator<Streamed<Detection, S>, void, undefined> {
    checkOptions('detectAll', options, [...detectNames, ...streamNames]);
    const { concurrency: _, onError: __, ...settings } = options;
    // Wrong settings affect all images, so they throw here and don't go to `onError`.
    this.#settings(settings);
    yield* streamed(images, (image) => this.detect(image, settings), options, ownPixels);
  }

  /**
   * Finds the text regions of an image and reads them.
   * @throws PanppError `weights` if the model has no recognition head; otherwise as `detect`
   */
  async spot(image: ImageSource, options: SpotOptions = {}): Promise<Spotting> {
    checkOptions('spot', options, spotNames);
    const head = this.#head();
    const decoding = decodingOf(options);
    const correction = correctionOf(options);
    const { config, settings } = this.#settings(options);
    const weights = this.#weights;
    const setup = { config, weights, head, decoding };
    const reading = { ...options, ...correction };
    return this.#inTurn([image], options.signal, (pixels, next) =>
      this.#run(pixels, config, settings, next, {
        inTiles: (tiling) => this.#tiled.spot(pixels[0], tiling, setup, settings, reading),
        passes: this.#spottings,
        key: [settings.scale, decoding.beam],
        create: ([input]) => SpottingPass.create(this.gpu, setup, input),
        work: async (pass, [input]) => {
          const { regions, rois, timings } = await pass.detect(input, settings);
          const read = await this.#regionReader.read(
            rois,
            { image: pixels[0], size: input.size, setup, options },
            (each) => pass.read(each),
          );
          return {
            regions: spottedRegions(regions, read.words, reading),
            timings: { ...timings, ...read.timings },
          };
        },
      }),
    );
  }

  /** Like `detectAll`, but also reads the regions, as `spot` does. */
  async *spotAll<S extends ImageSource>(
    images: ImageStream<S>,
    options: SpotOptions & StreamOptions = {},
  ): AsyncGenerator<Streamed<Spotting, S>, void, undefined> {
    checkOptions('spotAll', options, [...spotNames, ...streamNames]);
    const { concurrency: _, onError: __, ...settings } = options;
    this.#head();
    decodingOf(settings);
    this.#settings(settings);
    // Prepares the lexicon once for all images.
    const own = { ...settings, ...correctionOf(settings) };
    yield* streamed(images, (image) => this.spot(image, own), options, ownPixels);
  }

  /**
   * Reads the text in given regions of an image: polygons or boxes in image pixels.
   * @throws PanppError `weights` if the model has no recognition head; `argument` for a region that
   * is invalid, outside the image, or too large for a tile of an image in tiles
   */
  async recognize(
    image: ImageSource,
    regions: readonly (Polygon | Box)[],
    options: RecognizeOptions = {},
  ): Promise<Recognition> {
    checkOptions('recognize', options, [...readNames, ...sizeNames, 'tileSide', 'signal']);
    if (!Array.isArray(regions))
      throw new PanppError(
        'argument',
        'the regions to recognize are not an array; give an array of polygons or boxes',
      );
    const head = this.#head();
    const decoding = decodingOf(options);
    const { config } = this;
    const setup = { config, weights: this.#weights, head, decoding };
    const settings = { ...config.detection, ...withoutUndefined(options) };
    if (settings.tileSide !== undefined) checkTileSide(settings.tileSide);
    return this.#inTurn([image], options.signal, (pixels, next) =>
      this.#run(pixels, config, settings, next, {
        inTiles: (tiling) => this.#tiled.recognize(pixels[0], tiling, setup, regions, options),
        passes: this.#recognitions,
        key: [decoding.beam],
        create: ([input]) => RecognitionPass.create(this.gpu, setup, input),
        work: async (pass, [{ upload, size, original }]) => {
          const rois = roisOfShapes(regions, { size, original });
          const { words, timings } = await this.#regionReader.read(
            { rois, maskScale: 1 },
            { image: pixels[0], size, setup, options },
            (each) => pass.read(upload, each),
          );
          return { words: words.map((word) => readingOf(word, options)), timings };
        },
      }),
    );
  }

  /**
   * Runs the network on an image and returns the requested feature maps, as float32 tensors
   * [channels, height, width] at 1/4 to 1/32 of the resized image. The image is processed whole:
   * near a tile's edges, inner maps differ from those of the whole image.
   * @throws PanppError `argument` for an unknown map name, or if maps don't fit the GPU; `image` if
   * the resized image has more than 2²⁴ pixels (4096 × 4096). Both say to use a smaller short side
   */
  async forward(image: ImageSource, options: ForwardOptions): Promise<Map<string, OutputTensor>> {
    checkOptions('forward', options, ['outputs', ...sizeNames, 'signal']);
    const { outputs, signal } = options;
    if (!Array.isArray(outputs))
      throw new PanppError('argument', 'outputs is not an array; give an array of map names');
    return this.#inTurn([image], signal, async ([pixels]) => {
      const { upload, size } = prepareInput(pixels, this.#sizes(options));
      return forwardMaps(this.gpu, this.config, this.#weights, upload, size, outputs);
    });
  }

  /** How maps and weights are stored. */
  get precision(): Precision {
    return this.#weights.precision;
  }

  /** GPU memory in bytes: of the weights, and of the cached programs. */
  get memory(): { weights: number; programs: number } {
    return {
      weights: this.#weights.bytes + (this.#recognition?.bytes ?? 0),
      programs: this.#passes.bytes + this.#regionReader.bytes,
    };
  }

  /**
   * Frees the model's GPU memory once all running calls have finished; the `Gpu` stays open. Safe
   * to call twice.
   */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#turns.whenIdle(() => {
      this.#passes.dispose();
      this.#regionReader.dispose();
      this.#weights.dispose();
      this.#recognition?.dispose();
    });
  }

  // Settings of a call, and the configuration with the call's scale, on which the network's plan
  // depends.
  #settings(options: DetectOptions): {
    settings: DetectionSettings & DetectOptions;
    config: ModelConfig;
  } {
    const settings = { ...this.config.detection, ...withoutUndefined(options) };
    checkRegionSettings(settings);
    if (![1, 2, 4].includes(settings.scale))
      throw new PanppError('argument', `scale is ${settings.scale}; it must be 1, 2 or 4`);
    checkAggregationSettings(aggregationSettings(settings));
    checkResizeSettings(settings);
    if (settings.tileSide !== undefined) checkTileSide(settings.tileSide);
    return {
      settings,
      config: { ...this.config, detection: { ...this.config.detection, scale: settings.scale } },
    };
  }

  /** A call's size settings; those that it doesn't set are the model's own. */
  #sizes({ shortSide, maxSide }: Partial<ResizeSettings>): ResizeSettings {
    const own = this.config.detection;
    return { shortSide: shortSide ?? own.shortSide, maxSide: maxSide ?? own.maxSide };
  }

  #head(): RecognitionHead {
    const { vocabulary } = recognitionOf(this.config, 'this model');
    return { weights: this.#recognition!, vocabulary };
  }

  async #detectTogether(
    images: readonly ImageSource[],
    options: DetectOptions,
  ): Promise<BatchDetection> {
    const { config, settings } = this.#settings(options);
    const count = images.length;
    return this.#inTurn(images, options.signal, (pixels, next) =>
      this.#run(pixels, config, settings, next, {
        inTiles: (tiling) => this.#tiled.detect(pixels, tiling, config, settings),
        passes: this.#detections,
        key: [settings.scale, count],
        create: ([{ upload, size }]) =>
          DetectionPass.create(this.gpu, config, this.#weights, upload, size, count),
        work: async (pass, inputs, next) => {
          const { detected, timings } = await detectRegions(pass, inputs, settings, next);
          return { regions: detected.map(({ regions }) => regions), timings };
        },
      }),
    );
  }

  // Processes images of one size: in tiles, or in a pass, which it finds or creates.
  async #run<P extends Pass, R extends { timings: object }, T>(
    images: readonly PixelSource[],
    config: ModelConfig,
    settings: DetectionSettings & Pick<DetectOptions, 'tileSide' | 'signal'>,
    next: () => void,
    { inTiles, passes, key, create, work }: Task<P, R, T>,
  ) {
    assertOneSize(images);
    const tiling = this.#tiled.tilingOf(images[0], config, settings);
    if (tiling.tiles.length > 1) return inTiles(tiling);
    const start = performance.now();
    const [{ width, height }] = images;
    const inputs = images.map((image) => prepareInput(image, settings));
    assertOneKind(inputs);
    const uploaded = performance.now();
    const { upload, size } = inputs[0];
    const kept = await passes.find([...key, ...sourceKey(upload, size)].join(), () =>
      create(inputs),
    );
    // Programs take seconds to compile; meanwhile the owner of an aborted call's texture may have
    // destroyed it.
    settings.signal?.throwIfAborted();
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
  }

  // Runs calls in order; a failed call does not block the next one.
  #inTurn<T>(
    sources: readonly ImageSource[],
    signal: AbortSignal | undefined,
    work: (images: PixelSource[], next: () => void) => Promise<T>,
  ): Promise<T> {
    signal?.throwIfAborted();
    this.#assertUsable();
    // Read now: a canvas or video may show something else when the call's turn comes.
    const pixels = sources.map((source) => pixelsFrom(source, this.gpu));
    for (const each of pixels) each.catch(() => {}); // reported in the call's turn
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

/** @throws PanppError `argument` if the images of a batch have different sizes */
function assertOneSize(images: readonly PixelSource[]): void {
  assertAlike(
    images.map(({ width, height }) => `has ${width} × ${height} pixels`),
    'use detectAll for images of different sizes',
  );
}

/** @throws PanppError `argument` if the images of a batch can't share one pass */
function assertOneKind(inputs: readonly ImageInput[]): void {
  assertAlike(
    inputs.map(({ upload: { pixels, channels } }) =>
      pixels instanceof Uint8Array ? `is bytes with ${channels} channels` : 'is a texture',
    ),
    'give all in one form',
  );
}

function assertAlike(descriptions: readonly string[], todo: string): void {
  const [first] = descriptions;
  const index = descriptions.findIndex((other) => other !== first);
  if (index < 0) return;
  throw new PanppError(
    'argument',
    `image ${index} of the batch ${descriptions[index]} and image 0 ${first}; ${todo}`,
  );
}

/**
 * Copies the pixels of an image so that its owner may change them. Browser sources such as a canvas
 * need no copy: they are read at once.
 */
function ownPixels(image: ImageSource): ImageSource {
  // An invalid image is reported later, when it is processed.
  if (typeof image !== 'object' || image === null || !('data' in image) || !isBytes(image.data))
    return image;
  const { width, height, data } = image;
  const channels = 'channels' in image ? image.channels : 4;
  // Not `slice`, which of a Node Buffer copies nothing.
  return { width, height, channels, data: new Uint8Array(data) };
}
