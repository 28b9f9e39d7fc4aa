// Reads back the result of aggregation: for each image the label map, the number of kernels and the
// sums of every region, and the run's timestamps. One read is enough, except for maps with
// thousands of kernels.
import type { Gpu } from '../gpu/context.js';
import type { Program } from '../gpu/program.js';
import { type ReadRange, Readback, sliceOf } from '../gpu/readback.js';
import type { Timeline } from '../gpu/timeline.js';
import type { RegionSum } from '../shapes/regions.js';
import {
  type AggregationPlan,
  countsBytes,
  faultsField,
  readFault,
  readKernelCount,
  readSum,
  sumBytes,
} from './plan.js';
import type { AggregationResult, MapFault } from './input.js';

/** Result of aggregation, with the sums of every label that has pixels. */
export interface LabelMap extends AggregationResult {
  readonly sums: RegionSum[];
  /** What is wrong with the map, if anything; the labels are then meaningless. */
  readonly fault?: MapFault;
}

/** Results of one run. */
export interface LabelMaps {
  /** One for each image. */
  readonly maps: LabelMap[];
  /** Milliseconds on the GPU by stage; empty without timestamps. */
  readonly gpuTimings: Readonly<Record<string, number>>;
}

/** Number of labels whose sums fit the first read; more labels need a second read. */
const sumsAtOnce = 4096;

/** What is read back for one image. */
interface ImageRead {
  readonly plan: AggregationPlan;
  /**
   * A copy of the sums, if one read may not be enough: another run may overwrite the original
   * before the second read.
   */
  readonly allSums?: GPUBuffer;
}

export class LabelReadback {
  readonly #gpu: Gpu;
  readonly #images: readonly ImageRead[];
  readonly #program: Program;
  /** For the stages of the run, if it was given. */
  readonly timeline: Timeline | undefined;
  readonly #readback: Readback;

  /**
   * Must run in `allocated`.
   * @param plans one for each image
   * @param timeline disposed of together with the readback
   */
  constructor(gpu: Gpu, plans: readonly AggregationPlan[], program: Program, timeline?: Timeline) {
    this.#gpu = gpu;
    this.#program = program;
    this.timeline = timeline;
    const bytes = plans.flatMap((plan) => [plan.labels.bytes, countsBytes(), firstSumBytes(plan)]);
    this.#readback = new Readback(
      gpu,
      [...bytes, timeline?.bytes ?? 0].reduce((sum, part) => sum + part + 8, 0),
    );
    this.#images = plans.map((plan) => {
      if (plan.sums.bytes <= firstSumBytes(plan)) return { plan };
      const usage = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
      return {
        plan,
        allSums: gpu.device.createBuffer({ label: 'panpp sums', size: plan.sums.bytes, usage }),
      };
    });
  }

  /** Submits the commands of `encoder` and the copies of the results, and waits for them. */
  async submit(encoder: GPUCommandEncoder): Promise<LabelMaps> {
    const ranges = this.#images.map((image) => this.#copy(encoder, image));
    const timesOf = this.timeline?.copyTo(this.#readback, encoder);
    this.#gpu.device.queue.submit([encoder.finish()]);
    const { first, gpuTimings } = await this.#readback.read((mapped) => ({
      first: ranges.map(({ labels, counts, sums }) => ({
        labels: new Int32Array(sliceOf(mapped, labels)),
        counts: new Uint32Array(sliceOf(mapped, counts)),
        sums: new Uint32Array(sliceOf(mapped, sums)),
      })),
      gpuTimings: timesOf?.(mapped) ?? {},
    }));
    const maps = first.map(async ({ labels, counts, sums }, index) => {
      const kernelCount = readKernelCount(counts);
      const allSums =
        kernelCount < sumsAtOnce ? sums : await this.#readAllSums(this.#images[index], kernelCount);
      return {
        labels,
        kernelCount,
        sums: sumsOf(allSums, kernelCount),
        fault: readFault(counts),
      };
    });
    return { maps: await Promise.all(maps), gpuTimings };
  }

  #copy(
    encoder: GPUCommandEncoder,
    { plan, allSums }: ImageRead,
  ): Record<'labels' | 'counts' | 'sums', ReadRange> {
    const sums = this.#program.bufferOf(plan.sums);
    if (allSums) encoder.copyBufferToBuffer(sums, 0, allSums, 0, plan.sums.bytes);
    const listed = this.#program.bufferOf(plan.listed);
    const ranges = {
      labels: this.#readback.copy(encoder, this.#program.bufferOf(plan.labels), plan.labels.bytes),
      counts: this.#readback.copy(encoder, listed, countsBytes()),
      sums: this.#readback.copy(encoder, sums, firstSumBytes(plan)),
    };
    // Reset for the next run; a new buffer is already zero.
    const { offset, size } = faultsField();
    encoder.clearBuffer(listed, offset, size);
    return ranges;
  }

  async #readAllSums({ allSums }: ImageRead, kernelCount: number): Promise<Uint32Array> {
    const bytes = (kernelCount + 1) * sumBytes();
    const readback = await Readback.create(this.#gpu, bytes);
    try {
      const encoder = this.#gpu.device.createCommandEncoder();
      readback.copy(encoder, allSums!, bytes);
      this.#gpu.device.queue.submit([encoder.finish()]);
      return await readback.read((all) => new Uint32Array(all.slice(0, bytes)));
    } finally {
      readback.dispose();
    }
  }

  dispose(): void {
    this.timeline?.dispose();
    this.#readback.dispose();
    for (const { allSums } of this.#images) allSums?.destroy();
  }
}

function firstSumBytes({ sums }: AggregationPlan): number {
  return Math.min(sumsAtOnce * sumBytes(), sums.bytes);
}

function sumsOf(sums: Uint32Array, kernelCount: number): RegionSum[] {
  const result: RegionSum[] = [];
  for (let label = 1; label <= kernelCount; label++) {
    const sum = readSum(sums, label);
    if (sum.area > 0) result.push(sum);
  }
  return result;
}
