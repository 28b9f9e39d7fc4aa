// A text detector or spotter: weights on the GPU, and the programs for the image sizes it has met.
import { type AggregationMode, checkAggregationSettings } from '../aggregation/input.js';
import { type ImageSource, pixelsFrom } from '../browser/image-source.js';
import { PanppError } from '../errors.js';
import type { Gpu } from '../gpu/context.js';
import { TexturePixels } from '../gpu/texture-pixels.js';
import { isBytes } from '../images/image.js';
import type { PixelSource } from '../images/upload.js';
import type { Precision, PrecisionChoice } from '../layers/precision.js';
import type { DetectionSettings, ModelConfig } from '../network/config.js';
import { type NetworkWeights, uploadWeights } from '../network/weights.js';
import { readWeights } from '../network/weights-file.js';
import { checkOptions, withoutUndefined } from '../options.js';
import {
  type CorrectionOptions,
  type ReadOptions,
  type RecognitionHead,
  RecognitionPass,
  type SpottedRegion,
  SpottingPass,
  type TextReading,
  correctionOf,
  decodingOf,
} from '../recognition/spot.js';
import { type RecognitionWeights, uploadRecognition } from '../recognition/weights.js';
import { type Tuning, type TuningState, asTuning, tunedChoices, tuningState } from '../tuning/tuning.js';
import type { Box, Polygon } from '../shapes/geometry.js';
import type { Region } from '../shapes/regions.js';
import { checkRegionSettings } from '../shapes/settings.js';
import { type ImageInput, detectRegions, prepareInput } from './detect.js';
import { type OutputTensor, forwardMaps } from './forward.js';
import { DetectionPass } from './pass.js';
import { aggregationSettings, mapSettingNames } from './regions-from-map.js';
import { type StreamOptions, type Streamed, streamed } from './stream.js';
import { Turns } from './turns.js';

/** What every call takes. */
export interface CallOptions {
  /** Rejects the call with the signal's reason, at once; what the GPU has begun is finished in the background. */
  readonly signal?: AbortSignal;
}

/** Settings of one call; what is left out is the model's own (`model.config.detection`). */
export interface DetectOptions extends Partial<DetectionSettings>, CallOptions {
  /** Which kernels check instance vectors while growing; `reference` unless given. */
  readonly mode?: AggregationMode;
  /** Farthest that a checked pixel's instance vector may lie from its kernel's mean; 3 unless given. */
  readonly distance?: number;
}

/** Milliseconds. The GPU's own clock for its stages; those are left out on adapters without timestamps. */
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
   * From the image's pixels to the result, wall clock. Decoding and waiting for the call's turn are not counted; where calls overlap,
   * what the GPU still does for the call before is.
   */
  readonly total: number;
}

/** What `detect` finds. */
export interface Detection {
  /** By ascending label, which is the raster order of their kernels. Polygons in pixels of the image. */
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
   * Names of maps: `backbone.c2` … `c5`, `reduce.f1` … `f4`, `fpem1.f1` …, `ffm.f1` … (what the head sees), `det` (text logit, kernel logit,
   * instance vector).
   */
  readonly outputs: readonly string[];
  /** The image's shorter side while the network looks at it; the model's own unless given. */
  readonly shortSide?: number;
}

/** A program for one size of image, ready to run. */
interface Pass {
  readonly memory: { readonly bytes: number };
  dispose(): void;
}

interface KeptPass {
  readonly pass: Pass;
  /** Settles when the calls that use it have. */
  used: Promise<unknown>;
}

// The options that calls know.
const detectNames = ['shortSide', ...mapSettingNames, 'signal'];
const readNames = ['beam', 'characters'];
const spotNames = [...detectNames, ...readNames, 'lexicon', 'correction'];
const streamNames = ['concurrency', 'onError'];

/** Programs kept for image sizes met before; each holds the network's working memory. */
const keptPasses = 2;

