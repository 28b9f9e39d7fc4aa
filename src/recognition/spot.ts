// Reading text in images: detection with recognition behind it, and recognition alone on given regions.
import { PanppError } from '../errors.js';
import { type ImageInput, detectRegions } from '../detection/detect.js';
import { DetectionPass, inputsOf, planDetection, writeUploads } from '../detection/pass.js';
import type { MapSettings } from '../detection/regions-from-map.js';
import type { Gpu } from '../gpu/context.js';
import { Program } from '../gpu/program.js';
import { type ResizePlan, planResize } from '../layers/resize.js';
import type { ModelConfig } from '../network/config.js';
import { fusedLevels, kernelsUpTo, planNetwork } from '../network/plan.js';
import type { NetworkWeights } from '../network/weights.js';
import type { Box, Point, Polygon } from '../shapes/geometry.js';
import type { Region } from '../shapes/regions.js';
import { type CorrectionSettings, Lexicon, checkCorrection, correctWord } from './lexicon.js';
import { type DecodingPlan, greedy, maxBeam } from './plan.js';
import { Reader, planReader } from './reader.js';
import { type Roi, pointOfPosition, roiOfLabel, roiOfShape } from './roi.js';
import type { RecognitionWeights } from './weights.js';
import type { Word } from './words.js';

/** How words are read. */
export interface ReadOptions {
  /** Hypotheses that the search keeps: 1 … 32; 1, the default, is greedy decoding. */
  readonly beam?: number;
  /** Give each word's characters with their probabilities and where the decoder looked. */
  readonly characters?: boolean;
}

/** One character of a text. */
export interface TextCharacter {
  /** An entry of the model's vocabulary. */
  readonly character: string;
  /** Softmax of the decoder's logits, 0 … 1. */
  readonly probability: number;
  /** Where the decoder's attention was largest, in pixels of the image; one of the region's 8 × 32 positions. */
  readonly attention: Point;
}

/** What was read in a region. */
export interface TextReading {
  /** The word, after correction if one was asked for; empty if the decoder ended at once. */
  readonly text: string;
  /** Mean probability of the characters as they were read, 0 … 1. */
  readonly textScore: number;
  /** As they were read, before any correction; only if asked for. */
  readonly characters?: readonly TextCharacter[];
}

/** How words are corrected; without any of this they stay as they were read. */
export interface CorrectionOptions {
  /** Words to choose from. */
  readonly lexicon?: Lexicon | readonly string[];
  /** Thresholds of the rule, the authors' where left out; the rule applies if these or a lexicon are given. */
  readonly correction?: Partial<CorrectionSettings>;
}

/** A region with its text. */
export interface SpottedRegion extends Region, TextReading {}

/** A model's recognition head. */
export interface RecognitionHead {
  readonly weights: RecognitionWeights;
  readonly vocabulary: readonly string[];
}

/** @throws PanppError `argument` for a beam out of range */
export function decodingOf({ beam = 1 }: ReadOptions): DecodingPlan {
  if (!Number.isInteger(beam) || beam < 1 || beam > maxBeam) {
    throw new PanppError('argument', `beam is ${beam}; it must be a whole number from 1 to ${maxBeam}`);
  }
  return { ...greedy, beam };
}

/** What to correct by, checked. @throws PanppError `argument` for a lexicon or thresholds that are none */
export function correctionOf({ lexicon, correction }: CorrectionOptions): { lexicon: Lexicon | undefined; correction: Partial<CorrectionSettings> | undefined } {
  if (correction !== undefined) checkCorrection(correction);
  return { lexicon: lexicon === undefined || lexicon instanceof Lexicon ? lexicon : new Lexicon(lexicon), correction };
}

/** Detection and recognition of one image, for one size of source and of network input. */
export class SpottingPass {
  readonly #detection: DetectionPass;
  readonly #reader: Reader;

  private constructor(detection: DetectionPass, reader: Reader) {
    this.#detection = detection;
    this.#reader = reader;
  }

  static async create(
    gpu: Gpu,
    config: ModelConfig,
    weights: NetworkWeights,
    head: RecognitionHead,
    { upload, size }: ImageInput,
    decoding: DecodingPlan,
  ): Promise<SpottingPass> {
    const detection = planDetection(config, weights, upload, size, gpu.profile);
    const reading = planReader(detection.network, weights, head.weights, size, decoding);
    const stages = [...detection.stages, ...reading.stages];
    const program = await Program.create(gpu, stages, [...detection.pinned, ...reading.pinned], reading.kept);
    const reader = new Reader(gpu, reading.recognition, program, head.vocabulary);
    return new SpottingPass(new DetectionPass(gpu, detection, program), reader);
  }

