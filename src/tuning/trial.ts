// One shape of convolution on a device, computed in any tile: is the result right, and how long does it take?
import { PanppError } from '../errors.js';
import type { Gpu } from '../gpu/context.js';
import { read, write } from '../gpu/kernel.js';
import { Program } from '../gpu/program.js';
import { Readback } from '../gpu/readback.js';
import { Timeline } from '../gpu/timeline.js';
import { type ConvShape, type ConvTile, tileName } from '../layers/conv-tile.js';
import { planDirectConv } from '../layers/direct-conv.js';
import { type Precision, readValues, valueBytes } from '../layers/precision.js';

/** Milliseconds that a measurement should last: many times what clocks are rounded to (0.1 ms). */
const measured = 5;
/** Convolutions in one measurement at most. */
const mostRepeats = 100;
/** What results may differ by, as a part of the largest value: sums are float32, results are stored as they are. */
const tolerance: Readonly<Record<Precision, number>> = { f32: 1e-4, f16: 2 ** -8 };

/** Times the tiles of one shape; ends with `dispose`. */
export class Trial {
  readonly #gpu: Gpu;
  readonly #shape: ConvShape;
  readonly #buffers: readonly GPUBuffer[];
  readonly #programs = new Map<ConvTile, Program>();
  readonly #timeline: Timeline | undefined;
  readonly #readback: Readback;
  readonly #outputValues: number;
  #expected: Float32Array | undefined;
  #repeats = 1;

  constructor(gpu: Gpu, shape: ConvShape) {
    const { kernel, inChannels, outChannels, batches = 1, sizes, types } = shape;
    this.#gpu = gpu;
    this.#shape = shape;
    this.#outputValues = batches * sizes[2] * sizes[3] * outChannels;
    const outputBytes = this.#outputValues * valueBytes[types.output];
    this.#buffers = [
      randomBuffer(gpu, batches * sizes[0] * sizes[1] * inChannels, types.input),
      randomBuffer(gpu, batches * kernel ** 2 * inChannels * outChannels, types.weight),
      gpu.device.createBuffer({ label: 'panpp trial', size: outputBytes, usage: bufferUsage() }),
    ];
    this.#timeline = Timeline.create(gpu);
    this.#readback = new Readback(gpu, Math.max(outputBytes, this.#timeline?.bytes ?? 0));
  }

  /**
   * Computes the shape in a tile for the first time, and compares the result with that of the tile that was first.
   * @returns what is wrong with it, if anything
   * @throws PanppError unless it is the shader that does not compile
   */
  async faultOf(tile: ConvTile): Promise<string | undefined> {
    try {
      await this.#prepare(tile, 1);
      const result = await this.#result(tile);
      this.#expected ??= result;
      const difference = largestDifference(result, this.#expected);
      if (!(difference <= tolerance[this.#shape.types.output])) {
        return `${tileName(tile)} is wrong: values differ by ${difference.toExponential(1)} of the largest`;
      }
      return undefined;
    } catch (error) {
      if (error instanceof PanppError && error.code === 'shader') return `${tileName(tile)}: ${error.message}`;
      throw error;
    }
  }

  /** Decides from one tile's time how many convolutions a measurement has. */
  async setRepeats(tile: ConvTile): Promise<void> {
    const once = await this.time(tile);
    this.#repeats = Math.min(mostRepeats, Math.max(1, Math.ceil(measured / once)));
    if (this.#repeats > 1) for (const each of [...this.#programs.keys()]) await this.#prepare(each, this.#repeats);
  }

  /** Milliseconds of one convolution, by the GPU's clock if it has one. */
  async time(tile: ConvTile): Promise<number> {
    const { device } = this.#gpu;
    const encoder = device.createCommandEncoder();
    this.#timeline?.reset();
    this.#programs.get(tile)!.encode(encoder, this.#timeline);
    const range = this.#timeline && this.#readback.reserve(this.#timeline.bytes);
    if (range) this.#timeline!.resolve(encoder, this.#readback.buffer, range.offset);
    const start = performance.now();
    device.queue.submit([encoder.finish()]);
    const ofClock = range
      ? await this.#readback.read((bytes) => this.#timeline!.read(bytes.slice(range.offset, range.offset + range.bytes))[stage])
      : await device.queue.onSubmittedWorkDone();
    return (ofClock ?? performance.now() - start) / this.#repeats;
  }

  /** Frees what the trial holds on the GPU. */
  dispose(): void {
    for (const program of this.#programs.values()) program.dispose();
    for (const buffer of this.#buffers) buffer.destroy();
    this.#timeline?.dispose();
    this.#readback.dispose();
  }

  async #prepare(tile: ConvTile, repeats: number): Promise<void> {
    const [input, weights, output] = this.#buffers;
    const kernel = planDirectConv(() => tile, { ...this.#shape, label: tileName(tile), input: read(input), weights, output: write(output) });
    this.#programs.get(tile)?.dispose();
    this.#programs.set(tile, await Program.create(this.#gpu, [{ name: stage, kernels: new Array(repeats).fill(kernel) }], []));
  }

  async #result(tile: ConvTile): Promise<Float32Array> {
    const { device } = this.#gpu;
    const output = this.#buffers[2];
    const encoder = device.createCommandEncoder();
    // What a tile does not write must not be there from the one before.
    encoder.clearBuffer(output);
    this.#programs.get(tile)!.encode(encoder);
    const range = this.#readback.copy(encoder, output, output.size);
    device.queue.submit([encoder.finish()]);
    return this.#readback.read((bytes) => readValues(this.#shape.types.output, bytes, range.offset, this.#outputValues).slice());
  }
}

const stage = 'trial';
const bufferUsage = (): number => GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;

/** Values in −1 … 1, reproducible. */
function randomBuffer({ device }: Gpu, count: number, precision: Precision): GPUBuffer {
  const buffer = device.createBuffer({ label: 'panpp trial', size: count * valueBytes[precision], usage: bufferUsage(), mappedAtCreation: true });
  const mapped = buffer.getMappedRange();
  const values = precision === 'f16' ? new Uint16Array(mapped) : new Float32Array(mapped);
  let state = 1;
  for (let index = 0; index < count; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    // As bits of a half: sign, exponent of 1/16 to 1/2, mantissa.
    values[index] = precision === 'f16' ? (state >>> 31 << 15) | ((11 + ((state >>> 26) & 3)) << 10) | ((state >>> 12) & 1023) : state / 2 ** 31 - 1;
  }
  buffer.unmap();
  return buffer;
}

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
