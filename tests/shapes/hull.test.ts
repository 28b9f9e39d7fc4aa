import { describe, expect, it } from 'vitest';

import { convexHull } from '../../src/shapes/hull.js';
import { pixelsOf, readOutlines } from './outlines.js';

describe('convexHull', () => {
  it('starts at the rightmost corner, the lowest of them, and goes on clockwise as seen', () => {
    const points = pixelsOf(['.####.', '######', '######', '.####.']);
    expect(convexHull(points)).toEqual([
      [5, 2],
      [4, 3],
      [1, 3],
      [0, 2],
      [0, 1],
      [1, 0],
      [4, 0],
      [5, 1],
    ]);
  });

  it('leaves out points inside, points on an edge and repeated points, in any order', () => {
    const points = [
      [4, 0],
      [2, 2],
      [0, 4],
      [4, 4],
      [2, 0],
      [0, 0],
      [4, 0],
      [0, 2],
    ] as const;
    expect(convexHull(points)).toEqual([
      [4, 4],
      [0, 4],
      [0, 0],
      [4, 0],
    ]);
  });

  it('starts a triangle where its corners begin to run through the raster order', () => {
    expect(convexHull(pixelsOf(['..#', '.##', '###']))).toEqual([
      [2, 2],
      [0, 2],
      [2, 0],
    ]);
    expect(convexHull(pixelsOf(['#..', '##.', '###']))).toEqual([
      [2, 2],
      [0, 2],
      [0, 0],
    ]);
  });

  it('gives the two ends of a line and the one point of a pixel', () => {
    expect(convexHull(pixelsOf(['#..', '.#.', '..#']))).toEqual([
      [2, 2],
      [0, 0],
    ]);
    expect(convexHull([[7, 3]])).toEqual([[7, 3]]);
    expect(
      convexHull([
        [7, 3],
        [7, 3],
      ]),
    ).toEqual([[7, 3]]);
    expect(convexHull([])).toEqual([]);
  });

  it('equals OpenCV on random blobs, order included', () => {
    const { blobs } = readOutlines();
    expect(blobs).toHaveLength(500);
    for (const { rows, hull } of blobs)
      expect(convexHull(pixelsOf(rows)), rows.join('\n')).toEqual(hull);
  });
});
