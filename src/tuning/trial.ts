// One computation on a device, in any of several ways: is the result right, and how long does it
// take?
import { PanppError } from '../errors.js';
import type { Gpu } from '../gpu/context.js';
import { Program } from '../gpu/program.js';
import { Readback } from '../gpu/readback.js';
import { Timeline } from '../gpu/timeline.js';
import { readValues, valueBytes } from '../layers/precision.js';
import type { Ways } from './ways.js';

/** Milliseconds that a measurement should last: many times what clocks are rounded to (0.1 ms). */
const measured = 5;
/** Computations in one measurement at most. */
const mostRepeats = 100;

/** Times ways to compute the same; ends with `dispose`, which frees their buffers too. */
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
   * Computes in a way for the first time, and compares the result with that of the way that was
   * first.
   * @returns what is wrong with it, if anything
   * @throws PanppError unless it is the shader that does not compile
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

  /** Decides from one way's time how many computations a measurement has. */
  async setRepeats(way: T): Promise<void> {
    const once = await this.time(way);
    this.#repeats = Math.min(mostRepeats, Math.max(1, Math.ceil(measured / once)));
    if (this.#repeats > 1)
      for (const each of [...this.#programs.keys()]) await this.#prepare(each, this.#repeats);
  }

  /** Milliseconds of one computation, by the GPU's clock if it has one. */
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

  /** Frees what the trial holds on the GPU. */
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
    // What a way does not write must not be there from the one before.
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

/** The largest difference of two values as a part of the largest value; NaN if any is. */
export function largestDifference(actual: Float32Array, expected: Float32Array): number {
  let [difference, largest] = [0, 0];
  for (let index = 0; index < expected.length; index++) {
    const own = Math.abs(actual[index] - expected[index]);
    // NaN compares as nothing, and must not get lost.
    if (!(own <= difference)) difference = own;
    if (Number.isNaN(own)) return NaN;
    largest = Math.max(largest, Math.abs(expected[index]));
  }
  return difference === 0 ? 0 : difference / largest;
}
