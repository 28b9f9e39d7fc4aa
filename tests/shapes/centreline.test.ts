// Centrelines of level, turned, bent, nearly square and tiny regions, from the pixels on their edges.
import { describe, expect, it } from 'vitest';

import {
  type Centreline,
  type CentrelinePoint,
  centrelineOf,
  reversed,
} from '../../src/shapes/centreline.js';
import type { Point } from '../../src/shapes/geometry.js';
import { randomValues } from '../support/run-layer.js';
import { pixelsOf, readOutlines } from './outlines.js';

const radians = (degrees: number) => (degrees * Math.PI) / 180;
const degrees = (angle: number) => (angle * 180) / Math.PI;

type Region = (x: number, y: number) => boolean;

/** The pixels on a region's edge, of those around the origin. */
function edgeOf(region: Region, reach = 160): Point[] {
  const edge: Point[] = [];
  for (let y = -reach; y <= reach; y++) {
    for (let x = -reach; x <= reach; x++) {
      if (!region(x, y)) continue;
      const isInner = region(x - 1, y) && region(x + 1, y) && region(x, y - 1) && region(x, y + 1);
      if (!isInner) edge.push([x, y]);
    }
  }
  return edge;
}

/** A rectangle about the origin, turned by degrees from x towards y. */
function rectangle(length: number, height: number, turned: number): Region {
  const [cos, sin] = [Math.cos(radians(turned)), Math.sin(radians(turned))];
  return (x, y) =>
    Math.abs(x * cos + y * sin) <= length / 2 && Math.abs(y * cos - x * sin) <= height / 2;
}

/** A part of a ring about the origin; its middle is seen from there at `towards` degrees. */
function ring(radius: number, width: number, opening: number, towards: number): Region {
  return (x, y) => {
    const turn = Math.atan2(y, x) - radians(towards);
    const off = Math.atan2(Math.sin(turn), Math.cos(turn));
    return (
      Math.abs(Math.hypot(x, y) - radius) <= width / 2 && Math.abs(off) <= radians(opening / 2)
    );
  };
}

/** The pixels of a full rectangle. */
function block(left: number, top: number, width: number, height: number): Point[] {
  return Array.from({ length: width * height }, (_, at) => [
    left + (at % width),
    top + Math.floor(at / width),
  ]);
}

/** The corners of cells of 4 × 4 pixels. */
function cellCorners(cells: readonly Point[]): Point[] {
  return cells.flatMap(([x, y]): Point[] => [
    [4 * x, 4 * y],
    [4 * x + 3, 4 * y],
    [4 * x, 4 * y + 3],
    [4 * x + 3, 4 * y + 3],
  ]);
}

/** Points of a line, from before its start to behind its end. */
function pointsOf({ at, length }: Centreline): CentrelinePoint[] {
  return Array.from({ length: 61 }, (_, step) => at(((step - 10) / 40) * length));
}

function expectPoint(
  point: CentrelinePoint,
  [x, y]: Point,
  [acrossX, acrossY]: Point,
  bound = 1e-9,
) {
  const found = JSON.stringify(point);
  expect(Math.hypot(point.x - x, point.y - y), found).toBeLessThan(bound);
  expect(Math.hypot(point.across[0] - acrossX, point.across[1] - acrossY), found).toBeLessThan(
    Math.min(bound, 0.03),
  );
}

/** Expects numbers everywhere, a sensible height, length and angle, and unit vectors across. */
function expectSound(line: Centreline, what: string) {
  expect([line.height, line.length].every(Number.isFinite), what).toBe(true);
  expect(line.height, what).toBeGreaterThanOrEqual(1);
  expect(line.length, what).toBeGreaterThanOrEqual(1 - 1e-9);
  expect(line.angle, what).toBeGreaterThanOrEqual(-Math.PI / 2);
  expect(line.angle, what).toBeLessThan(Math.PI / 2);
  for (const { x, y, across } of pointsOf(line)) {
    if (![x, y].every(Number.isFinite)) expect.fail(what);
    if (Math.abs(Math.hypot(...across) - 1) > 1e-9) expect.fail(what);
  }
}

