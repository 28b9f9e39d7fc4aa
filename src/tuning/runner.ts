// Runs the candidates of a tuning task on a device: checks their results and measures their time.
import { PanppError } from '../errors.js';
import type { Gpu } from '../gpu/context.js';
import { Program } from '../gpu/program.js';
import { Readback } from '../gpu/readback.js';
import { Timeline } from '../gpu/timeline.js';
import { readValues, valueBytes } from '../layers/precision.js';
import type { TuningTask } from './task.js';

/** Target duration of a measurement in milliseconds: far above the clock resolution (0.1 ms). */
const targetDuration = 5;
/** Maximum number of computations in one measurement. */
const maxRepeats = 1000;

/** Checks and measures candidates. `dispose` must be called; it also frees the task's buffers. */
export class CandidateRunner<T> {
  readonly #gpu: Gpu;
  readonly #task: TuningTask<T>;
  readonly #programs = new Map<T, Program>();
  readonly #timeline: Timeline | undefined;
  readonly #readback: Readback;
  #expected: Float32Array | undefined;
  #repeats = 1;

  private constructor(
    gpu: Gpu,
    task: TuningTask<T>,
    timeline: Timeline | undefined,
    readback: Readback,
  ) {
    this.#gpu = gpu;
    this.#task = task;
    this.#timeline = timeline;
    this.#readback = readback;
  }

  /** @throws PanppError `argument` if memory runs out */
  static async create<T>(gpu: Gpu, task: TuningTask<T>): Promise<CandidateRunner<T>> {
    const timeline = Timeline.create(gpu);
    const bytes = Math.max(task.output.size, timeline?.bytes ?? 0);
    return new CandidateRunner(gpu, task, timeline, await Readback.create(gpu, bytes));
  }

  /**
   * Compiles and runs a candidate and compares its result with that of the first one checked.
   * @returns what is wrong with it (a wrong result or a shader that does not compile), if anything
   * @throws PanppError for any other error
   */
  async check(candidate: T): Promise<string | undefined> {
    const name = this.#task.name(candidate);
    try {
      await this.#prepare(candidate, 1);
      const result = await this.#result(candidate);
      this.#expected ??= result;
      const difference = largestDifference(result, this.#expected);
      if (!(difference <= this.#task.tolerance))
        return `${name} is wrong: values differ by ${difference.toExponential(1)} of the largest`;
      return undefined;
    } catch (error) {
      if (error instanceof PanppError && error.code === 'shader')
        return `${name}: ${error.message}`;
      throw error;
    }
  }

  /** Sets the number of computations per measurement from the time of one candidate. */
  async setRepeats(candidate: T): Promise<void> {
    const once = await this.measure(candidate);
    this.#repeats = Math.min(maxRepeats, Math.max(1, Math.ceil(targetDuration / once)));
    if (this.#repeats > 1)
      for (const each of [...this.#programs.keys()]) await this.#prepare(each, this.#repeats);
  }

  /** Time of one computation in milliseconds, by GPU timestamps if available. */
  async measure(candidate: T): Promise<number> {
    const { device } = this.#gpu;
    const encoder = device.createCommandEncoder();
    this.#timeline?.reset();
    this.#programs.get(candidate)!.encode(encoder, this.#timeline);
    const timesOf = this.#timeline?.copyTo(this.#readback, encoder);
    const start = performance.now();
    device.queue.submit([encoder.finish()]);
    const gpuTime = timesOf
      ? await this.#readback.read((mapped) => timesOf(mapped)[stage])
      : await device.queue.onSubmittedWorkDone();
    return (gpuTime ?? performance.now() - start) / this.#repeats;
  }

  /** Frees the GPU resources of the runner and of its task. */
  dispose(): void {
    const { inputs, output } = this.#task;
    for (const program of this.#programs.values()) program.dispose();
    for (const buffer of [...inputs, output]) buffer.destroy();
    this.#timeline?.dispose();
    this.#readback.dispose();
  }

  async #prepare(candidate: T, repeats: number): Promise<void> {
    const dispatches = new Array(repeats).fill(this.#task.dispatches(candidate)).flat();
    this.#programs.get(candidate)?.dispose();
    this.#programs.set(
      candidate,
      await Program.create(this.#gpu, [{ name: stage, dispatches }], []),
    );
  }

  async #result(candidate: T): Promise<Float32Array> {
    const { device } = this.#gpu;
    const { output, precision } = this.#task;
    const encoder = device.createCommandEncoder();
    // A candidate must write all values itself: clear those of the previous one.
    encoder.clearBuffer(output);
    this.#programs.get(candidate)!.encode(encoder);
    const range = this.#readback.copy(encoder, output, output.size);
    device.queue.submit([encoder.finish()]);
    return this.#readback.read((bytes) =>
      readValues(precision, bytes, range.offset, output.size / valueBytes[precision]).slice(),
    );
  }
}

const stage = 'measurement';

/** The largest difference as a fraction of the largest value; NaN if any value is NaN. */
export function largestDifference(actual: Float32Array, expected: Float32Array): number {
  let [difference, largest] = [0, 0];
  for (let index = 0; index < expected.length; index++) {
    const own = Math.abs(actual[index] - expected[index]);
    // Negated, so that NaN is kept: every comparison with NaN is false.
    if (!(own <= difference)) difference = own;
    if (Number.isNaN(own)) return NaN;
    largest = Math.max(largest, Math.abs(expected[index]));
  }
  return difference === 0 ? 0 : difference / largest;
}
