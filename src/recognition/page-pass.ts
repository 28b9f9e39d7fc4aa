// Reads words on a page where they stand level.
import type { Gpu } from '../gpu/context.js';
import type { Program } from '../gpu/program.js';
import { TexturePixels } from '../gpu/texture-pixels.js';
import type { Size } from '../images/size.js';
import { type PixelSource, gather } from '../images/upload.js';
import { type RectifyPlan, lineHeight, planRectify } from '../layers/rectify.js';
import { type Page, packColumns, packSources, pageShape } from './pages.js';
import { type Reader, createReader } from './reader.js';
import type { ReadingSetup } from './reading.js';
import { type Roi, roiOfShape } from './roi.js';
import { wordBox } from './strips.js';
import type { Word } from './words.js';

/** Recognition on pages of a number of lines, of images with so many bytes per pixel. */
export class PagePass {
  readonly #gpu: Gpu;
  readonly #plan: RectifyPlan;
  readonly #program: Program;
  readonly #reader: Reader;

  private constructor(gpu: Gpu, plan: RectifyPlan, program: Program, reader: Reader) {
    this.#gpu = gpu;
    this.#plan = plan;
    this.#program = program;
    this.#reader = reader;
  }

  static async create(
    gpu: Gpu,
    setup: ReadingSetup,
    lines: number,
    channels: 3 | 4,
  ): Promise<PagePass> {
    const plan = planRectify({ ...pageShape(lines), channels });
    const { program, reader } = await createReader(gpu, setup, {
      ...plan,
      stages: ['rectification', 'pages'],
      todo: 'read without rectifying (rectify: false, --no-rectify)',
      written: [plan.pixels, plan.columns, plan.sources],
    });
    return new PagePass(gpu, plan, program, reader);
  }

  get memory(): { bytes: number; liveBytes: number } {
    return this.#program;
  }

  /**
   * Reads the strips of a page, in their order.
   * @returns their words and RoIs, the page's size, and GPU timings in milliseconds
   */
  async read(
    image: PixelSource,
    page: Page,
  ): Promise<{
    words: Word[];
    rois: Roi[];
    size: Size;
    timings: Readonly<Record<string, number>>;
  }> {
    const { output } = this.#plan;
    writePage(this.#gpu.device.queue, this.#program, this.#plan, image, page);
    const rois = page.strips.map(({ strip, line, left }, index) =>
      roiOfShape(wordBox(strip, left, line * lineHeight), `strip ${index}`, output, output),
    );
    return { ...(await this.#reader.read({ rois, maskScale: 1 })), rois, size: output };
  }

  dispose(): void {
    this.#reader.dispose();
    this.#program.dispose();
  }
}

/** Writes a page, and the pixels that it is sampled from, into a program's buffers. */
export function writePage(
  queue: GPUQueue,
  program: Program,
  { pixels, columns, sources }: RectifyPlan,
  image: PixelSource,
  page: Page,
): void {
  writeSources(queue, image, page, program.bufferOf(pixels));
  queue.writeBuffer(program.bufferOf(columns), 0, packColumns(page));
  queue.writeBuffer(program.bufferOf(sources), 0, packSources(page));
}

function writeSources(
  queue: GPUQueue,
  image: PixelSource,
  { strips }: Page,
  target: GPUBuffer,
): void {
  if (image instanceof TexturePixels) {
    image.gather(
      strips.map(({ source: { rows, columns }, firstByte }) => ({ rows, columns, firstByte })),
      target,
    );
    return;
  }
  const { firstByte, source } = strips[strips.length - 1];
  const bytes = new Uint8Array(firstByte + source.bytes);
  for (const { source: each, firstByte: first } of strips)
    bytes.set(gather(image, each.rows, each.columns), first);
  queue.writeBuffer(target, 0, bytes);
}
