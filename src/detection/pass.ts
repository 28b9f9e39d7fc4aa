// Runs images of one size on the GPU, for one network input size: resize, network, aggregation and
// region sums in one submit.
import { type LabelMaps, LabelReadback } from '../aggregation/label-readback.js';
import { packSettings, planAggregation } from '../aggregation/plan.js';
import type { AggregationPlan } from '../aggregation/plan.js';
import type { AggregationInput } from '../aggregation/input.js';
import { PanppError } from '../errors.js';
import type { Gpu, GpuProfile } from '../gpu/context.js';
import type { Slot } from '../gpu/dispatch.js';
import { Pool } from '../gpu/pool.js';
import { Program, type Stage } from '../gpu/program.js';
import { Timeline } from '../gpu/timeline.js';
import type { ImageUpload } from '../images/upload.js';
import { inputsOf, writeUploads } from '../images/write-uploads.js';
import { imagesOf } from '../layers/feature-map.js';
import type { Precision } from '../layers/precision.js';
import { type ResizePlan, type ResizeSource, planResize } from '../layers/resize.js';
import type { ModelConfig } from '../network/config.js';
import { type NetworkPlan, planNetwork } from '../network/plan.js';
import type { NetworkWeights, PlannedWeights } from '../network/weights.js';
import type { Size } from '../images/size.js';

/** Settings of aggregation; areas in map pixels. */
export type PassSettings = Pick<AggregationInput, 'minKernelArea' | 'mode' | 'distance'>;

export interface DetectionPlan {
  readonly resize: ResizePlan;
  readonly network: NetworkPlan;
  /** One for each image. */
  readonly aggregations: readonly AggregationPlan[];
  /** `preprocess`, `network`, `aggregation`. */
  readonly stages: readonly Stage[];
  /** How the network's maps are stored. */
  readonly precision: Precision;
  /** What the program must pin. */
  readonly pinned: readonly Slot[];
}

/** Plans the detection of text in `images` images at once, resized to `size`. */
export function planDetection(
  config: ModelConfig,
  weights: PlannedWeights,
  upload: ResizeSource,
  size: Size,
  profile: Pick<GpuProfile, 'software'>,
  images = 1,
): DetectionPlan {
  const resize = planResize(upload, size.height, size.width, images);
  const network = planNetwork(config, weights, resize.output);
  const aggregations = resize.pixels.map((_, index) =>
    planAggregation(imagesOf(network.map, index, 1), size, profile),
  );
  return {
    resize,
    network,
    aggregations,
    precision: weights.precision,
    stages: [
      { name: 'preprocess', dispatches: resize.dispatches },
      { name: 'network', dispatches: network.dispatches },
      { name: 'aggregation', dispatches: aggregations.flatMap(({ dispatches }) => dispatches) },
    ],
    pinned: [
      ...inputsOf(resize),
      ...aggregations.flatMap(({ settings, labels, listed, sums }) => [
        settings,
        labels,
        listed,
        sums,
      ]),
    ],
  };
}

/**
 * Number of runs in flight: while the GPU works on one, the host prepares the next and computes the
 * previous one's region shapes.
 */
export const runsAtOnce = 2;

export class DetectionPass {
  readonly #gpu: Gpu;
  readonly #plan: DetectionPlan;
  readonly #program: Program;
  readonly #readbacks: Pool<LabelReadback>;
  /** Size of the label map. */
  readonly mapSize: Size;

  /** @param program has at least the plan's stages; disposed of together with the pass */
  constructor(gpu: Gpu, plan: DetectionPlan, program: Program) {
    this.#gpu = gpu;
    this.#plan = plan;
    this.mapSize = { height: plan.network.map.height, width: plan.network.map.width };
    this.#program = program;
    this.#readbacks = new Pool(
      runsAtOnce,
      () => new LabelReadback(gpu, plan.aggregations, program, Timeline.create(gpu)),
    );
  }

  /** Plans, compiles and allocates; same arguments as `planDetection`. */
  static async create(
    gpu: Gpu,
    config: ModelConfig,
    weights: NetworkWeights,
    upload: ResizeSource,
    size: Size,
    images = 1,
  ): Promise<DetectionPass> {
    const plan = planDetection(config, weights, upload, size, gpu.profile, images);
    return new DetectionPass(gpu, plan, await Program.create(gpu, plan.stages, plan.pinned));
  }

  /** GPU memory in bytes, without weights: allocated, and the maximum in use at any time. */
  get memory(): { bytes: number; liveBytes: number } {
    return { bytes: this.#program.bytes, liveBytes: this.#program.liveBytes };
  }

  /**
   * Runs the stages `preprocess`, `network` and `aggregation`, timed on the GPU.
   * @param uploads as many as planned
   * @param onSubmitted called once the GPU work is submitted and another run may start
   * @throws PanppError `weights` if the network's map has NaN or infinity
   */
  async run(
    uploads: readonly ImageUpload[],
    settings: PassSettings,
    onSubmitted?: () => void,
  ): Promise<LabelMaps> {
    const readback = await this.#readbacks.take();
    try {
      const { device } = this.#gpu;
      const { resize, aggregations, stages, precision } = this.#plan;
      writeUploads(device.queue, this.#program, resize, uploads);
      for (const aggregation of aggregations)
        device.queue.writeBuffer(
          this.#program.bufferOf(aggregation.settings),
          0,
          packSettings(settings),
        );
      readback.timeline?.reset();
      const encoder = this.#program.start(
        readback.timeline,
        stages.map(({ name }) => name),
      );
      const reading = readback.submit(encoder);
      onSubmitted?.();
      const labels = await reading;
      assertFinite(labels, precision);
      return labels;
    } finally {
      this.#readbacks.give(readback);
    }
  }

  /** Must not be called during a run. */
  dispose(): void {
    this.#program.dispose();
    this.#readbacks.each((readback) => readback.dispose());
  }
}

function assertFinite({ maps }: LabelMaps, precision: Precision): void {
  const odd = maps.findIndex(({ isFinite }) => !isFinite);
  if (odd < 0) return;
  throw notFinite(maps.length > 1 ? `image ${odd} of the batch` : 'this image', precision);
}

/** The error for an image whose map has NaN or infinity. */
export function notFinite(image: string, precision: Precision): PanppError {
  const todo =
    precision === 'f16'
      ? 'values are too large for half precision; load the model with precision f32'
      : 'the weights are damaged; convert the checkpoint again';
  return new PanppError('weights', `the network gives NaN or infinity for ${image}: ${todo}`);
}
