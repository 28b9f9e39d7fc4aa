// GPU timestamps at the start and end of every stage of a run.
import type { Gpu } from './context.js';
import { type Readback, sliceOf } from './readback.js';

const maxStages = 16;

export class Timeline {
  readonly #querySet: GPUQuerySet;
  readonly #resolved: GPUBuffer;
  readonly #names: string[] = [];

  private constructor(device: GPUDevice) {
    const count = 2 * maxStages;
    this.#querySet = device.createQuerySet({ label: 'panpp timeline', type: 'timestamp', count });
    this.#resolved = device.createBuffer({
      label: 'panpp timeline',
      size: 8 * count,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    });
  }

  /** A timeline, or undefined where the device has no timestamps. */
  static create(gpu: Gpu): Timeline | undefined {
    return gpu.profile.timestamps ? new Timeline(gpu.device) : undefined;
  }

  /** Maximum number of timed stages in a run; later stages are not timed. */
  get capacity(): number {
    return maxStages;
  }

  /** Bytes that `copyTo` copies. */
  get bytes(): number {
    return 16 * maxStages;
  }

  /** Clears the stages, for the next run. */
  reset(): void {
    this.#names.length = 0;
  }

  stage(name: string): GPUComputePassTimestampWrites | undefined {
    if (this.#names.length === maxStages) return undefined;
    const index = this.#names.push(name) - 1;
    return {
      querySet: this.#querySet,
      beginningOfPassWriteIndex: 2 * index,
      endOfPassWriteIndex: 2 * index + 1,
    };
  }

  /**
   * Records the copy of this run's timestamps to a readback, which needs room for `bytes`.
   * @returns a function that takes the mapped bytes and returns milliseconds by stage; stages with
   * a zero or negative time are omitted
   */
  copyTo(
    readback: Readback,
    encoder: GPUCommandEncoder,
  ): (mapped: ArrayBuffer) => Record<string, number> {
    const range = readback.reserve(this.bytes);
    encoder.resolveQuerySet(this.#querySet, 0, 2 * this.#names.length, this.#resolved, 0);
    encoder.copyBufferToBuffer(this.#resolved, 0, readback.buffer, range.offset, this.bytes);
    const names = [...this.#names];
    return (mapped) => {
      const nanoseconds = new BigInt64Array(sliceOf(mapped, range));
      const milliseconds: Record<string, number> = {};
      names.forEach((name, index) => {
        const spent = Number(nanoseconds[2 * index + 1] - nanoseconds[2 * index]) / 1e6;
        if (spent > 0) addTimes(milliseconds, { [name]: spent });
      });
      return milliseconds;
    };
  }

  dispose(): void {
    this.#querySet.destroy();
    this.#resolved.destroy();
  }
}

/** Adds the times of `more` to those of `sums`, stage by stage. */
export function addTimes(
  sums: Record<string, number>,
  more: Readonly<Record<string, number>>,
): void {
  for (const [stage, time] of Object.entries(more)) sums[stage] = (sums[stage] ?? 0) + time;
}
