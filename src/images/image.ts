/**
 * An 8-bit image in memory, row by row, channels interleaved, no row padding.
 * `data.length` is `width · height · channels`. The alpha of a 4-channel image is ignored (dropped over the raw colour).
 * A browser's `ImageData` is one with `channels` 4.
 */
export interface PixelImage {
  /** Pixels of a row. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
  /** 3 = RGB, 4 = RGBA. */
  readonly channels: 3 | 4;
  /** [height][width][channels], 0 … 255. Not to be changed until the call that was given the image has its result. */
  readonly data: Uint8Array | Uint8ClampedArray;
}
