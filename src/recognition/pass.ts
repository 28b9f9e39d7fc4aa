// Reads given regions of an image, without detection.
import type { Gpu } from '../gpu/context.js';
import { Program } from '../gpu/program.js';
import type { ImageInput } from '../images/input.js';
import { inputsOf, writeUploads } from '../images/write-uploads.js';
import { type ResizePlan, planResize } from '../layers/resize.js';
import { fusedLevels, dispatchesUpTo, planNetwork } from '../network/plan.js';
import type { Box, Polygon } from '../shapes/geometry.js';
import { Reader, planReader } from './reader.js';
import { type ReadOptions, type ReadingSetup, type TextReading, readingOf } from './reading.js';
import { roiOfShape } from './roi.js';

/** Recognition of given regions of an image, for one source size and one network input size. */
export class RecognitionPass {
  readonly #gpu: Gpu;
  readonly #resize: ResizePlan;
  readonly #program: Program;
  readonly #reader: Reader;

  private constructor(gpu: Gpu, resize: ResizePlan, program: Program, reader: Reader) {
    this.#gpu = gpu;
    this.#resize = resize;
    this.#program = program;
    this.#reader = reader;
  }

  static async create(
    gpu: Gpu,
    { config, weights, head, decoding }: ReadingSetup,
    { upload, size }: ImageInput,
  ): Promise<RecognitionPass> {
    const resize = planResize(upload, size.height, size.width);
    const network = planNetwork(config, weights, resize.output);
    const reading = planReader(network, weights, head.weights, size, decoding);
    const program = await Program.create(
      gpu,
      [
        { name: 'preprocess', dispatches: resize.dispatches },
        { name: 'network', dispatches: dispatchesUpTo(network, fusedLevels(network)) },
        ...reading.stages,
      ],
      [...inputsOf(resize), ...reading.pinned],
      reading.kept,
    );
    return new RecognitionPass(
      gpu,
      resize,
      program,
      new Reader(gpu, reading.recognition, program, head.vocabulary),
    );
  }

  get memory(): { bytes: number; liveBytes: number } {
    return this.#program;
  }

  /**
   * Reads regions of an image, in the given order.
   * @throws PanppError `argument` for an invalid region
   */
  async recognize(
    input: ImageInput,
    shapes: readonly (Polygon | Box)[],
    options: ReadOptions,
  ): Promise<{ words: TextReading[]; timings: Record<string, number> & { reading: number } }> {
    const rois = shapes.map((shape, index) =>
      roiOfShape(shape, `region ${index}`, input.size, input.original),
    );
    const start = performance.now();
    writeUploads(this.#gpu.device.queue, this.#program, this.#resize, [input.upload]);
    const { words, gpuTimings } = await this.#reader.read({ rois, maskScale: 1 }, [
      'preprocess',
      'network',
      'features',
    ]);
    return {
      words: words.map((word, index) => readingOf(word, rois[index], input, options)),
      timings: { ...gpuTimings, reading: performance.now() - start },
    };
  }

  dispose(): void {
    this.#reader.dispose();
    this.#program.dispose();
  }
}