/** Expects points as far apart as the walk between them says. */
function expectWalk(line: Centreline, what: string) {
  const points = pointsOf(line);
  points.slice(1).forEach(({ x, y }, step) => {
    const share = (40 * Math.hypot(x - points[step].x, y - points[step].y)) / line.length;
    // A chord is shorter than its arc, which is measured in 256 steps.
    if (!(share > 0.95 && share < 1.005)) expect.fail(`${what}\n${step}: ${share}`);
  });
}

describe('the centreline of a level rectangle', () => {
  const line = centrelineOf(
    edgeOf((x, y) => x >= 10 && x < 50 && y >= 20 && y < 30),
    1,
  );

  it('has its height, length and direction', () => {
    expect(line.height).toBeCloseTo(10, 9);
    expect(line.length).toBeCloseTo(40, 9);
    expect(line.angle).toBe(0);
  });

  it('runs from its left side to its right side in the middle, half a pixel from the centres', () => {
    expectPoint(line.at(0), [9.5, 24.5], [0, 1]);
    expectPoint(line.at(13), [22.5, 24.5], [0, 1]);
    expectPoint(line.at(40), [49.5, 24.5], [0, 1]);
  });

  it('goes on straight beyond the ends', () => {
    expectPoint(line.at(-7), [2.5, 24.5], [0, 1]);
    expectPoint(line.at(-500), [-490.5, 24.5], [0, 1]);
    expectPoint(line.at(540), [549.5, 24.5], [0, 1]);
  });

  it('does not depend on the order of its pixels, nor on pixels inside', () => {
    const pixels = block(10, 20, 40, 10);
    for (const other of [centrelineOf(pixels, 1), centrelineOf([...pixels].reverse(), 1)]) {
      expect(other.height).toBeCloseTo(10, 9);
      expect(other.length).toBeCloseTo(40, 9);
      expectPoint(other.at(13), [22.5, 24.5], [0, 1]);
    }
  });
});

describe('the centreline of a turned rectangle', () => {
  it.each([30, -30, 60, -60, 45, -45, 8])('follows it at %i°', (turned) => {
    const line = centrelineOf(edgeOf(rectangle(121, 21, turned)), 1);
    const [cos, sin] = [Math.cos(radians(turned)), Math.sin(radians(turned))];
    expect(Math.abs(degrees(line.angle) - turned)).toBeLessThan(0.5);
    expect(Math.abs(line.height - 21)).toBeLessThan(1);
    expect(Math.abs(line.length - 121)).toBeLessThan(1.5);
    for (const share of [0, 0.25, 0.5, 0.75, 1]) {
      const along = (share - 0.5) * 121;
      expectPoint(line.at(share * line.length), [along * cos, along * sin], [-sin, cos], 1);
    }
  });

  it('reads vertical text from the bottom to the top', () => {
    const line = centrelineOf(edgeOf(rectangle(121, 21, 90)), 1);
    expect(line.angle).toBe(-Math.PI / 2);
    expect(line.height).toBeCloseTo(21, 9);
    expect(line.length).toBeCloseTo(121, 9);
    expectPoint(line.at(0), [0, 60.5], [1, 0]);
    expectPoint(line.at(121), [0, -60.5], [1, 0]);
  });

  it('reads leaning text in the direction nearest to level', () => {
    for (const turned of [80, -80]) {
      const { angle, at, length } = centrelineOf(edgeOf(rectangle(121, 21, turned)), 1);
      expect(Math.abs(degrees(angle) - turned)).toBeLessThan(0.5);
      expect(at(length).x - at(0).x).toBeGreaterThan(20);
    }
  });
});

