// Computes the network's input size for an image: spec "Input" 2 (the reference's
// scale_aligned_short).
import { PanppError } from '../errors.js';
import type { DetectionSettings } from '../network/config.js';
import { checkInteger } from '../options.js';

/** Rows and columns, in pixels. */
export interface Size {
  readonly height: number;
  readonly width: number;
}

/** The network halves its input five times. */
const STRIDE = 32;

/** Maximum number of pixels of a resized image that is processed whole: 4096 × 4096. */
export const DEFAULT_MAX_PIXELS = 2 ** 24;

/**
 * Maximum number of pixels of a resized image that is processed in tiles. Its map, which has
 * 1 / scale² as many pixels, is held in CPU memory: at most 400 MB.
 */
export function mostPixels(scale: number): number {
  return 2 ** 24 * scale ** 2;
}

/** The settings that determine the size of a resized image. */
export type ResizeSettings = Pick<DetectionSettings, 'shortSide' | 'maxSide'>;

/** @throws PanppError `argument` if a side is no integer, or too small */
export function checkResizeSettings({ shortSide, maxSide }: ResizeSettings): void {
  checkInteger('shortSide', shortSide, 1);
  if (maxSide !== undefined) checkInteger('maxSide', maxSide, STRIDE);
}

/**
 * The size to resize an image to: its shorter side becomes `shortSide`, or less if `maxSide`
 * requires it; then each side is rounded up to a multiple of 32, at most `maxSide`.
 * @param maxPixels maximum number of pixels of the result (a 1 × 5000 image at short side 736 would
 * become 736 × 3 680 000)
 * @throws PanppError `argument` if a side is not a positive integer, `image` if the result is too
 * large
 */
export function resizedSize(
  height: number,
  width: number,
  settings: ResizeSettings,
  maxPixels = DEFAULT_MAX_PIXELS,
): Size {
  for (const [name, side] of Object.entries({ height, width })) checkInteger(name, side, 1);
  checkResizeSettings(settings);
  const { shortSide, maxSide } = settings;
  // Rounding a side up to a multiple of 32 must not exceed the maximum.
  const longest = Math.floor((maxSide ?? Infinity) / STRIDE) * STRIDE;
  const scale = Math.min(shortSide / Math.min(height, width), longest / Math.max(height, width));
  const aligned = (side: number) =>
    Math.ceil(Math.max(1, Math.floor(side * scale + 0.5)) / STRIDE) * STRIDE;
  const result = { height: aligned(height), width: aligned(width) };
  if (result.height * result.width > maxPixels) {
    throw new PanppError(
      'image',
      `an image of ${width} x ${height} pixels becomes ${result.width} x ${result.height} ` +
        `at short side ${shortSide}, more than ${maxPixels} pixels; choose a smaller short side, or limit the longer side (maxSide, --max-side)`,
    );
  }
  return result;
}
