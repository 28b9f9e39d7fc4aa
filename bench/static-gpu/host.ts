// What an image costs the host, from pixels to regions, on a device that computes nothing
// (layer/nullgpu.c). What is read back there was computed on another device before.
import type { Gpu } from '../../src/gpu/context.js';
import { Program } from '../../src/gpu/program.js';
import { detectRegions } from '../../src/detection/detect.js';
import { DetectionPass } from '../../src/detection/pass.js';
import type { PixelImage } from '../../src/images/image.js';
import { prepareUpload } from '../../src/images/upload.js';
import type { PlannedDetection } from './plan.js';

/**
 * Milliseconds: from the pixels until the first part of the work is submitted (`first`), until all
 * of it is (`together`); then, beginning when the GPU is done, reading the results back (`read`) and
 * computing the regions' shapes (`regions`); and the CPU time of all threads.
 */
type RunTimes = Readonly<Record<(typeof timeNames)[number], number>>;

const timeNames = ['first', 'together', 'read', 'regions', 'cpu'] as const;

/** The median and the least of the runs. */
export type HostTimes = Readonly<
  Record<keyof RunTimes, { readonly median: number; readonly least: number }>
>;

const measuredRuns = 100;
const warmUpRuns = 10;

export class ImageRun {
  readonly #pass: DetectionPass;
  readonly #planned: PlannedDetection;
  readonly #image: PixelImage;
  readonly #readbacks: readonly GPUBuffer[];
  #onSubmit = (): unknown => undefined;

  private constructor(
    gpu: Gpu,
    pass: DetectionPass,
    planned: PlannedDetection,
    image: PixelImage,
    readbacks: readonly GPUBuffer[],
  ) {
    this.#pass = pass;
    this.#planned = planned;
    this.#image = image;
    this.#readbacks = readbacks;
    const { queue } = gpu.device;
    const submit = queue.submit.bind(queue);
    queue.submit = (buffers) => {
      submit(buffers);
      this.#onSubmit();
    };
  }

  /** @param image has the size of the plan's input */
  static async create(gpu: Gpu, planned: PlannedDetection, image: PixelImage): Promise<ImageRun> {
    const { device } = gpu;
    const { plan } = planned;
    const program = await Program.create(gpu, plan.stages, plan.pinned);
    const readbacks: GPUBuffer[] = [];
    const create = device.createBuffer.bind(device);
    device.createBuffer = (descriptor) => {
      const buffer = create(descriptor);
      if (descriptor.usage & GPUBufferUsage.MAP_READ) readbacks.push(buffer);
      return buffer;
    };
    const pass = await DetectionPass.with(gpu, plan, program);
    device.createBuffer = create;
    return new ImageRun(gpu, pass, planned, image, readbacks);
  }

  async run(): Promise<RunTimes> {
    const submitted: number[] = [];
    this.#onSubmit = () => submitted.push(performance.now());
    const cpu = process.cpuUsage();
    const begin = performance.now();
    const upload = prepareUpload(this.#image, this.#image.height, this.#image.width);
    const { timings } = await detectRegions(
      this.#pass,
      [{ upload, size: this.#image, original: this.#image }],
      this.#planned.settings,
    );
    const end = performance.now();
    const { user, system } = process.cpuUsage(cpu);
    const [first, last] = [submitted[0], submitted.at(-1)!];
    return {
      first: first - begin,
      together: last - begin,
      read: end - last - timings.regions,
      regions: timings.regions,
      cpu: (user + system) / 1000,
    };
  }

  /** The bytes that a run has read back. */
  async results(): Promise<Uint8Array> {
    const all = [];
    for (const buffer of this.#readbacks) all.push(await mapped(buffer, (bytes) => bytes.slice()));
    const results = all.find((bytes) => bytes.some((byte) => byte !== 0));
    if (!results) throw new Error('nothing was read back; run the image first');
    return results;
  }

  /** Makes all runs read back the same bytes, on a device whose copies do nothing. */
  async pretend(results: Uint8Array): Promise<void> {
    for (const buffer of this.#readbacks)
      await mapped(buffer, (bytes) => bytes.set(results.subarray(0, bytes.length)));
  }
}

async function mapped<T>(buffer: GPUBuffer, use: (bytes: Uint8Array) => T): Promise<T> {
  await buffer.mapAsync(GPUMapMode.READ);
  const result = use(new Uint8Array(buffer.getMappedRange()));
  buffer.unmap();
  return result;
}

export async function timeHost(image: ImageRun): Promise<HostTimes> {
  for (let index = 0; index < warmUpRuns; index++) await image.run();
  const runs: RunTimes[] = [];
  while (runs.length < measuredRuns) runs.push(await image.run());
  return Object.fromEntries(
    timeNames.map((name) => {
      const sorted = runs.map((run) => run[name]).sort((a, b) => a - b);
      return [name, { median: sorted[measuredRuns >> 1], least: sorted[0] }];
    }),
  ) as HostTimes;
}
