// Runs the recognition head: plans its stages for a program and runs them for any number of
// regions.
import type { Gpu } from '../gpu/context.js';
import type { Dispatch, Slot } from '../gpu/dispatch.js';
import { Program, type Stage } from '../gpu/program.js';
import { Readback, sliceOf } from '../gpu/readback.js';
import { Timeline } from '../gpu/timeline.js';
import type { FeatureMap } from '../layers/feature-map.js';
import {
  type NetworkPlan,
  dispatchesUpTo,
  fusedLevels,
  planNetwork,
  planRecognitionFeatures,
} from '../network/plan.js';
import type { PlannedWeights } from '../network/weights.js';
import {
  type DecodingPlan,
  type RecognitionPlan,
  planRecognition,
  regionsAtOnce,
  settingsLayout,
  wordFields,
} from './plan.js';
import type { ReadingSetup } from './reading.js';
import { type Rois, inRuns, packMasks, packRegions } from './roi.js';
import type { RecognitionWeights } from './weights.js';
import { type Word, readWords } from './words.js';
import type { Size } from '../images/size.js';

/**
 * The recognition head's stages, which run after the network's: `features`, the head's
 * convolution, and `recognition`, once per batch of regions.
 */
export interface ReaderPlan {
  readonly recognition: RecognitionPlan;
  readonly stages: readonly Stage[];
  /** What the program must pin and keep; see `Program.create`. */
  readonly pinned: readonly Slot[];
  readonly kept: readonly Slot[];
}

/** Plans the recognition head of a network for one image size. */
export function planReader(
  network: NetworkPlan,
  weights: PlannedWeights,
  recognitionWeights: Pick<RecognitionWeights, 'encoder' | 'decoder' | 'classes'>,
  image: Size,
  decoding: DecodingPlan,
): ReaderPlan {
  const features = planRecognitionFeatures(network, weights);
  const capacity = regionsAtOnce(image, recognitionWeights.classes, decoding, weights.precision);
  const recognition = planRecognition(
    features.output,
    image,
    recognitionWeights,
    decoding,
    capacity,
  );
  return {
    recognition,
    stages: [
      { name: 'features', dispatches: features.dispatches },
      { name: 'recognition', dispatches: recognition.dispatches },
    ],
    pinned: [recognition.regions, recognition.masks, recognition.settings, recognition.words],
    kept: [features.output.slot],
  };
}

/** The network, up to the recognition head, on an input that other dispatches make. */
export interface ReadingInput {
  /** The input's stage and the network's. */
  readonly stages: readonly [input: string, network: string];
  readonly dispatches: readonly Dispatch[];
  /** What the host writes. */
  readonly written: readonly Slot[];
  readonly output: FeatureMap;
  /** What to do if memory does not suffice; default: `needLess`. */
  readonly todo?: string;
}

/** A program that reads words in its own input, and the reader that runs it. */
export async function createReader(
  gpu: Gpu,
  { config, weights, head, decoding }: ReadingSetup,
  { stages, dispatches, written, output, todo }: ReadingInput,
): Promise<{ program: Program; reader: Reader }> {
  const network = planNetwork(config, weights, output);
  const reading = planReader(network, weights, head.weights, output, decoding);
  const program = await Program.create(
    gpu,
    [
      { name: stages[0], dispatches },
      { name: stages[1], dispatches: dispatchesUpTo(network, fusedLevels(network)) },
      ...reading.stages,
    ],
    [...written, ...reading.pinned],
    reading.kept,
    todo,
  );
  const reader = new Reader(gpu, reading.recognition, program, head.vocabulary, stages);
  return { program, reader };
}

export class Reader {
  readonly #gpu: Gpu;
  readonly #plan: RecognitionPlan;
  readonly #program: Program;
  readonly #vocabulary: readonly string[];
  readonly #before: readonly string[];
  readonly #timeline: Timeline | undefined;
  /** Kept from the last reading. */
  #readback: Readback | undefined;

  /**
   * @param program has the stages of a `ReaderPlan`; the caller disposes of it
   * @param input its stages that make the features' input; none if they have run when `read` is
   * called
   */
  constructor(
    gpu: Gpu,
    plan: RecognitionPlan,
    program: Program,
    vocabulary: readonly string[],
    input: readonly string[] = [],
  ) {
    this.#gpu = gpu;
    this.#plan = plan;
    this.#program = program;
    this.#vocabulary = vocabulary;
    this.#before = [...input, 'features'];
    this.#timeline = Timeline.create(gpu);
  }

  /**
   * Reads regions: one submit for each batch that fits the plan, one wait for all. Without regions
   * nothing runs. Calls must not overlap. Where the last call's readback is large enough, the work is
   * submitted before the first wait.
   * @returns words in the order of the regions, and GPU timings in milliseconds
   */
  async read({
    rois,
    maskScale,
  }: Rois): Promise<{ words: Word[]; timings: Readonly<Record<string, number>> }> {
    if (rois.length === 0) return { words: [], timings: {} };
    const before = this.#before;
    const { capacity, maskWords, words } = this.#plan;
    const runs = [...inRuns(rois, capacity, maskWords)];
    // Runs past the timeline's capacity would be missing from the timings.
    const timeline =
      this.#timeline && before.length + runs.length <= this.#timeline.capacity
        ? this.#timeline
        : undefined;
    timeline?.reset();
    const wordBytes = rois.length * wordFields * 4;
    const bytes = wordBytes + 8 * runs.length + (timeline?.bytes ?? 0);
    const readback = this.#keptReadback(bytes) ?? (await Readback.create(this.#gpu, 2 * bytes));
    try {
      let timesOf: ReturnType<Timeline['copyTo']> | undefined;
      const ranges = runs.map((run, index) => {
        this.#writeRun(run, maskScale);
        const encoder = this.#gpu.device.createCommandEncoder();
        this.#program.encode(
          encoder,
          timeline,
          index === 0 ? [...before, 'recognition'] : ['recognition'],
        );
        const range = readback.copy(
          encoder,
          this.#program.bufferOf(words),
          run.length * wordFields * 4,
        );
        if (index === runs.length - 1) timesOf = timeline?.copyTo(readback, encoder);
        this.#gpu.device.queue.submit([encoder.finish()]);
        return range;
      });
      const result = await readback.read((bytes) => ({
        words: ranges.flatMap((range) => readWords(sliceOf(bytes, range), this.#vocabulary)),
        timings: timesOf?.(bytes) ?? {},
      }));
      this.#readback = readback;
      return result;
    } catch (error) {
      readback.dispose();
      throw error;
    }
  }

  /** The last one, if it is large enough. */
  #keptReadback(bytes: number): Readback | undefined {
    const last = this.#readback;
    this.#readback = undefined;
    if (last && last.capacity >= bytes) return last;
    last?.dispose();
    return undefined;
  }

  #writeRun(run: Rois['rois'], maskScale: number): void {
    const { queue } = this.#gpu.device;
    const { regions, masks, settings } = this.#plan;
    queue.writeBuffer(this.#program.bufferOf(regions), 0, packRegions(run));
    queue.writeBuffer(this.#program.bufferOf(masks), 0, packMasks(run));
    queue.writeBuffer(this.#program.bufferOf(settings), 0, packSettings(run.length, maskScale));
  }

  dispose(): void {
    this.#timeline?.dispose();
    this.#readback?.dispose();
  }
}

/** Packs a plan's `settings`: the number of regions and the scale of their masks. */
export function packSettings(count: number, maskScale: number): Uint8Array<ArrayBuffer> {
  return settingsLayout().pack({ count, maskScale });
}