/** A network with its weights on a GPU, made by `loadModel`. It keeps programs for the sizes of image met last. */
export class Model {
  /** Where it runs. */
  readonly gpu: Gpu;
  /** What the weights file says: architecture, default settings, and the vocabulary of a model that reads. */
  readonly config: ModelConfig;
  /** Whether the tuning that it was loaded with is used, and if not, why. */
  readonly tuning: TuningState;
  readonly #weights: NetworkWeights;
  readonly #recognition: RecognitionWeights | undefined;
  // By task and size, in the order of their last use.
  readonly #passes = new Map<string, KeptPass>();
  readonly #turns = new Turns();
  #disposed = false;

  /** @param recognition belongs to a config with recognition */
  constructor(gpu: Gpu, config: ModelConfig, weights: NetworkWeights, recognition?: RecognitionWeights, tuning: TuningState = 'none') {
    this.gpu = gpu;
    this.tuning = tuning;
    this.config = config;
    this.#weights = weights;
    this.#recognition = recognition;
  }

  /**
   * Finds the text regions of an image. Calls may overlap: they are worked off in order, and while the GPU works on one image, the next
   * is uploaded and the last one's regions are shaped.
   * @throws PanppError `argument` or `image` for settings or sizes out of range, `device-lost`, `disposed`
   */
  async detect(image: ImageSource, options: DetectOptions = {}): Promise<Detection> {
    checkOptions('detect', options, detectNames);
    const { regions, ...rest } = await this.#detectTogether([image], options);
    return { regions: regions[0], ...rest };
  }

  /**
   * Finds the text regions of several images of one size at once: each layer sees all of them, so that small images fill a large GPU. Takes as many
   * times the working memory; results are those of `detect`. For images of any size there is `detectAll`.
   * @throws PanppError `argument` for no image, or images of different sizes; else as `detect`
   */
  async detectBatch(images: readonly ImageSource[], options: DetectOptions = {}): Promise<BatchDetection> {
    if (!Array.isArray(images) || images.length === 0) throw new PanppError('argument', 'a batch is an array of one image at least');
    checkOptions('detectBatch', options, detectNames);
    return this.#detectTogether(images, options);
  }

