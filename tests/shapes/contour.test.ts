import { describe, expect, it } from 'vitest';

import { traceContour } from '../../src/shapes/contour.js';
import type { Point } from '../../src/shapes/geometry.js';
import { pixelsOf, readOutlines } from './outlines.js';

function contourOf(rows: readonly string[]): Point[] {
  const [x, y] = pixelsOf(rows)[0];
  return traceContour((column, row) => rows[row]?.[column] === '#', x, y);
}

describe('traceContour', () => {
  it('goes down first and keeps the corners only', () => {
    expect(contourOf(['....', '.###', '.###'])).toEqual([
      [1, 1],
      [1, 2],
      [3, 2],
      [3, 1],
    ]);
  });

  it('gives a single pixel as one point and a line as its two ends', () => {
    expect(contourOf(['..', '.#'])).toEqual([[1, 1]]);
    expect(contourOf(['####'])).toEqual([
      [0, 0],
      [3, 0],
    ]);
  });

  it('cuts inner corners diagonally', () => {
    expect(contourOf(['##..', '##..', '####', '####'])).toEqual([
      [0, 0],
      [0, 3],
      [3, 3],
      [3, 2],
      [2, 2],
      [1, 1],
      [1, 0],
    ]);
  });

  it('passes the first pixel as often as the border does', () => {
    expect(contourOf(['..#..', '.#.#.', '#...#'])).toEqual([
      [2, 0],
      [0, 2],
      [2, 0],
      [4, 2],
    ]);
  });

  it('leaves holes alone', () => {
    expect(contourOf(['###', '#.#', '###'])).toEqual([
      [0, 0],
      [0, 2],
      [2, 2],
      [2, 0],
    ]);
  });

  it('equals OpenCV on random blobs, start, direction and order included', () => {
    for (const { rows, contour } of readOutlines().blobs)
      expect(contourOf(rows), rows.join('\n')).toEqual(contour);
  });
});