describe('a reversed centreline', () => {
  it('reads vertical text from the top to the bottom', () => {
    const line = reversed(centrelineOf(edgeOf(rectangle(121, 21, 90)), 1));
    expect(line.angle).toBe(Math.PI / 2);
    expect(line.height).toBeCloseTo(21, 9);
    expect(line.length).toBeCloseTo(121, 9);
    expectPoint(line.at(0), [0, -60.5], [-1, 0]);
    expectPoint(line.at(121), [0, 60.5], [-1, 0]);
  });

  it('has the same points from the other end, and reversed again the same direction', () => {
    const line = centrelineOf(edgeOf(ring(100, 20, 90, 20)), 1);
    const back = reversed(line);
    for (const distance of [-30, 0, 12.5, 100, line.length, 300]) {
      const { x, y, across } = line.at(line.length - distance);
      expectPoint(back.at(distance), [x, y], [-across[0], -across[1]]);
    }
    expect(Math.abs(back.angle - line.angle)).toBeCloseTo(Math.PI, 9);
    expect(reversed(back).angle).toBeCloseTo(line.angle, 9);
  });
});

describe('the centreline of a bent region', () => {
  it.each([
    // The middle seen from the centre: above it, below it, to the right, to the left, between.
    { opening: 60, towards: -90, ends: 0.15 },
    { opening: 90, towards: -90, ends: 0.2 },
    { opening: 90, towards: 90, ends: 0.2 },
    { opening: 90, towards: 0, ends: 0.2 },
    { opening: 90, towards: 180, ends: 0.21 },
    { opening: 90, towards: -60, ends: 0.2 },
    { opening: 120, towards: -90, ends: 0.35 },
    { opening: 120, towards: 90, ends: 0.35 },
    { opening: 120, towards: 40, ends: 0.35 },
  ])('follows $opening° of a ring at $towards°', ({ opening, towards, ends }) => {
    const [radius, width] = [100, 20];
    const line = centrelineOf(edgeOf(ring(radius, width, opening, towards)), 1);
    const arc = radians(opening) * radius;
    // Its ends are as far as the ring's outer corners.
    expect(line.length).toBeGreaterThan(arc);
    expect(line.length).toBeLessThan(1.1 * arc);
    expect(Math.abs(line.height - width)).toBeLessThan(0.12 * width);
    // Along the text, down is to the centre where its middle is above, and away where it is below.
    const middle = line.at(line.length / 2);
    const inwards = -Math.sign(middle.x * middle.across[0] + middle.y * middle.across[1]);
    const text = line.angle - radians(towards);
    expect(inwards).toBe(Math.sign(Math.sin(text)));
    for (let step = 0; step <= 40; step++) {
      const { x, y, across } = line.at((step / 40) * line.length);
      const from = Math.hypot(x, y);
      const isMiddle = step >= 4 && step <= 36;
      expect(Math.abs(from - radius), `step ${step}`).toBeLessThan(isMiddle ? 2 : ends * width);
      const cosine = (-inwards * (x * across[0] + y * across[1])) / from;
      expect(cosine, `step ${step}`).toBeGreaterThan(isMiddle ? 0.985 : 0.95);
    }
  });

  it('is as symmetric as its region', () => {
    const { at, length } = centrelineOf(edgeOf(ring(100, 20, 90, -90)), 1);
    for (const distance of [0, 20, 40, 60]) {
      const [{ x, y }, other] = [at(distance), at(length - distance)];
      expect(Math.hypot(other.x + x, other.y - y), `at ${distance}`).toBeLessThan(0.5);
    }
  });

  it('points down to the centre above it, and away from the centre below it', () => {
    const above = centrelineOf(edgeOf(ring(100, 20, 90, -90)), 1);
    expectPoint(above.at(above.length / 2), [0, -100], [0, 1], 1);
    expect(above.at(0).across[0]).toBeGreaterThan(0.5);
    expect(above.at(above.length).across[0]).toBeLessThan(-0.5);
    const below = centrelineOf(edgeOf(ring(100, 20, 90, 90)), 1);
    expectPoint(below.at(below.length / 2), [0, 100], [0, 1], 1);
    expect(below.at(0).across[0]).toBeLessThan(-0.5);
    expect(below.at(below.length).across[0]).toBeGreaterThan(0.5);
  });

  it('goes on straight beyond its ends', () => {
    const { at, length } = centrelineOf(edgeOf(ring(100, 20, 120, -90)), 1);
    for (const [from, sign] of [
      [at(-3), -1],
      [at(length + 3), 1],
    ] as const) {
      const [down, right] = [from.across[1], from.across[0]];
      for (const further of [5, 40, 4000]) {
        const beyond = sign < 0 ? at(-3 - further) : at(length + 3 + further);
        expectPoint(
          beyond,
          [from.x + sign * further * down, from.y - sign * further * right],
          from.across,
          1e-6,
        );
      }
    }
  });
});

