// Reads results back: several buffers are copied into one mapped buffer, with a single wait.
import { PanppError, firstLine } from '../errors.js';
import { allocated } from './allocate.js';
import type { Gpu } from './context.js';
import { roundUp } from '../wgsl/struct.js';

/** Where a copied range lies in the mapped bytes. */
export interface ReadRange {
  readonly offset: number;
  readonly bytes: number;
}

/** Copies a range out of the mapped bytes. */
export function sliceOf(mapped: ArrayBuffer, { offset, bytes }: ReadRange): ArrayBuffer {
  return mapped.slice(offset, offset + bytes);
}

/** What `allocated` calls the memory of readbacks. */
export const readbackMemory = 'the memory to read results back';

export class Readback {
  readonly #gpu: Gpu;
  readonly #buffer: GPUBuffer;
  #filled = 0;

  /**
   * Must run in `allocated`, as `create` does.
   * @param capacity maximum bytes of one read; every range is rounded up to a multiple of 8
   */
  constructor(gpu: Gpu, capacity: number) {
    this.#gpu = gpu;
    this.#buffer = gpu.device.createBuffer({
      label: 'panpp readback',
      size: roundUp(capacity, 8),
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
  }

  /** @throws PanppError `argument` if memory runs out */
  static create(gpu: Gpu, capacity: number): Promise<Readback> {
    return allocated(
      gpu,
      readbackMemory,
      () => new Readback(gpu, capacity),
      (readback) => readback.dispose(),
    );
  }

  /** Records the copy of `bytes` bytes of `source`, starting at byte `from`. */
  copy(encoder: GPUCommandEncoder, source: GPUBuffer, bytes: number, from = 0): ReadRange {
    const range = this.reserve(bytes);
    encoder.copyBufferToBuffer(source, from, this.#buffer, range.offset, roundUp(bytes, 4));
    return range;
  }

  /** Reserves space for bytes that the caller copies into `buffer`. */
  reserve(bytes: number): ReadRange {
    const range = { offset: this.#filled, bytes };
    this.#filled = roundUp(this.#filled + bytes, 8);
    return range;
  }

  /** Maximum bytes of one read. */
  get capacity(): number {
    return this.#buffer.size;
  }

  get buffer(): GPUBuffer {
    return this.#buffer;
  }

  /**
   * Waits for the submitted copies and calls `use` with the mapped bytes, which are valid only
   * during that call.
   * @throws PanppError `device-lost`
   */
  async read<T>(use: (bytes: ArrayBuffer) => T): Promise<T> {
    try {
      await this.#gpu.wait(this.#buffer.mapAsync(GPUMapMode.READ, 0, this.#filled));
    } catch (cause) {
      // Lets the `lost` promise settle first, so that a lost device is reported as such.
      await Promise.resolve();
      this.#gpu.assertUsable();
      throw new PanppError(
        'device-lost',
        `the GPU did not return its results: ${firstLine(cause)}`,
        { cause },
      );
    }
    try {
      return use(this.#buffer.getMappedRange(0, this.#filled));
    } finally {
      this.#buffer.unmap();
      this.#filled = 0;
    }
  }

  dispose(): void {
    this.#buffer.destroy();
  }
}
