import { PanppError } from '../errors.js';

/**
 * An 8-bit image in memory, row by row, channels interleaved, no row padding.
 * `data.length` is `width · height · channels`. The alpha of a 4-channel image is ignored (dropped
 * over the raw colour). A browser's `ImageData` is one with `channels` 4.
 */
export interface PixelImage {
  /** Pixels of a row. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
  /** 3 = RGB, 4 = RGBA. */
  readonly channels: 3 | 4;
  /**
   * [height][width][channels], 0 … 255. Not to be changed until the call that was given the image
   * has its result.
   */
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** Whether these are bytes as an image has them, from this or another realm of a browser. */
export function isBytes(data: unknown): data is PixelImage['data'] {
  return /^\[object Uint8(Clamped)?Array\]$/.test(Object.prototype.toString.call(data));
}

/**
 * @throws PanppError `argument` for what is no image, such as one of floats, or of another size
 * than its pixels
 */
export function checkImage({ width, height, channels, data }: PixelImage): void {
  const fail = (what: string): never => {
    throw new PanppError('argument', what);
  };
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0))
    fail(`an image of ${width} × ${height} pixels has nothing to look at`);
  if (channels !== 3 && channels !== 4)
    fail(`an image has 3 or 4 channels, not ${String(channels)}`);
  if (!isBytes(data))
    fail(
      `an image's data is a Uint8Array or Uint8ClampedArray with values 0 … 255, not ${Object.prototype.toString.call(data).slice(8, -1)}`,
    );
  const bytes = width * height * channels;
  if (data.length !== bytes)
    fail(`an image of ${width} × ${height} × ${channels} needs ${bytes} bytes, not ${data.length}`);
}
