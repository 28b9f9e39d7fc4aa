// The nearest-neighbour rule of OpenCV's resize (INTER_NEAREST): image pixel i reads map pixel ⌊i ·
// map / image⌋.

import { PanppError } from '../errors.js';

/**
 * One axis of a map that is enlarged to an image's size. The image is at least as large, so every
 * map pixel is read.
 */
export interface NearestAxis {
  /** For each image index, the map index it reads. */
  readonly sources: Int32Array;
  /** Per map index, the first image index that reads it; the last entry is the image's size. */
  readonly starts: Int32Array;
}

/**
 * @throws PanppError `argument` if the image is smaller than the map (some map pixels would be
 * lost).
 */
export function nearestAxis(mapSize: number, imageSize: number): NearestAxis {
  if (!(imageSize >= mapSize && mapSize > 0)) {
    throw new PanppError(
      'argument',
      `a map of ${mapSize} pixels can't be enlarged to an image of ${imageSize} pixels`,
    );
  }
  // Two divisions, as in OpenCV: their rounding matters where the exact quotient is whole.
  const step = 1 / (imageSize / mapSize);
  const sources = new Int32Array(imageSize);
  const starts = new Int32Array(mapSize + 1).fill(imageSize);
  for (let i = imageSize - 1; i >= 0; i--) {
    sources[i] = Math.min(Math.floor(i * step), mapSize - 1);
    starts[sources[i]] = i;
  }
  return { sources, starts };
}