  /**
   * Finds the text of image after image, overlapped as far as it goes; results come in the images' order. No image is asked for while
   * `concurrency` are under way or the results are not fetched. Leaving the loop ends the images' iterator too.
   *
   *     for await (const { index, regions } of model.detectAll(frames)) …
   *
   * A source may use one array for all its images, for their pixels are copied as they are taken (but not where `images` is an array, or
   * `concurrency` is 1). The `image` that comes with a result is the source's own.
   *
   * @throws PanppError as `detect`, for the first image that fails (unless `onError` is given)
   */
  async *detectAll<S extends ImageSource>(
    images: AsyncIterable<S> | Iterable<S>,
    options: DetectOptions & StreamOptions = {},
  ): AsyncGenerator<Streamed<Detection, S>, void, undefined> {
    checkOptions('detectAll', options, [...detectNames, ...streamNames]);
    const { concurrency, onError, ...settings } = options;
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
    return this.#look([image], settings.shortSide, options.signal, `spot ${settings.scale} ${decoding.beam}`, {
      create: ([input]) => SpottingPass.create(this.gpu, config, this.#weights, head, input, decoding),
      work: (pass, [input]) => pass.spot(input, settings, { ...options, ...correction }),
    });
  }

  /** As `detectAll`, with `spot`. */
  async *spotAll<S extends ImageSource>(
    images: AsyncIterable<S> | Iterable<S>,
    options: SpotOptions & StreamOptions = {},
  ): AsyncGenerator<Streamed<Spotting, S>, void, undefined> {
    checkOptions('spotAll', options, [...spotNames, ...streamNames]);
    const { concurrency, onError, ...settings } = options;
    this.#head();
    decodingOf(settings);
    this.#settings(settings);
    // A lexicon is made ready once.
    const own = { ...settings, ...correctionOf(settings) };
    yield* streamed(images, (image) => this.spot(image, own), options, ownPixels);
  }

  /**
   * Reads given regions of an image: polygons or boxes in its pixels.
   * @throws PanppError `weights` if the model only detects, `argument` for a region that is none or lies outside of the image
   */
  async recognize(image: ImageSource, regions: readonly (Polygon | Box)[], options: RecognizeOptions = {}): Promise<Recognition> {
    checkOptions('recognize', options, [...readNames, 'shortSide', 'signal']);
    if (!Array.isArray(regions)) throw new PanppError('argument', 'the regions to recognize are no array; give polygons or boxes');
    const head = this.#head();
    const decoding = decodingOf(options);
    return this.#look([image], options.shortSide ?? this.config.detection.shortSide, options.signal, `recognize ${decoding.beam}`, {
      create: ([input]) => RecognitionPass.create(this.gpu, this.config, this.#weights, head, input, decoding),
      work: (pass, [input]) => pass.recognize(input, regions, options),
    });
  }

  /**
   * Runs the network on an image and returns maps of it, as float32 tensors [channels, height, width] at 1/4 to 1/32 of the resized image.
   * @throws PanppError `argument` for a name that the network does not have
   */
  async forward(image: ImageSource, options: ForwardOptions): Promise<Map<string, OutputTensor>> {
    checkOptions('forward', options, ['outputs', 'shortSide', 'signal']);
    const { outputs, shortSide = this.config.detection.shortSide, signal } = options;
    if (!Array.isArray(outputs)) throw new PanppError('argument', 'outputs is no array; give the names of maps');
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
      programs: [...this.#passes.values()].reduce((sum, { pass }) => sum + pass.memory.bytes, 0),
    };
  }

  /** Frees the model's GPU memory as soon as the image that it works on is done; the Gpu stays open. Safe to call twice. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#turns.whenIdle(() => {
      for (const { pass } of this.#passes.values()) pass.dispose();
      this.#passes.clear();
      this.#weights.dispose();
      this.#recognition?.dispose();
    });
  }

  // The settings of a call, and the configuration with the call's scale, which the network's plan depends on.
  #settings(options: DetectOptions): { settings: DetectionSettings & DetectOptions; config: ModelConfig } {
    const settings = { ...this.config.detection, ...withoutUndefined(options) };
    checkRegionSettings(settings);
    if (![1, 2, 4].includes(settings.scale)) throw new PanppError('argument', `scale is ${settings.scale}; it must be 1, 2 or 4`);
    checkAggregationSettings(aggregationSettings(settings));
    return { settings, config: { ...this.config, detection: { ...this.config.detection, scale: settings.scale } } };
  }

  #head(): RecognitionHead {
    const { recognition } = this.config;
    if (!this.#recognition || !recognition) {
      throw new PanppError('weights', 'this model only detects text, its weights have no recognition head; convert a checkpoint that reads, or use detect');
    }
    return { weights: this.#recognition, vocabulary: recognition.vocabulary };
  }

  async #detectTogether(images: readonly ImageSource[], options: DetectOptions): Promise<BatchDetection> {
    const { config, settings } = this.#settings(options);
    const count = images.length;
    return this.#look(images, settings.shortSide, options.signal, `detect ${settings.scale} x${count}`, {
      create: ([{ upload, size }]) => DetectionPass.create(this.gpu, config, this.#weights, upload, size, count),
      work: async (pass, inputs, next) => {
        const { detected, timings } = await detectRegions(pass, inputs, settings, next);
        return { regions: detected.map(({ regions }) => regions), timings };
      },
    });
  }

  // Prepares images of one size, finds or makes the pass for them, and works on them in turn. `work` may call `next` once the GPU has all.
  #look<P extends Pass, R extends { timings: object }>(
    sources: readonly ImageSource[],
    shortSide: number,
    signal: AbortSignal | undefined,
    task: string,
    steps: { create: (inputs: readonly ImageInput[]) => Promise<P>; work: (pass: P, inputs: readonly ImageInput[], next: () => void) => Promise<R> },
  ) {
    return this.#inTurn(sources, signal, async (images, next) => {
      const start = performance.now();
      const [{ width, height }] = images;
      const inputs = images.map((image) => prepareInput(image, shortSide));
      assertAlike(inputs);
      const uploaded = performance.now();
      const { upload, size } = inputs[0];
      const kept = await this.#passFor([task, upload.rows, upload.columns, upload.channels, size.height, size.width].join(), () => steps.create(inputs));
      const ready = performance.now();
      const work = steps.work(kept.pass as P, inputs, next);
      kept.used = Promise.allSettled([kept.used, work]);
      const result = await work;
      const timings = { upload: uploaded - start, setup: ready - uploaded, ...result.timings, total: performance.now() - start };
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
        for (const each of pixels) void each.then((image) => image instanceof TexturePixels && image.dispose()).catch(() => {});
      }
    }, signal);
  }

  #assertUsable(): void {
    if (this.#disposed) throw new PanppError('disposed', 'this model was disposed of; load it again');
    this.gpu.assertUsable();
  }

  // A key names the task too, so that a pass found is of the type that `create` makes.
  async #passFor(key: string, create: () => Promise<Pass>): Promise<KeptPass> {
    const known = this.#passes.get(key);
    if (known) {
      this.#passes.delete(key);
      this.#passes.set(key, known);
      return known;
    }
    // Made room for before the new one takes its memory.
    while (this.#passes.size >= keptPasses) {
      const [oldest, { pass, used }] = this.#passes.entries().next().value!;
      await used;
      pass.dispose();
      this.#passes.delete(oldest);
    }
    const kept: KeptPass = { pass: await create(), used: Promise.resolve() };
    this.#passes.set(key, kept);
    return kept;
  }
}

/** How a model is loaded. */
export interface LoadOptions {
  /** Named in errors, for example the file's name. */
  readonly source?: string;
  /**
   * How maps and weights are stored: `f32`, unless given; `f16`, half the traffic and less memory, where the device has `shader-f16`; `auto`, f16
   * on hardware that has it, else f32. Sums are float32 either way, and so is reading.
   */
  readonly precision?: PrecisionChoice;
  /** What `tune` found out on this adapter. One of another adapter or of another version is not used: `model.tuning` says so. */
  readonly tuning?: Tuning;
}

