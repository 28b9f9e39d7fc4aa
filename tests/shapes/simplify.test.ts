import { describe, expect, it } from 'vitest';

import { PanppError } from '../../src/errors.js';
import { traceContour } from '../../src/shapes/contour.js';
import type { Point, Polygon } from '../../src/shapes/geometry.js';
import { simplifyPolygon } from '../../src/shapes/simplify.js';
import { readOutlines } from './outlines.js';

type Segment = readonly [Point, Point];

const sides = (polygon: Polygon): Segment[] =>
  polygon.map((point, i) => [point, polygon[(i + 1) % polygon.length]]);

function distance([px, py]: Point, [[ax, ay], [bx, by]]: Segment): number {
  const square = (bx - ax) ** 2 + (by - ay) ** 2;
  const along = square === 0 ? 0 : ((px - ax) * (bx - ax) + (py - ay) * (by - ay)) / square;
  const t = Math.min(1, Math.max(0, along));
  return Math.hypot(px - ax - t * (bx - ax), py - ay - t * (by - ay));
}

/** Distance 0 between the segments: they cross, or an end of one lies on the other. */
function meet(a: Segment, b: Segment): boolean {
  const turn = ([p, q]: Segment, r: Point): number =>
    Math.sign((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]));
  if (turn(a, b[0]) * turn(a, b[1]) < 0 && turn(b, a[0]) * turn(b, a[1]) < 0) return true;
  const onLine = (point: Point, segment: Segment): boolean =>
    turn(segment, point) === 0 && distance(point, segment) < 1e-9;
  return b.some((end) => onLine(end, a)) || a.some((end) => onLine(end, b));
}

/** No two sides have a point in common but neighbours in their corner: by comparing all of them. */
function isSimple(polygon: Polygon): boolean {
  const all = sides(polygon);
  const count = all.length;
  if (count < 3) return false;
  return all.every((side, i) =>
    all.every((other, k) => {
      if (k <= i) return true;
      if (k === i + 1) return !meet(side, [other[1], other[1]]) && !meet([side[0], side[0]], other);
      if (i === 0 && k === count - 1)
        return !meet(side, [other[0], other[0]]) && !meet([side[1], side[1]], other);
      return !meet(side, other);
    }),
  );
}

const square: Polygon = [
  [0, 0],
  [10, 0],
  [10, 10],
  [0, 10],
];

describe('simplifyPolygon', () => {
  it('leaves out corners on a straight side', () => {
    const dense: Polygon = [
      [0, 0],
      [4, 0],
      [10, 0],
      [10, 5],
      [10, 10],
      [0, 10],
      [0, 1],
    ];
    expect(simplifyPolygon(dense, 0)).toEqual(square);
  });

  it('leaves out what is within the tolerance and keeps what is beyond', () => {
    const bumpy: Polygon = [
      [0, 0],
      [5, 2],
      [10, 0],
      [10, 10],
      [5, 13],
      [0, 10],
    ];
    expect(simplifyPolygon(bumpy, 2)).toEqual([
      [0, 0],
      [10, 0],
      [10, 10],
      [5, 13],
      [0, 10],
    ]);
    expect(simplifyPolygon(bumpy, 1.9)).toEqual(bumpy);
  });

  it('puts corners back where the shorter outline would cross itself', () => {
    const spike: Polygon = [
      [8, 2],
      [12, 1],
      [9, 3],
      [11, 8],
      [6, 8],
      [5, 7],
    ];
    const crossing: Polygon = [
      [12, 1],
      [9, 3],
      [11, 8],
      [5, 7],
    ];
    expect(isSimple(spike)).toBe(true);
    expect(isSimple(crossing)).toBe(false);
    expect(simplifyPolygon(spike, 2)).toEqual([[8, 2], ...crossing]);
  });

  it('keeps a shape thinner than the tolerance a polygon', () => {
    const thin: Polygon = [
      [0, 0],
      [20, 0],
      [20, 1],
      [0, 1],
    ];
    expect(isSimple(simplifyPolygon(thin, 5))).toBe(true);
  });

  it('drops repeated points, and gives a point, a line and nothing as they are', () => {
    expect(simplifyPolygon([...square, ...square.slice(3), ...square.slice(0, 1)], 1)).toEqual(
      square,
    );
    expect(simplifyPolygon([[3, 4]], 1)).toEqual([[3, 4]]);
    expect(
      simplifyPolygon(
        [
          [3, 4],
          [3, 4],
        ],
        1,
      ),
    ).toEqual([[3, 4]]);
    const line: Polygon = [
      [3, 4],
      [9, 4],
    ];
    expect(simplifyPolygon(line, 1)).toEqual(line);
    expect(simplifyPolygon([], 1)).toEqual([]);
  });

  it('keeps simple contours simple, near and with fewer points', () => {
    const contours = readOutlines().blobs.map(({ contour }) => contour);
    const simple = contours.filter(isSimple);
    expect(simple.length).toBeGreaterThan(250);
    const counts: number[] = [];
    for (const tolerance of [0, 1, 2, 5]) {
      let count = 0;
      for (const contour of simple) {
        const result = simplifyPolygon(contour, tolerance);
        expect(isSimple(result), JSON.stringify([contour, tolerance])).toBe(true);
        const order = result.map((point) => contour.indexOf(point));
        expect(order).toEqual([...order].sort((a, b) => a - b));
        for (const point of contour) {
          const nearest = Math.min(...sides(result).map((side) => distance(point, side)));
          expect(nearest, JSON.stringify([contour, tolerance])).toBeLessThanOrEqual(
            tolerance + 1e-9,
          );
        }
        count += result.length;
      }
      counts.push(count);
    }
    expect(counts).toEqual([...new Set(counts)].sort((a, b) => b - a));
  });

  it('needs at most twice the corners that a circle must have', () => {
    const circle = traceContour((x, y) => (x - 200) ** 2 + (y - 200) ** 2 <= 200 ** 2, 200, 0);
    expect(circle.length).toBeGreaterThan(300);
    for (const tolerance of [1, 2, 4, 8]) {
      // The chord of an n-gon is r (1 − cos(π / n)) away from the arc.
      const least = Math.PI / Math.acos(1 - tolerance / 200);
      expect(simplifyPolygon(circle, tolerance).length).toBeLessThanOrEqual(2 * least);
    }
  });

  it('stays near contours that retrace themselves', () => {
    const retracing = readOutlines()
      .blobs.map(({ contour }) => contour)
      .filter((contour) => contour.length > 2 && !isSimple(contour));
    expect(retracing.length).toBeGreaterThan(20);
    for (const contour of retracing) {
      const result = simplifyPolygon(contour, 1);
      for (const point of contour) {
        expect(Math.min(...sides(result).map((side) => distance(point, side)))).toBeLessThanOrEqual(
          1 + 1e-9,
        );
      }
    }
  });

  it.each([-1, Number.NaN, Infinity])('refuses a tolerance of %s', (tolerance) => {
    expect(() => simplifyPolygon(square, tolerance)).toThrow(PanppError);
  });
});
