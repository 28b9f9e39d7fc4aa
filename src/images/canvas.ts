// An image to draw on: single pixels, and how far pixels are from lines.
import type { Point } from '../shapes/geometry.js';
import type { PixelImage } from './image.js';

export type Colour = readonly [red: number, green: number, blue: number];
export type Segment = readonly [from: Point, to: Point];

/** The colour of the dark rim around lines and letters. */
export const HALO: Colour = [0, 0, 0];

export interface Canvas extends PixelImage {
  readonly data: Uint8ClampedArray;
}

/** Mixes a colour into a pixel. @param opacity 0 to 1 */
export function blend(
  { width, channels, data }: Canvas,
  x: number,
  y: number,
  colour: Colour,
  opacity: number,
): void {
  const at = (y * width + x) * channels;
  for (let c = 0; c < 3; c++) data[at + c] += (colour[c] - data[at + c]) * opacity;
}

/**
 * Share of a pixel that a shape covers if the pixel's centre is `inside` pixels inside its border.
 */
export const coverage = (inside: number): number => Math.min(Math.max(inside + 0.5, 0), 1);

/**
 * Distance to the nearest segment for each pixel nearer than `reach`, by pixel index, so that each
 * pixel is blended once even if several segments are near.
 */
export function distancesTo(
  segments: readonly Segment[],
  { width, height }: Pick<PixelImage, 'width' | 'height'>,
  reach: number,
): Map<number, number> {
  const distances = new Map<number, number>();
  for (const [[x0, y0], [x1, y1]] of segments) {
    const [dx, dy] = [x1 - x0, y1 - y0];
    const squaredLength = dx * dx + dy * dy;
    const top = Math.max(0, Math.ceil(Math.min(y0, y1) - reach));
    const bottom = Math.min(height - 1, Math.floor(Math.max(y0, y1) + reach));
    for (let y = top; y <= bottom; y++) {
      const [from, to] = strip(x0, y0, x1, y1, y, reach, width);
      for (let x = from; x <= to; x++) {
        const along = squaredLength === 0 ? 0 : ((x - x0) * dx + (y - y0) * dy) / squaredLength;
        const t = Math.min(Math.max(along, 0), 1);
        const distance = Math.hypot(x - x0 - t * dx, y - y0 - t * dy);
        const at = y * width + x;
        if (distance < reach && distance < (distances.get(at) ?? Infinity))
          distances.set(at, distance);
      }
    }
  }
  return distances;
}

/**
 * The columns of row y that can be nearer than `reach` to a segment, so that a long diagonal is not
 * tested in its whole bounding box.
 */
function strip(
  x0: number,
  y0: number,
  x1: number,
  y1: number,
  y: number,
  reach: number,
  width: number,
): [from: number, to: number] {
  const at = (row: number) => (y0 === y1 ? x0 : x0 + ((row - y0) / (y1 - y0)) * (x1 - x0));
  const within = (row: number) => Math.min(Math.max(row, Math.min(y0, y1)), Math.max(y0, y1));
  const ends = y0 === y1 ? [x0, x1] : [at(within(y - reach)), at(within(y + reach))];
  const from = Math.max(0, Math.ceil(Math.min(...ends) - reach));
  const to = Math.min(width - 1, Math.floor(Math.max(...ends) + reach));
  return [from, to];
}