/**
 * Puts a converted model on the GPU.
 * @param weights the bytes of a file that `panpp convert` made
 * @throws PanppError `checkpoint` or `weights` if the bytes are not such a file; `adapter` if the device has no f16 that was asked for, or
 *   no memory for the weights; `argument` for a tuning that is none
 */
export async function loadModel(gpu: Gpu, weights: Uint8Array | ArrayBuffer, options: LoadOptions = {}): Promise<Model> {
  checkOptions('loadModel', options, ['source', 'precision', 'tuning']);
  const { source, precision, tuning } = options;
  gpu.assertUsable();
  const tuned = tuning && asTuning(tuning);
  const state = tuningState(tuned, gpu.profile);
  const { config, tensors } = readWeights(weights instanceof Uint8Array ? weights : new Uint8Array(weights), source);
  const network = uploadWeights(gpu, tensors, config, precision, state === 'used' ? tunedChoices(tuned!, gpu.profile) : undefined, source);
  await network.ready;
  return new Model(gpu, config, network, uploadRecognition(gpu, tensors, config), state);
}

/** @throws PanppError `argument` if the images of a batch can't go through one pass */
function assertAlike(inputs: readonly ImageInput[]): void {
  const [{ original, upload }] = inputs;
  const kind = ({ pixels, channels }: ImageInput['upload']) => (pixels instanceof Uint8Array ? `bytes with ${channels} channels` : 'a texture');
  inputs.forEach((other, index) => {
    const refuse = (its: string, first: string, todo: string): never => {
      throw new PanppError('argument', `image ${index} of the batch ${its} and image 0 ${first}; ${todo}`);
    };
    const size = ({ width, height }: ImageInput['original']) => `has ${width} × ${height} pixels`;
    if (size(other.original) !== size(original)) refuse(size(other.original), size(original), 'use detectAll for images of different sizes');
    if (kind(other.upload) !== kind(upload)) refuse(`is ${kind(other.upload)}`, `is ${kind(upload)}`, 'give all in one form');
  });
}

/** An image whose pixels nobody else changes. What a browser draws is taken from its source at once anyway. */
function ownPixels(image: ImageSource): ImageSource {
  // What is no image is told when it is looked at.
  if (typeof image !== 'object' || image === null || !('data' in image) || !isBytes(image.data)) return image;
  const { width, height, data } = image;
  return { width, height, channels: 'channels' in image ? image.channels : 4, data: data.slice() };
}
