// What comes back to the host after aggregation: the label map, the number of kernels, every region's sums, and the run's timestamps;
// one read, but for maps with thousands of kernels.
import type { Gpu } from '../gpu/context.js';
import type { Program } from '../gpu/program.js';
import { Readback } from '../gpu/readback.js';
import type { Timeline } from '../gpu/timeline.js';
import type { RegionSum } from '../shapes/regions.js';
import { type AggregationPlan, countsBytes, readKernelCount, readSum, sumBytes } from './plan.js';
import type { AggregationResult } from './input.js';

/** Result of aggregation with the sums of every label that has pixels. */
export interface LabelMap extends AggregationResult {
  readonly sums: RegionSum[];
  /** Milliseconds on the GPU by stage; empty without timestamps. */
  readonly gpuTimings: Readonly<Record<string, number>>;
}

/** Labels whose sums come back with the first read; more need a second one. */
const sumsAtOnce = 4096;

export class LabelReadback {
  readonly #gpu: Gpu;
  readonly #plan: AggregationPlan;
  readonly #program: Program;
  readonly #timeline: Timeline | undefined;
  readonly #readback: Readback;
  /** A copy of the sums where one read may not be enough: by the second, another run may have begun to overwrite them. */
  readonly #allSums: GPUBuffer | undefined;

  constructor(gpu: Gpu, plan: AggregationPlan, program: Program, timeline?: Timeline) {
    this.#gpu = gpu;
    this.#plan = plan;
    this.#program = program;
    this.#timeline = timeline;
    const bytes = [plan.labels.bytes, countsBytes, this.#firstSumBytes, timeline?.bytes ?? 0];
    this.#readback = new Readback(gpu, bytes.reduce((sum, part) => sum + part + 8, 0));
    if (plan.sums.bytes > this.#firstSumBytes) {
      const usage = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
      this.#allSums = gpu.device.createBuffer({ label: 'panpp sums', size: plan.sums.bytes, usage });
    }
  }

  get #firstSumBytes(): number {
    return Math.min(sumsAtOnce * sumBytes, this.#plan.sums.bytes);
  }

  /** Submits what `encoder` holds with the copies of the results, and waits for them. */
  async submit(encoder: GPUCommandEncoder): Promise<LabelMap> {
    const { labels, listed, sums } = this.#plan;
    const labelRange = this.#readback.copy(encoder, this.#program.bufferOf(labels), labels.bytes);
    const countRange = this.#readback.copy(encoder, this.#program.bufferOf(listed), countsBytes);
    const sumRange = this.#readback.copy(encoder, this.#program.bufferOf(sums), this.#firstSumBytes);
    if (this.#allSums) encoder.copyBufferToBuffer(this.#program.bufferOf(sums), 0, this.#allSums, 0, sums.bytes);
    const timeRange = this.#timeline && this.#readback.reserve(this.#timeline.bytes);
    if (timeRange) this.#timeline!.resolve(encoder, this.#readback.buffer, timeRange.offset);
    this.#gpu.device.queue.submit([encoder.finish()]);
    const first = await this.#readback.read((bytes) => ({
      labels: new Int32Array(bytes.slice(labelRange.offset, labelRange.offset + labelRange.bytes)),
      kernelCount: readKernelCount(new Uint32Array(bytes, countRange.offset, countsBytes / 4)),
      sums: new Uint32Array(bytes.slice(sumRange.offset, sumRange.offset + sumRange.bytes)),
      gpuTimings: timeRange ? this.#timeline!.read(bytes.slice(timeRange.offset, timeRange.offset + timeRange.bytes)) : {},
    }));
    const { labels: labelMap, kernelCount, gpuTimings } = first;
    const allSums = kernelCount < sumsAtOnce ? first.sums : await this.#readAllSums(kernelCount);
    return { labels: labelMap, kernelCount, sums: sumsOf(allSums, kernelCount), gpuTimings };
  }

  async #readAllSums(kernelCount: number): Promise<Uint32Array> {
    const bytes = (kernelCount + 1) * sumBytes;
    const readback = new Readback(this.#gpu, bytes);
    try {
      const encoder = this.#gpu.device.createCommandEncoder();
      readback.copy(encoder, this.#allSums!, bytes);
      this.#gpu.device.queue.submit([encoder.finish()]);
      return await readback.read((all) => new Uint32Array(all.slice(0, bytes)));
    } finally {
      readback.dispose();
    }
  }

  dispose(): void {
    this.#readback.dispose();
    this.#allSums?.destroy();
  }
}

function sumsOf(sums: Uint32Array, kernelCount: number): RegionSum[] {
  const result: RegionSum[] = [];
  for (let label = 1; label <= kernelCount; label++) {
    const sum = readSum(sums, label);
    if (sum.area > 0) result.push(sum);
  }
  return result;
}
