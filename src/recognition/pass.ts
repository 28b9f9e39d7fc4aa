// Reads given regions of an image, without detection.
import type { Gpu } from '../gpu/context.js';
import { Program } from '../gpu/program.js';
import type { ImageInput } from '../images/input.js';
import type { Size } from '../images/size.js';
import type { ImageUpload } from '../images/upload.js';
import { inputsOf, writeUploads } from '../images/write-uploads.js';
import { type ResizePlan, type ResizeSource, planResize } from '../layers/resize.js';
import { fusedLevels, dispatchesUpTo, planNetwork } from '../network/plan.js';
import type { Box, Polygon } from '../shapes/geometry.js';
import { Reader, planReader } from './reader.js';
import { type ReadOptions, type ReadingSetup, type TextReading, readingOf } from './reading.js';
import { type Rois, roisOfShapes } from './roi.js';
import type { Word } from './words.js';

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
    { upload, size }: { readonly upload: ResizeSource; readonly size: Size },
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
    const rois = roisOfShapes(shapes, input);
    const start = performance.now();
    const { words, gpuTimings } = await this.read(input.upload, { rois, maskScale: 1 });
    return {
      words: words.map((word, index) => readingOf(word, rois[index], input, options)),
      timings: { ...gpuTimings, reading: performance.now() - start },
    };
  }

  /** Reads regions given as masks, in the given order. */
  async read(
    upload: ImageUpload,
    rois: Rois,
  ): Promise<{ words: Word[]; gpuTimings: Readonly<Record<string, number>> }> {
    writeUploads(this.#gpu.device.queue, this.#program, this.#resize, [upload]);
    return this.#reader.read(rois, ['preprocess', 'network', 'features']);
  }

  dispose(): void {
    this.#reader.dispose();
    this.#program.dispose();
  }
}