  get memory(): { bytes: number; liveBytes: number } {
    return this.#detection.memory;
  }

  /** Finds the regions of an image and reads them; those that the correction drops are left out. */
  async spot(
    input: ImageInput,
    settings: MapSettings,
    options: ReadOptions & ReturnType<typeof correctionOf>,
  ): Promise<{ regions: SpottedRegion[]; timings: Record<string, number> & { regions: number; reading: number } }> {
    const { detected, timings } = await detectRegions(this.#detection, [input], settings);
    const [{ regions, labels }] = detected;
    const start = performance.now();
    const { width, height } = this.#detection.mapSize;
    const maskScale = input.size.height / height;
    const rois = regions.map(({ label, mapBox }) => roiOfLabel({ labels, width, scale: maskScale }, label, mapBox, input.size));
    const { words, gpuTimings } = await this.#reader.read({ rois, maskScale }, ['features']);
    const spotted = regions.map((region, index) => ({ ...region, ...readingOf(words[index], rois[index], input, options) }));
    return {
      regions: correctAll(spotted, options),
      timings: { ...timings, ...gpuTimings, reading: performance.now() - start },
    };
  }

  dispose(): void {
    this.#reader.dispose();
    this.#detection.dispose();
  }
}

/** Recognition of given regions of one image, for one size of source and of network input. */
export class RecognitionPass {
  readonly #gpu: Gpu;
  readonly #resize: ResizePlan;
  readonly #program: Program;
  readonly #reader: Reader;

  private constructor(gpu: Gpu, resize: ResizePlan, program: Program, reader: Reader) {
    this.#gpu = gpu;
    this.#resize = resize;
    this.#program = program;
    this.#reader = reader;
  }

  static async create(
    gpu: Gpu,
    config: ModelConfig,
    weights: NetworkWeights,
    head: RecognitionHead,
    { upload, size }: ImageInput,
    decoding: DecodingPlan,
  ): Promise<RecognitionPass> {
    const resize = planResize(upload, size.height, size.width);
    const network = planNetwork(config, weights, resize.output);
    const reading = planReader(network, weights, head.weights, size, decoding);
    const program = await Program.create(
      gpu,
      [
        { name: 'preprocess', kernels: resize.kernels },
        { name: 'network', kernels: kernelsUpTo(network, fusedLevels(network)) },
        ...reading.stages,
      ],
      [...inputsOf(resize), ...reading.pinned],
      reading.kept,
    );
    return new RecognitionPass(gpu, resize, program, new Reader(gpu, reading.recognition, program, head.vocabulary));
  }

  get memory(): { bytes: number; liveBytes: number } {
    return this.#program;
  }

  /** Reads regions of an image, in their order. @throws PanppError `argument` for a region that is none */
  async recognize(
    input: ImageInput,
    shapes: readonly (Polygon | Box)[],
    options: ReadOptions,
  ): Promise<{ words: TextReading[]; timings: Record<string, number> & { reading: number } }> {
    const rois = shapes.map((shape, index) => roiOfShape(shape, `region ${index}`, input.size, input.original));
    const start = performance.now();
    writeUploads(this.#gpu.device.queue, this.#program, this.#resize, [input.upload]);
    const { words, gpuTimings } = await this.#reader.read({ rois, maskScale: 1 }, ['preprocess', 'network', 'features']);
    return {
      words: words.map((word, index) => readingOf(word, rois[index], input, options)),
      timings: { ...gpuTimings, reading: performance.now() - start },
    };
  }

  dispose(): void {
    this.#reader.dispose();
    this.#program.dispose();
  }
}

function readingOf({ text, score, characters }: Word, roi: Roi, { size, original }: ImageInput, options: ReadOptions): TextReading {
  if (!options.characters) return { text, textScore: score };
  const located = characters.map(({ character, probability, position }) => ({
    character,
    probability,
    attention: pointOfPosition(roi, position, size, original),
  }));
  return { text, textScore: score, characters: located };
}

function correctAll<T extends TextReading>(readings: readonly T[], { lexicon, correction }: ReturnType<typeof correctionOf>): T[] {
  if (!lexicon && !correction) return [...readings];
  return readings.flatMap((reading) => {
    const text = correctWord(reading.text, reading.textScore, lexicon, correction);
    return text === undefined ? [] : [{ ...reading, text }];
  });
}
