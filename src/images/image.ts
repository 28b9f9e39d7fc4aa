import { PanppError } from '../errors.js';
import { checkInteger } from '../options.js';

/**
 * An 8-bit image in memory, row by row, channels interleaved, no row padding.
 * `data.length` is `width · height · channels`. Alpha is ignored: the raw colour is used. A
 * browser's `ImageData` corresponds to `channels` 4.
 */
export interface PixelImage {
  /** Width in pixels. */
  readonly width: number;
  /** Height in pixels. */
  readonly height: number;
  /** 3 = RGB, 4 = RGBA. */
  readonly channels: 3 | 4;
  /**
   * [height][width][channels], 0 … 255. Must not be changed until the call that uses the image has
   * finished.
   */
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** Whether `data` is a valid byte array for an image, from this or another JavaScript realm. */
export function isBytes(data: unknown): data is PixelImage['data'] {
  return /^\[object Uint8(Clamped)?Array\]$/.test(Object.prototype.toString.call(data));
}

/**
 * @throws PanppError `argument` for an invalid image, for example with float data or a data length
 * that does not match its size
 */
export function checkImage({ width, height, channels, data }: PixelImage): void {
  const fail = (what: string): never => {
    throw new PanppError('argument', what);
  };
  checkInteger("an image's width", width, 1);
  checkInteger("an image's height", height, 1);
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
