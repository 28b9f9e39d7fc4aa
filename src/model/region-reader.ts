// Reads regions: as they stand and, unless the call says otherwise, rectified as well.
import type { Gpu } from '../gpu/context.js';
import { addTimes } from '../gpu/timeline.js';
import type { Size } from '../images/size.js';
import { type PixelSource, channelsOf } from '../images/upload.js';
import { PagePass } from '../recognition/page-pass.js';
import {
  type LocatedWord,
  type ReadOptions,
  type ReadingSetup,
  bestOf,
  locatedWords,
} from '../recognition/reading.js';
import { type RectifiedReadings, readRectified } from '../recognition/rectified.js';
import type { Rois } from '../recognition/roi.js';
import type { Word } from '../recognition/words.js';
import type { CallOptions } from './options.js';
import { PassCache, type PassShelf } from './pass-cache.js';

/** Pages come in three heights, which take 170 MiB together in float32: all are kept. */
const keptPages = { least: 1, most: 6, bytes: 2 ** 27 };

/** Reads the regions of an image once. Timings are in milliseconds. */
export type ReadOnce = (rois: Rois) => Promise<{
  readonly words: readonly Word[];
  readonly timings: Readonly<Record<string, number>>;
}>;

/** An image and how its regions are read. */
export interface ReadingTask {
  readonly image: PixelSource;
  /** Of the resized image, which the regions refer to. */
  readonly size: Size;
  readonly setup: ReadingSetup;
  readonly options: ReadOptions & CallOptions;
}

export class RegionReader {
  readonly #gpu: Gpu;
  // A cache of its own: one of the other passes is in use meanwhile.
  readonly #passes = new PassCache(keptPages);
  readonly #pages: PassShelf<PagePass> = this.#passes.shelf();

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  /** GPU memory of the kept programs in bytes. */
  get bytes(): number {
    return this.#passes.bytes;
  }

  /** Reads regions; `readOnce` reads them as they stand. Calls must not overlap. */
  async read(
    rois: Rois,
    { image, size, setup, options }: ReadingTask,
    readOnce: ReadOnce,
  ): Promise<{
    words: LocatedWord[];
    timings: Record<string, number> & { reading: number };
  }> {
    const start = performance.now();
    const { rectify = true, signal } = options;
    const both: [ReturnType<ReadOnce>, Promise<RectifiedReadings>] = [
      readOnce(rois),
      rectify
        ? readRectified(image, rois, size, this.#withPass(image, setup), signal)
        : Promise.resolve({ readings: [], timings: {} }),
    ];
    // Both have ended before the call does, even if one fails: they use the image and the passes.
    await Promise.allSettled(both);
    const [once, again] = await Promise.all(both);
    const timings: Record<string, number> = { ...once.timings };
    addTimes(timings, again.timings);
    const words = locatedWords(once.words, rois.rois, size, image).map((word, index) =>
      bestOf(word, again.readings[index] ?? []),
    );
    return { words, timings: { ...timings, reading: performance.now() - start } };
  }

  #withPass(image: PixelSource, setup: ReadingSetup) {
    const channels = channelsOf(image);
    return async <T>(lines: number, work: (pass: PagePass) => Promise<T>): Promise<T> => {
      const key = [lines, channels, setup.decoding.beam].join();
      const kept = await this.#pages.find(key, () =>
        PagePass.create(this.#gpu, setup, lines, channels),
      );
      const working = work(kept.pass);
      kept.holdFor(working);
      return working;
    };
  }

  dispose(): void {
    this.#passes.dispose();
  }
}
