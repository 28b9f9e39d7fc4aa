// The network alone, from an image's bytes to the head's map on the host: the same task that a
// general runtime is given.
import { Program } from '../src/gpu/program.js';
import { Readback, sliceOf } from '../src/gpu/readback.js';
import { Timeline } from '../src/gpu/timeline.js';
import type { Gpu } from '../src/gpu/context.js';
import { inputsOf, writeUploads } from '../src/images/write-uploads.js';
import type { PixelImage } from '../src/images/image.js';
import { type ImageUpload, prepareUpload } from '../src/images/upload.js';
import { type ResizePlan, planResize } from '../src/layers/resize.js';
import type { FeatureMap } from '../src/layers/feature-map.js';
import { mapChannels } from '../src/network/config.js';
import { planNetwork } from '../src/network/plan.js';
import { type Times, timed } from './measure.js';
import { type BenchWeights, uploadNetwork } from './weights.js';

export class NetworkRunner {
  private constructor(
    private readonly gpu: Gpu,
    private readonly upload: ImageUpload,
    private readonly resize: ResizePlan,
    private readonly det: FeatureMap,
    private readonly program: Program,
    private readonly readback: Readback,
    private readonly timeline: Timeline | undefined,
    private readonly disposeWeights: () => void,
  ) {}

  /** For one image, without resizing. */
  static async create(gpu: Gpu, model: BenchWeights, image: PixelImage): Promise<NetworkRunner> {
    const upload = prepareUpload(image, image.height, image.width);
    const weights = uploadNetwork(gpu, model);
    try {
      const resize = planResize(upload, image.height, image.width);
      const network = planNetwork(model.file.config, weights, resize.output);
      const det = network.maps.get('det')!;
      const stages = [
        { name: 'preprocess', dispatches: resize.dispatches },
        { name: 'network', dispatches: network.dispatches },
      ];
      const program = await Program.create(gpu, stages, [...inputsOf(resize), det.slot]);
      const timeline = Timeline.create(gpu);
      const readback = new Readback(gpu, det.slot.bytes + (timeline?.bytes ?? 0) + 16);
      return new NetworkRunner(gpu, upload, resize, det, program, readback, timeline, () =>
        weights.dispose(),
      );
    } catch (error) {
      weights.dispose();
      throw error;
    }
  }

  /** Wall time, and the stages' GPU times. */
  async time(): Promise<Times> {
    const { result, wall } = await timed(() => this.#run((_, gpuTimes) => gpuTimes));
    return { ...result, wall };
  }

  /** The head's map as planes. */
  async map(): Promise<Float32Array> {
    const { height, width, channels } = this.det;
    const pixels = height * width;
    return this.#run((values) =>
      Float32Array.from(
        { length: mapChannels * pixels },
        (_, index) => values[(index % pixels) * channels + Math.floor(index / pixels)],
      ),
    );
  }

  async #run<T>(use: (det: Float32Array, gpuTimes: Record<string, number>) => T): Promise<T> {
    const { device } = this.gpu;
    writeUploads(device.queue, this.program, this.resize, [this.upload]);
    const encoder = device.createCommandEncoder();
    this.timeline?.reset();
    this.program.encode(encoder, this.timeline);
    const map = this.readback.copy(
      encoder,
      this.program.bufferOf(this.det.slot),
      this.det.slot.bytes,
    );
    const timesOf = this.timeline?.copyTo(this.readback, encoder);
    device.queue.submit([encoder.finish()]);
    // Copied, because a runtime's result is a copy too.
    return this.readback.read((mapped) =>
      use(new Float32Array(sliceOf(mapped, map)), timesOf?.(mapped) ?? {}),
    );
  }

  dispose(): void {
    this.program.dispose();
    this.readback.dispose();
    this.timeline?.dispose();
    this.disposeWeights();
  }
}
