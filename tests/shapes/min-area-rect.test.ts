import { describe, expect, it } from 'vitest';

import { PanppError } from '../../src/errors.js';
import { boxPoints, minAreaRect } from '../../src/shapes/min-area-rect.js';
import { readOutlines } from './outlines.js';

describe('minAreaRect', () => {
  it('fits an upright rectangle', () => {
    const rect = minAreaRect([
      [4, 2],
      [0, 2],
      [0, 0],
      [4, 0],
    ]);
    expect(rect.center).toEqual([2, 1]);
    expect(rect.width * rect.height).toBe(8);
    expect(Math.abs(rect.angle) % 90).toBe(0);
  });

  it('fits a square that stands on its corner', () => {
    const rect = minAreaRect([
      [4, 2],
      [2, 4],
      [0, 2],
      [2, 0],
    ]);
    expect(rect.center[0]).toBeCloseTo(2, 5);
    expect(rect.center[1]).toBeCloseTo(2, 5);
    expect(rect.width).toBeCloseTo(2 * Math.SQRT2, 5);
    expect(rect.height).toBeCloseTo(2 * Math.SQRT2, 5);
    expect(rect.angle).toBeCloseTo(45, 5);
  });

  it('gives two points a rectangle without height and one point an empty one', () => {
    expect(
      minAreaRect([
        [9, 5],
        [5, 5],
      ]),
    ).toEqual({ center: [7, 5], width: 4, height: 0, angle: 180 });
    expect(minAreaRect([[3, 8]])).toEqual({ center: [3, 8], width: 0, height: 0, angle: 0 });
  });

  it('refuses an empty hull', () => {
    expect(() => minAreaRect([])).toThrow(PanppError);
  });

  it('equals OpenCV on random blobs, corner by corner', () => {
    for (const { rows, hull, rect, corners } of readOutlines().blobs) {
      const found = minAreaRect(hull);
      expect([...found.center, found.width, found.height, found.angle], rows.join('\n')).toEqual(
        rect,
      );
      expect(boxPoints(found), rows.join('\n')).toEqual(corners);
    }
  });
});

describe('boxPoints', () => {
  it('turns the corners about the centre', () => {
    const corners = boxPoints({ center: [10, 20], width: 4, height: 2, angle: 90 });
    const expected = [
      [9, 18],
      [11, 18],
      [11, 22],
      [9, 22],
    ];
    corners.forEach(([x, y], i) => {
      expect(x).toBeCloseTo(expected[i][0], 5);
      expect(y).toBeCloseTo(expected[i][1], 5);
    });
  });
});
