// One image through the GPU, for one size of source and of network input: resize, network, aggregation, region sums; one submit.
import { type LabelMap, LabelReadback } from '../aggregation/label-readback.js';
import { packSettings, planAggregation } from '../aggregation/plan.js';
import type { AggregationPlan } from '../aggregation/plan.js';
import type { AggregationInput } from '../aggregation/types.js';
import type { Gpu } from '../gpu/context.js';
import { Program } from '../gpu/program.js';
import { Timeline } from '../gpu/timeline.js';
import type { ImageUpload } from '../images/upload.js';
import { type ResizePlan, planResize } from '../layers/resize.js';
import type { ModelConfig } from '../network/config.js';
import { planNetwork } from '../network/plan.js';
import type { NetworkWeights } from '../network/weights.js';

/** Aggregation's settings, areas in pixels of the map. */
export type PassSettings = Pick<AggregationInput, 'minKernelArea' | 'mode' | 'distance'>;

interface Size {
  readonly height: number;
  readonly width: number;
}

export class DetectionPass {
  readonly #gpu: Gpu;
  readonly #resize: ResizePlan;
  readonly #aggregation: AggregationPlan;
  readonly #program: Program;
  readonly #timeline: Timeline | undefined;
  readonly #readback: LabelReadback;
  /** Size of the label map. */
  readonly mapSize: Size;

  private constructor(gpu: Gpu, resize: ResizePlan, aggregation: AggregationPlan, mapSize: Size, program: Program) {
    this.#gpu = gpu;
    this.#resize = resize;
    this.#aggregation = aggregation;
    this.mapSize = { height: mapSize.height, width: mapSize.width };
    this.#program = program;
    this.#timeline = Timeline.create(gpu);
    this.#readback = new LabelReadback(gpu, aggregation, program, this.#timeline);
  }

  /** Plans, compiles and allocates for images with `rows` × `columns` uploaded pixels, looked at at `size`. */
  static async create(
    gpu: Gpu,
    config: ModelConfig,
    weights: NetworkWeights,
    { rows, columns }: Pick<ImageUpload, 'rows' | 'columns'>,
    size: Size,
  ): Promise<DetectionPass> {
    const resize = planResize(rows, columns, size.height, size.width);
    const network = planNetwork(config, weights, resize.output);
    const aggregation = planAggregation(network.map, size);
    const program = await Program.create(
      gpu,
      [
        { name: 'preprocess', kernels: resize.kernels },
        { name: 'network', kernels: network.kernels },
        { name: 'aggregation', kernels: aggregation.kernels },
      ],
      [...inputsOf(resize), aggregation.settings, aggregation.labels, aggregation.listed, aggregation.sums],
    );
    return new DetectionPass(gpu, resize, aggregation, network.map, program);
  }

  /** Bytes of GPU memory held, and the least that the widest point needs; weights not counted. */
  get memory(): { bytes: number; liveBytes: number } {
    return { bytes: this.#program.bytes, liveBytes: this.#program.liveBytes };
  }

  /** Stages timed on the GPU: `preprocess`, `network`, `aggregation`. */
  async run(upload: ImageUpload, settings: PassSettings): Promise<LabelMap> {
    const { device } = this.#gpu;
    writeUpload(device.queue, this.#program, this.#resize, upload);
    device.queue.writeBuffer(this.#program.bufferOf(this.#aggregation.settings), 0, packSettings(settings));
    const encoder = device.createCommandEncoder();
    this.#timeline?.reset();
    this.#program.encode(encoder, this.#timeline);
    return this.#readback.submit(encoder);
  }

  dispose(): void {
    this.#program.dispose();
    this.#readback.dispose();
    this.#timeline?.dispose();
  }
}

/** The slots that `writeUpload` fills. */
export function inputsOf({ pixels, columnTaps, rowTaps }: ResizePlan) {
  return [pixels, columnTaps, rowTaps];
}

export function writeUpload(queue: GPUQueue, program: Program, resize: ResizePlan, upload: ImageUpload): void {
  queue.writeBuffer(program.bufferOf(resize.pixels), 0, upload.pixels);
  queue.writeBuffer(program.bufferOf(resize.columnTaps), 0, upload.columnTaps);
  queue.writeBuffer(program.bufferOf(resize.rowTaps), 0, upload.rowTaps);
}
