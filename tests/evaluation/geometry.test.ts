import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import {
  coveredShare,
  exceeds,
  intersectionArea,
  intersectionOverUnion,
  outline,
  reaches,
  unionArea,
} from '../../src/evaluation/geometry.js';
import type { Polygon } from '../../src/shapes/geometry.js';
import { bundledPath } from '../support/reference.js';

const square: Polygon = [
  [0, 0],
  [10, 0],
  [10, 10],
  [0, 10],
];
const moved = (polygon: Polygon, dx: number, dy: number): Polygon =>
  polygon.map(([x, y]) => [x + dx, y + dy]);
const common = (a: Polygon, b: Polygon): number => intersectionArea(outline(a), outline(b));

describe('area of a polygon', () => {
  it('is half the shoelace sum, whatever the shape', () => {
    expect(outline(square).area).toBe(100);
    expect(outline([...square].reverse()).area).toBe(100);
    const bowTie: Polygon = [
      [0, 0],
      [10, 10],
      [10, 0],
      [0, 10],
    ];
    expect(outline(bowTie).area).toBe(0);
    expect(outline([...square, ...square]).area).toBe(200);
    expect(outline([[3, 4]]).area).toBe(0);
  });
});

describe('intersection', () => {
  it('of overlapping squares', () => {
    expect(common(square, square)).toBe(100);
    expect(common(square, moved(square, 4, 7))).toBe(18);
    expect(common(square, [...moved(square, 4, 7)].reverse())).toBe(18);
  });

  it('is 0 for what only touches or is apart', () => {
    expect(common(square, moved(square, 10, 0))).toBe(0);
    expect(common(square, moved(square, 10, 10))).toBe(0);
    expect(common(square, moved(square, 0, 11))).toBe(0);
    // Part of a slanted edge is shared; in doubles a sliver is left there.
    const onOneSide: Polygon = [
      [55, 36],
      [160, 281],
      [-75, 156],
    ];
    const onTheOther: Polygon = [
      [85, 106],
      [130, 211],
      [205, 66],
    ];
    expect(common(onOneSide, onTheOther)).toBe(0);
  });

  it('of a triangle and a square', () => {
    // The part of the triangle with x + y ≤ 15 that lies in the square: all of it but the corner x
    // + y > 15.
    const triangle: Polygon = [
      [0, 0],
      [15, 0],
      [0, 15],
    ];
    expect(common(triangle, square)).toBeCloseTo(100 - 12.5, 12);
  });

  it('goes by the even-odd rule', () => {
    const bowTie: Polygon = [
      [0, 0],
      [10, 10],
      [10, 0],
      [0, 10],
    ];
    expect(common(bowTie, square)).toBeCloseTo(50, 12); // both lobes
    expect(common([...square, ...square], square)).toBe(0); // wound twice: outside
    expect(common([...square, ...square, ...square], square)).toBe(100);
    const ringInRing: Polygon = [...square, [0, 0], [2, 2], [8, 2], [8, 8], [2, 8], [2, 2]];
    expect(common(ringInRing, square)).toBe(64); // a hole of 6 × 6
  });

  it('bears repeated corners, spikes and polygons without area', () => {
    expect(
      common(
        [
          [0, 0],
          [0, 0],
          [10, 0],
          [10, 10],
          [10, 10],
          [0, 10],
          [0, 0],
        ],
        square,
      ),
    ).toBe(100);
    expect(
      common(
        [
          [0, 0],
          [10, 0],
          [30, 0],
          [10, 0],
          [10, 10],
          [0, 10],
        ],
        square,
      ),
    ).toBe(100);
    expect(common([[5, 5]], square)).toBe(0);
    expect(
      common(
        [
          [0, 5],
          [10, 5],
        ],
        square,
      ),
    ).toBe(0);
    expect(common([], square)).toBe(0);
  });

  it('agrees with shapely on 4000 random pairs', () => {
    const pairs: { a: Polygon; b: Polygon; area: number }[] = JSON.parse(
      gunzipSync(readFileSync(bundledPath('eval/polygon_pairs.json.gz'))).toString(),
    );
    expect(pairs).toHaveLength(4000);
    expect(pairs.filter(({ area }) => area > 0).length).toBeGreaterThan(1500);
    const errorOf = ({ a, b, area }: (typeof pairs)[number]): number =>
      Math.abs(common(a, b) - area) / Math.max(1, area);
    expect(Math.max(...pairs.map(errorOf))).toBeLessThan(1e-12);
    const turnedRound = ({ a, b, area }: (typeof pairs)[number]) => ({
      a: b,
      b: [...a].reverse(),
      area,
    });
    expect(Math.max(...pairs.map(turnedRound).map(errorOf))).toBeLessThan(1e-12);
  });
});

describe('ratios', () => {
  const bowTie = outline([
    [0, 0],
    [10, 10],
    [10, 0],
    [0, 10],
  ]);

  it('IoU and share', () => {
    expect(intersectionOverUnion(outline(square), outline(moved(square, 5, 0)))).toBeCloseTo(
      1 / 3,
      14,
    );
    expect(coveredShare(outline(moved(square, 5, 0)), outline(square))).toBe(0.5);
  });

  it('are 0 for a union or a part without area, and leave 0 to 1 for polygons that cross themselves', () => {
    expect(intersectionOverUnion(outline([[1, 1]]), outline([[2, 2]]))).toBe(0);
    expect(coveredShare(outline([[1, 1]]), outline(square))).toBe(0);
    expect(coveredShare(bowTie, outline(square))).toBe(0);
    expect(unionArea(bowTie, bowTie, intersectionArea(bowTie, bowTie))).toBe(-50);
    expect(intersectionOverUnion(bowTie, bowTie)).toBe(-1);
  });

  it('that lie on a threshold reach it and do not exceed it, rounded as they may be', () => {
    const word: Polygon = [
      [285, 14],
      [355, 64],
      [352, 111],
      [282, 61],
    ];
    const half: Polygon = [
      [285, 14],
      [320, 39],
      [317, 86],
      [282, 61],
    ];
    const iou = intersectionOverUnion(outline(word), outline(half));
    expect(exceeds(iou, 0.5)).toBe(false);
    expect(reaches(iou, 0.5)).toBe(true);
    expect(exceeds(0.5 + 1e-9, 0.5)).toBe(true);
    expect(reaches(0.5 - 1e-9, 0.5)).toBe(false);
  });
});
