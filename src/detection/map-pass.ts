// Runs resize and network on a tile, for one network input size, and reads the network's map back.
import type { Gpu } from '../gpu/context.js';
import type { Pool } from '../gpu/pool.js';
import { Program } from '../gpu/program.js';
import { Readback, sliceOf } from '../gpu/readback.js';
import { Timeline } from '../gpu/timeline.js';
import type { Size } from '../images/size.js';
import type { ImageUpload } from '../images/upload.js';
import { inputsOf, writeUploads } from '../images/write-uploads.js';
import type { FeatureMap } from '../layers/feature-map.js';
import type { Precision } from '../layers/precision.js';
import { type ResizePlan, type ResizeSource, planResize } from '../layers/resize.js';
import type { ModelConfig } from '../network/config.js';
import { planNetwork } from '../network/plan.js';
import type { NetworkWeights } from '../network/weights.js';
import { readbacksOf } from './pass.js';

/** Destination of one run's map and timestamps. */
class Outcome {
  readonly readback: Readback;
  readonly timeline: Timeline | undefined;

  constructor(gpu: Gpu, { slot }: FeatureMap) {
    this.timeline = Timeline.create(gpu);
    this.readback = new Readback(gpu, slot.bytes + 8 + (this.timeline?.bytes ?? 0));
  }

  dispose(): void {
    this.readback.dispose();
    this.timeline?.dispose();
  }
}

export class MapPass {
  readonly #gpu: Gpu;
  readonly #resize: ResizePlan;
  readonly #program: Program;
  readonly #outcomes: Pool<Outcome>;
  /** Size and channels of the map. */
  readonly map: FeatureMap;
  /** How the network's maps are stored. */
  readonly precision: Precision;

  private constructor(
    gpu: Gpu,
    resize: ResizePlan,
    map: FeatureMap,
    program: Program,
    outcomes: Pool<Outcome>,
    precision: Precision,
  ) {
    this.#gpu = gpu;
    this.#resize = resize;
    this.#program = program;
    this.map = map;
    this.precision = precision;
    this.#outcomes = outcomes;
  }

  /** Plans, compiles and allocates. */
  static async create(
    gpu: Gpu,
    config: ModelConfig,
    weights: NetworkWeights,
    upload: ResizeSource,
    size: Size,
  ): Promise<MapPass> {
    const resize = planResize(upload, size.height, size.width);
    const { dispatches, map } = planNetwork(config, weights, resize.output);
    const program = await Program.create(
      gpu,
      [
        { name: 'preprocess', dispatches: resize.dispatches },
        { name: 'network', dispatches },
      ],
      [...inputsOf(resize), map.slot],
    );
    const outcomes = await readbacksOf(gpu, program, () => new Outcome(gpu, map));
    return new MapPass(gpu, resize, map, program, outcomes, weights.precision);
  }

  /** GPU memory in bytes, without weights: allocated, and the maximum in use at any time. */
  get memory(): { bytes: number; liveBytes: number } {
    return { bytes: this.#program.bytes, liveBytes: this.#program.liveBytes };
  }

  /**
   * Runs the stages `preprocess` and `network`, timed on the GPU.
   * @returns the map, row by row with its channels interleaved
   */
  async run(
    upload: ImageUpload,
  ): Promise<{ values: Float32Array; gpuTimings: Readonly<Record<string, number>> }> {
    const outcome = await this.#outcomes.take();
    try {
      const { readback, timeline } = outcome;
      const { device } = this.#gpu;
      writeUploads(device.queue, this.#program, this.#resize, [upload]);
      timeline?.reset();
      const encoder = this.#program.start(timeline);
      const { slot } = this.map;
      const range = readback.copy(encoder, this.#program.bufferOf(slot), slot.bytes);
      const timesOf = timeline?.copyTo(readback, encoder);
      device.queue.submit([encoder.finish()]);
      return await readback.read((mapped) => ({
        values: new Float32Array(sliceOf(mapped, range)),
        gpuTimings: timesOf?.(mapped) ?? {},
      }));
    } finally {
      this.#outcomes.give(outcome);
    }
  }

  /** Must not be called during a run. */
  dispose(): void {
    this.#program.dispose();
    this.#outcomes.each((outcome) => outcome.dispose());
  }
}