describe('the centreline of a nearly square region', () => {
  it.each([
    { turned: 0, angle: 0, height: 27 },
    { turned: 30, angle: 30, height: 27 },
    { turned: -30, angle: -30, height: 27 },
    { turned: 60, angle: -30, height: 31 },
    { turned: 90, angle: 0, height: 31 },
    { turned: -80, angle: 10, height: 31 },
  ])('has the direction nearest to level at $turned°', ({ turned, angle, height }) => {
    const line = centrelineOf(edgeOf(rectangle(31, 27, turned)), 1);
    expect(Math.abs(degrees(line.angle) - angle)).toBeLessThan(1);
    expect(Math.abs(line.height - height)).toBeLessThan(1.5);
    expect(Math.abs(line.length - (31 + 27 - height))).toBeLessThan(1.5);
  });

  it('may stand if it is more than 1.3 times as high as wide', () => {
    expect(centrelineOf(block(0, 0, 21, 26), 1).angle).toBe(0);
    expect(centrelineOf(block(0, 0, 21, 28), 1).angle).toBe(-Math.PI / 2);
  });
});

describe('the centreline of a tiny or thin region', () => {
  it('is a pixel', () => {
    const line = centrelineOf([[5, 7]], 1);
    expect([line.height, line.length, line.angle]).toEqual([1, 1, 0]);
    expectPoint(line.at(0), [4.5, 7], [0, 1]);
    expectPoint(line.at(1), [5.5, 7], [0, 1]);
    expectPoint(line.at(21), [25.5, 7], [0, 1]);
  });

  it('is two pixels: side by side, one above the other, or diagonal', () => {
    const level = centrelineOf(block(5, 7, 2, 1), 1);
    expect([level.height, level.length, level.angle]).toEqual([1, 2, 0]);
    expectPoint(level.at(1), [5.5, 7], [0, 1]);
    const upright = centrelineOf(block(5, 7, 1, 2), 1);
    expect([upright.height, upright.length, upright.angle]).toEqual([1, 2, -Math.PI / 2]);
    expectPoint(upright.at(0), [5, 8.5], [1, 0]);
    const diagonal = centrelineOf(
      [
        [5, 7],
        [6, 8],
      ],
      1,
    );
    expect(diagonal.height).toBeCloseTo(1, 9);
    expect(diagonal.length).toBeCloseTo(1 + Math.SQRT2, 9);
    expect(degrees(diagonal.angle)).toBeCloseTo(45, 9);
  });

  it('is two pixels with a gap', () => {
    const line = centrelineOf(
      [
        [5, 7],
        [25, 7],
      ],
      1,
    );
    expect(line.height).toBe(1);
    expect(line.length).toBeCloseTo(21, 9);
    expectPoint(line.at(10.5), [15, 7], [0, 1]);
  });

  it('of a line 1 pixel high', () => {
    const level = centrelineOf(block(3, 9, 40, 1), 1);
    expect([level.height, level.angle]).toEqual([1, 0]);
    expect(level.length).toBeCloseTo(40, 9);
    expectPoint(level.at(40), [42.5, 9], [0, 1]);
    const upright = centrelineOf(block(3, 9, 1, 40), 1);
    expect([upright.height, upright.angle]).toEqual([1, -Math.PI / 2]);
    expectPoint(upright.at(0), [3, 48.5], [1, 0]);
  });

  it('is whole cells of 4 × 4 pixels', () => {
    const one = centrelineOf(cellCorners([[2, 3]]), 4);
    expect(one.height).toBeCloseTo(4, 9);
    expect(one.length).toBeCloseTo(4, 9);
    expectPoint(one.at(2), [9.5, 13.5], [0, 1]);
    const many = centrelineOf(cellCorners(block(2, 3, 20, 5)), 4);
    expect(many.height).toBeCloseTo(20, 9);
    expect(many.length).toBeCloseTo(80, 9);
    expectPoint(many.at(0), [7.5, 21.5], [0, 1]);
    expectPoint(many.at(80), [87.5, 21.5], [0, 1]);
  });
});

