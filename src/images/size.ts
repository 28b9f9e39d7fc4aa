// Computes the network's input size for an image: spec "Input" 2 (the reference's
// scale_aligned_short).
import { PanppError } from '../errors.js';
import { checkInteger } from '../options.js';

/** Rows and columns, in pixels. */
export interface Size {
  readonly height: number;
  readonly width: number;
}

/** The network halves its input five times. */
const STRIDE = 32;

/** Default limit for the pixels of a resized image: 4096 × 4096. */
export const DEFAULT_MAX_PIXELS = 2 ** 24;

/**
 * The size to resize an image to: its shorter side becomes `shortSide`, then each side is raised to
 * a multiple of 32.
 * @param maxPixels limit for the pixels of the result (a 1 × 5000 image at short side 736 would
 * become 736 × 3 680 000)
 * @throws PanppError `argument` if a side is not a positive integer, `image` if the result is too
 * large
 */
export function resizedSize(
  height: number,
  width: number,
  shortSide: number,
  maxPixels = DEFAULT_MAX_PIXELS,
): { height: number; width: number } {
  for (const [name, side] of Object.entries({ height, width, shortSide }))
    checkInteger(name, side, 1);
  const scale = shortSide / Math.min(height, width);
  const aligned = (side: number) => Math.ceil(Math.floor(side * scale + 0.5) / STRIDE) * STRIDE;
  const result = { height: aligned(height), width: aligned(width) };
  if (result.height * result.width > maxPixels) {
    throw new PanppError(
      'image',
      `an image of ${width} x ${height} pixels becomes ${result.width} x ${result.height} ` +
        `at short side ${shortSide}, more than ${maxPixels} pixels; choose a smaller short side, or cut the image into pieces`,
    );
  }
  return result;
}
