// Reads given regions of an image, without detection.
import type { Gpu } from '../gpu/context.js';
import type { Program } from '../gpu/program.js';
import type { Size } from '../images/size.js';
import type { ImageUpload } from '../images/upload.js';
import { inputsOf, writeUploads } from '../images/write-uploads.js';
import { type ResizePlan, type ResizeSource, planResize } from '../layers/resize.js';
import { type Reader, createReader } from './reader.js';
import type { ReadingSetup } from './reading.js';
import type { Rois } from './roi.js';

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
    setup: ReadingSetup,
    { upload, size }: { readonly upload: ResizeSource; readonly size: Size },
  ): Promise<RecognitionPass> {
    const resize = planResize(upload, size.height, size.width);
    const { program, reader } = await createReader(gpu, setup, {
      ...resize,
      stages: ['preprocess', 'network'],
      written: inputsOf(resize),
    });
    return new RecognitionPass(gpu, resize, program, reader);
  }

  get memory(): { bytes: number; liveBytes: number } {
    return this.#program;
  }

  /** Reads regions given as masks, in the given order. */
  read(upload: ImageUpload, rois: Rois): ReturnType<Reader['read']> {
    writeUploads(this.#gpu.device.queue, this.#program, this.#resize, [upload]);
    return this.#reader.read(rois);
  }

  dispose(): void {
    this.#reader.dispose();
    this.#program.dispose();
  }
}
