// Runs one computation on a device in several ways: checks the results and measures the time.
import { PanppError } from '../errors.js';
import type { Gpu } from '../gpu/context.js';
import { Program } from '../gpu/program.js';
import { Readback } from '../gpu/readback.js';
import { Timeline } from '../gpu/timeline.js';
import { readValues, valueBytes } from '../layers/precision.js';
import type { Ways } from './ways.js';

/** Target duration of a measurement in milliseconds: far above the clock resolution (0.1 ms). */
const measured = 5;
/** Maximum number of computations in one measurement. */
const mostRepeats = 1000;

/** Times ways to compute the same. `dispose` must be called; it also frees the ways' buffers. */
export class Trial<T> {
  readonly #gpu: Gpu;
  readonly #ways: Ways<T>;
  readonly #programs = new Map<T, Program>();
  readonly #timeline: Timeline | undefined;
  readonly #readback: Readback;
  #expected: Float32Array | undefined;
  #repeats = 1;

  constructor(gpu: Gpu, ways: Ways<T>) {
    this.#gpu = gpu;
    this.#ways = ways;
    this.#timeline = Timeline.create(gpu);
    this.#readback = new Readback(gpu, Math.max(ways.output.size, this.#timeline?.bytes ?? 0));
  }

  /**
   * Runs a way for the first time and compares its result with that of the first way tested.
   * @returns a description of the fault (a wrong result or a shader that does not compile), if any
   * @throws PanppError for any other error
   */
  async faultOf(way: T): Promise<string | undefined> {
    const name = this.#ways.name(way);
    try {
      await this.#prepare(way, 1);
      const result = await this.#result(way);
      this.#expected ??= result;
      const difference = largestDifference(result, this.#expected);
      if (!(difference <= this.#ways.tolerance))
        return `${name} is wrong: values differ by ${difference.toExponential(1)} of the largest`;
      return undefined;
    } catch (error) {
      if (error instanceof PanppError && error.code === 'shader')
        return `${name}: ${error.message}`;
      throw error;
    }
  }

  /** Sets the number of computations per measurement from the time of one way. */
  async setRepeats(way: T): Promise<void> {
    const once = await this.time(way);
    this.#repeats = Math.min(mostRepeats, Math.max(1, Math.ceil(measured / once)));
    if (this.#repeats > 1)
      for (const each of [...this.#programs.keys()]) await this.#prepare(each, this.#repeats);
  }

  /** Time of one computation in milliseconds, by GPU timestamps if available. */
  async time(way: T): Promise<number> {
    const { device } = this.#gpu;
    const encoder = device.createCommandEncoder();
    this.#timeline?.reset();
    this.#programs.get(way)!.encode(encoder, this.#timeline);
    const range = this.#timeline && this.#readback.reserve(this.#timeline.bytes);
    if (range) this.#timeline.resolve(encoder, this.#readback.buffer, range.offset);
    const start = performance.now();
    device.queue.submit([encoder.finish()]);
    const ofClock = range
      ? await this.#readback.read(
          (bytes) =>
            this.#timeline!.read(bytes.slice(range.offset, range.offset + range.bytes))[stage],
        )
      : await device.queue.onSubmittedWorkDone();
    return (ofClock ?? performance.now() - start) / this.#repeats;
  }

  /** Frees the trial's GPU resources. */
  dispose(): void {
    const { inputs, output } = this.#ways;
    for (const program of this.#programs.values()) program.dispose();
    for (const buffer of [...inputs, output]) buffer.destroy();
    this.#timeline?.dispose();
    this.#readback.dispose();
  }

  async #prepare(way: T, repeats: number): Promise<void> {
    const dispatches = new Array(repeats).fill(this.#ways.dispatches(way)).flat();
    this.#programs.get(way)?.dispose();
    this.#programs.set(way, await Program.create(this.#gpu, [{ name: stage, dispatches }], []));
  }

  async #result(way: T): Promise<Float32Array> {
    const { device } = this.#gpu;
    const { output, precision } = this.#ways;
    const encoder = device.createCommandEncoder();
    // A way must write all values itself: clear those that the previous way left.
    encoder.clearBuffer(output);
    this.#programs.get(way)!.encode(encoder);
    const range = this.#readback.copy(encoder, output, output.size);
    device.queue.submit([encoder.finish()]);
    return this.#readback.read((bytes) =>
      readValues(precision, bytes, range.offset, output.size / valueBytes[precision]).slice(),
    );
  }
}

const stage = 'trial';

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
