// Images of one size through the GPU, for one size of network input: resize, network, aggregation, region sums; one submit.
import { type LabelMaps, LabelReadback } from '../aggregation/label-readback.js';
import { packSettings, planAggregation } from '../aggregation/plan.js';
import type { AggregationPlan } from '../aggregation/plan.js';
import type { AggregationInput } from '../aggregation/input.js';
import type { Gpu, GpuProfile } from '../gpu/context.js';
import type { Slot } from '../gpu/kernel.js';
import { Pool } from '../gpu/pool.js';
import { Program, type Stage } from '../gpu/program.js';
import { Timeline } from '../gpu/timeline.js';
import type { ImageUpload } from '../images/upload.js';
import { imagesOf } from '../layers/feature-map.js';
import { type ResizePlan, type ResizeSource, planResize } from '../layers/resize.js';
import type { ModelConfig } from '../network/config.js';
import { type NetworkPlan, planNetwork } from '../network/plan.js';
import type { NetworkWeights, PlannedWeights } from '../network/weights.js';

/** Aggregation's settings, areas in pixels of the map. */
export type PassSettings = Pick<AggregationInput, 'minKernelArea' | 'mode' | 'distance'>;

interface Size {
  readonly height: number;
  readonly width: number;
}

export interface DetectionPlan {
  readonly resize: ResizePlan;
  readonly network: NetworkPlan;
  /** One for each image. */
  readonly aggregations: readonly AggregationPlan[];
  /** `preprocess`, `network`, `aggregation`. */
  readonly stages: readonly Stage[];
  /** What the program must pin. */
  readonly pinned: readonly Slot[];
}

/** Plans the detection of text in `images` at once, looked at at `size`. */
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
  const aggregations = resize.pixels.map((_, index) => planAggregation(imagesOf(network.map, index, 1), size, profile));
  return {
    ...{ resize, network, aggregations },
    stages: [
      { name: 'preprocess', kernels: resize.kernels },
      { name: 'network', kernels: network.kernels },
      { name: 'aggregation', kernels: aggregations.flatMap(({ kernels }) => kernels) },
    ],
    pinned: [...inputsOf(resize), ...aggregations.flatMap(({ settings, labels, listed, sums }) => [settings, labels, listed, sums])],
  };
}

/** Runs that the GPU may have at a time: while it works on one, the host readies the next and shapes the last one's regions. */
const runsAtOnce = 2;

/** Where one run's results and timestamps go. */
interface Outcome {
  readonly readback: LabelReadback;
  readonly timeline: Timeline | undefined;
}

export class DetectionPass {
  readonly #gpu: Gpu;
  readonly #plan: DetectionPlan;
  readonly #program: Program;
  readonly #outcomes: Pool<Outcome>;
  /** Size of the label map. */
  readonly mapSize: Size;

  /** @param program has the plan's stages, and perhaps more; it goes when the pass does */
  constructor(gpu: Gpu, plan: DetectionPlan, program: Program) {
    this.#gpu = gpu;
    this.#plan = plan;
    this.mapSize = { height: plan.network.map.height, width: plan.network.map.width };
    this.#program = program;
    this.#outcomes = new Pool(runsAtOnce, () => {
      const timeline = Timeline.create(gpu);
      return { timeline, readback: new LabelReadback(gpu, plan.aggregations, program, timeline) };
    });
  }

  /** Plans, compiles and allocates; the arguments are `planDetection`'s. */
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

  /** Bytes of GPU memory held, and the least that the widest point needs; weights not counted. */
  get memory(): { bytes: number; liveBytes: number } {
    return { bytes: this.#program.bytes, liveBytes: this.#program.liveBytes };
  }

  /**
   * Stages timed on the GPU: `preprocess`, `network`, `aggregation`.
   * @param uploads as many as planned for
   * @param onSubmitted called when the GPU has the work: another run may begin
   */
  async run(uploads: readonly ImageUpload[], settings: PassSettings, onSubmitted?: () => void): Promise<LabelMaps> {
    const outcome = await this.#outcomes.take();
    try {
      const { device } = this.#gpu;
      const { resize, aggregations, stages } = this.#plan;
      writeUploads(device.queue, this.#program, resize, uploads);
      for (const aggregation of aggregations) device.queue.writeBuffer(this.#program.bufferOf(aggregation.settings), 0, packSettings(settings));
      const encoder = device.createCommandEncoder();
      outcome.timeline?.reset();
      this.#program.encode(encoder, outcome.timeline, stages.map(({ name }) => name));
      const labels = outcome.readback.submit(encoder);
      onSubmitted?.();
      return await labels;
    } finally {
      this.#outcomes.give(outcome);
    }
  }

  /** Not while a run is under way. */
  dispose(): void {
    this.#program.dispose();
    this.#outcomes.each(({ readback, timeline }) => {
      readback.dispose();
      timeline?.dispose();
    });
  }
}

/** The slots that `writeUploads` fills. */
export function inputsOf({ pixels, columnTaps, rowTaps }: ResizePlan) {
  return [...pixels, columnTaps, rowTaps];
}

/** @param uploads one for each image of the plan; all of one size, so that they are resized alike */
export function writeUploads(queue: GPUQueue, program: Program, resize: ResizePlan, uploads: readonly ImageUpload[]): void {
  uploads.forEach(({ pixels }, index) => {
    const target = program.bufferOf(resize.pixels[index]);
    if (pixels instanceof Uint8Array) writeBytes(queue, target, pixels);
    else pixels.texture.gather(pixels.rows, pixels.columns, target);
  });
  queue.writeBuffer(program.bufferOf(resize.columnTaps), 0, uploads[0].columnTaps);
  queue.writeBuffer(program.bufferOf(resize.rowTaps), 0, uploads[0].rowTaps);
}

// Only fours of bytes can be written; what is left goes by itself, with zeros.
function writeBytes(queue: GPUQueue, target: GPUBuffer, bytes: Uint8Array): void {
  const whole = bytes.length - (bytes.length % 4);
  if (whole > 0) queue.writeBuffer(target, 0, bytes as Uint8Array<ArrayBuffer>, 0, whole);
  if (whole === bytes.length) return;
  const rest = new Uint8Array(4);
  rest.set(bytes.subarray(whole));
  queue.writeBuffer(target, whole, rest);
}
