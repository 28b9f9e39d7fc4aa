// Runs images of one size on the GPU, for one network input size: resize, network, aggregation and
// region sums, read back once.
import { type LabelMaps, LabelReadback } from '../aggregation/label-readback.js';
import { packSettings, planAggregation } from '../aggregation/plan.js';
import type { AggregationPlan } from '../aggregation/plan.js';
import type { AggregationInput, MapFault } from '../aggregation/input.js';
import { PanppError } from '../errors.js';
import { allocated } from '../gpu/allocate.js';
import type { Gpu, GpuProfile } from '../gpu/context.js';
import type { Slot } from '../gpu/dispatch.js';
import { Pool } from '../gpu/pool.js';
import { Program, type Stage } from '../gpu/program.js';
import { readbackMemory } from '../gpu/readback.js';
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
const runsAtOnce = 2;

/**
 * A program's readbacks, one for each run in flight.
 * @throws PanppError `argument` if memory runs out; the program is then disposed of
 */
export async function readbacksOf<T extends { dispose(): void }>(
  gpu: Gpu,
  program: Program,
  make: () => T,
): Promise<Pool<T>> {
  const readbacks = await allocated(
    gpu,
    readbackMemory,
    () => Array.from({ length: runsAtOnce }, make),
    (made) => [...made, program].forEach((held) => held.dispose()),
  );
  return new Pool(readbacks);
}

export class DetectionPass {
  readonly #gpu: Gpu;
  readonly #plan: DetectionPlan;
  readonly #program: Program;
  readonly #readbacks: Pool<LabelReadback>;
  /** Size of the label map. */
  readonly mapSize: Size;

  private constructor(
    gpu: Gpu,
    plan: DetectionPlan,
    program: Program,
    readbacks: Pool<LabelReadback>,
  ) {
    this.#gpu = gpu;
    this.#plan = plan;
    this.mapSize = { height: plan.network.map.height, width: plan.network.map.width };
    this.#program = program;
    this.#readbacks = readbacks;
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
    return DetectionPass.with(gpu, plan, await Program.create(gpu, plan.stages, plan.pinned));
  }

  /** @param program has at least the plan's stages; disposed of together with the pass */
  static async with(gpu: Gpu, plan: DetectionPlan, program: Program): Promise<DetectionPass> {
    const readbacks = await readbacksOf(
      gpu,
      program,
      () => new LabelReadback(gpu, plan.aggregations, program, Timeline.create(gpu)),
    );
    return new DetectionPass(gpu, plan, program, readbacks);
  }

  /** GPU memory in bytes, without weights: allocated, and the maximum in use at any time. */
  get memory(): { bytes: number; liveBytes: number } {
    return { bytes: this.#program.bytes, liveBytes: this.#program.liveBytes };
  }

  /**
   * Runs the stages `preprocess`, `network` and `aggregation`, timed on the GPU.
   * @param uploads as many as planned
   * @param onSubmitted called once the GPU work is submitted and another run may start
   * @throws PanppError `weights` if the network's map has NaN, infinity or too large vectors
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
      assertSound(labels, precision);
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

function assertSound({ maps }: LabelMaps, precision: Precision): void {
  maps.forEach(({ fault }, index) => {
    const image = maps.length > 1 ? `image ${index} of the batch` : 'this image';
    if (fault) throw faultOf(fault, image, precision);
  });
}

/** The error for an image whose map has a fault. */
export function faultOf(fault: MapFault, image: string, precision: Precision): PanppError {
  const isNarrow = fault === 'infinite' && precision === 'f16';
  const todo = isNarrow
    ? 'values are too large for half precision; load the model with precision f32'
    : 'the weights are damaged; convert the checkpoint again';
  const found =
    fault === 'infinite' ? 'NaN or infinity' : 'instance vectors that are too large to be summed';
  return new PanppError('weights', `the network gives ${found} for ${image}: ${todo}`);
}