describe('centrelines', () => {
  it('only move with their region', () => {
    for (const region of [rectangle(121, 21, 30), ring(100, 20, 120, 50), rectangle(31, 27, 60)]) {
      const outline = edgeOf(region);
      const here = centrelineOf(outline, 1);
      for (const [dx, dy] of [
        [4000, 0],
        [0, 4000],
        [16000, -9000],
      ]) {
        const there = centrelineOf(
          outline.map(([x, y]): Point => [x + dx, y + dy]),
          1,
        );
        expect([there.height, there.length, there.angle]).toEqual([
          here.height,
          here.length,
          here.angle,
        ]);
        for (const distance of [-20, 0, 33.3, here.length, 500]) {
          const { x, y, across } = here.at(distance);
          expectPoint(there.at(distance), [x + dx, y + dy], across);
        }
      }
    }
  });

  it('are sound for every blob, stay near it and are walked evenly', () => {
    for (const { rows } of readOutlines().blobs) {
      const width = Math.max(...rows.map((row) => row.length));
      const outline = pixelsOf(rows);
      const diagonal = Math.hypot(width, rows.length);
      for (const [line, scale] of [
        [centrelineOf(outline, 1), 1],
        [centrelineOf(cellCorners(outline), 4), 4],
      ] as const) {
        expectSound(line, rows.join('\n'));
        expectWalk(line, rows.join('\n'));
        expect(line.length, rows.join('\n')).toBeLessThan(1.1 * scale * diagonal);
        expect(line.height, rows.join('\n')).toBeLessThan(1.1 * scale * diagonal);
      }
    }
  });

  it('go on straight along a thin tail, whose middle says nothing', () => {
    for (let seed = 1; seed <= 100; seed++) {
      const ragged = randomValues(60, seed).map((value) => Math.round(value));
      // A word of 30 x 16 pixels, whose edges are ragged, and an underline of 56 x 3.
      const outline = Array.from({ length: 86 }, (_, x): Point[] =>
        x < 30
          ? [
              [x, ragged[x]],
              [x, 15 + ragged[30 + x]],
            ]
          : [
              [x, 10],
              [x, 12],
            ],
      ).flat();
      const line = centrelineOf(outline, 1);
      expectSound(line, `seed ${seed}`);
      expect(line.length, `seed ${seed}`).toBeLessThan(1.2 * 86);
    }
  });

  it('take an outline of any length', () => {
    const outline = Array.from({ length: 300_000 }, (_, at): Point => [at >> 1, 20 * (at & 1)]);
    const { length, height } = centrelineOf(outline, 1);
    expect(length).toBeCloseTo(150_000, 6);
    expect(height).toBeCloseTo(21, 6);
  });

  it('are sound for scattered pixels', () => {
    for (let seed = 1; seed <= 500; seed++) {
      const [sizeX, sizeY, share, ...places] = randomValues(64, seed).map((v) => (v + 1) / 2);
      const outline = Array.from({ length: 1 + Math.floor(share * 30) }, (_, at): Point => [
        Math.floor(places[2 * at] * sizeX * 200),
        Math.floor(places[2 * at + 1] * sizeY * 60),
      ]);
      expectSound(centrelineOf(outline, 1), JSON.stringify(outline));
      expectSound(centrelineOf(cellCorners(outline), 4), JSON.stringify(outline));
    }
  });
});
