// Minimum-area rectangle of a convex hull by rotating calipers (Toussaint 1983): one of its sides
// lies on an edge of the hull. Arithmetic (float32), ties and the order of the corners match OpenCV
// 4.6's minAreaRect and boxPoints: the corners are later truncated to whole pixels, so a rounding
// difference could become a whole pixel.

import { PanppError } from '../errors.js';
import type { Point } from './geometry.js';

/** A rectangle rotated by `angle` degrees (x towards y) about its centre. */
export interface RotatedRect {
  readonly center: Point;
  readonly width: number;
  readonly height: number;
  readonly angle: number;
}

const fround = Math.fround;

/** A direction of the calipers' upper side, with the rectangle's sizes along and across it. */
interface Caliper {
  readonly x: number;
  readonly y: number;
  readonly along: number;
  readonly across: number;
  readonly area: number;
  /** Hull corners that touch this side and the one to its left. */
  readonly above: Point;
  readonly left: Point;
}

/**
 * The minimum-area rectangle of a hull from `convexHull`; of several with the same area, the last
 * one found while rotating. One point gives an empty rectangle, two points a rectangle of height 0.
 * @throws PanppError `argument` for a hull without points.
 */
export function minAreaRect(hull: readonly Point[]): RotatedRect {
  if (hull.length === 0)
    throw new PanppError('argument', 'a minimum-area rectangle needs at least one point');
  if (hull.length === 1) return { center: hull[0], width: 0, height: 0, angle: 0 };
  if (hull.length === 2) return segmentRect(hull[0], hull[1]);

  const { x, y, along, across, above, left } = leastCaliper(hull);
  // The corner where the side through `left` meets the side through `above`, at right angles to it.
  const onBase = fround(fround(x * left[0]) + fround(left[1] * y));
  const offBase = fround(fround(-y * above[0]) + fround(above[1] * x));
  const scale = fround(1 / fround(fround(x * x) - fround(-y * y)));
  const cornerX = fround(fround(fround(onBase * x) - fround(offBase * y)) * scale);
  const cornerY = fround(fround(fround(x * offBase) - fround(-y * onBase)) * scale);
  const base: Point = [fround(x * along), fround(y * along)];
  const side: Point = [fround(-y * across), fround(x * across)];
  return {
    center: [
      fround(cornerX + fround(fround(base[0] + side[0]) * 0.5)),
      fround(cornerY + fround(fround(base[1] + side[1]) * 0.5)),
    ],
    width: length(base),
    height: length(side),
    angle: degrees(base),
  };
}

/** The four corners, in float32; the first two are the ends of a side of length `height`. */
export function boxPoints({ center: [x, y], width, height, angle }: RotatedRect): Point[] {
  const radians = (angle * Math.PI) / 180;
  const halfCos = fround(fround(Math.cos(radians)) * 0.5);
  const halfSin = fround(fround(Math.sin(radians)) * 0.5);
  const corner = (side: 1 | -1): Point => [
    fround(fround(x - side * fround(halfSin * height)) - fround(halfCos * width)),
    fround(fround(y + side * fround(halfCos * height)) - fround(halfSin * width)),
  ];
  const opposite = ([px, py]: Point): Point => [fround(2 * x - px), fround(2 * y - py)];
  const first = corner(1);
  const second = corner(-1);
  return [first, second, opposite(first), opposite(second)];
}

function segmentRect([ax, ay]: Point, [bx, by]: Point): RotatedRect {
  const vector: Point = [bx - ax, by - ay];
  return {
    center: [fround((ax + bx) * 0.5), fround((ay + by) * 0.5)],
    width: length(vector),
    height: 0,
    angle: degrees(vector),
  };
}

function leastCaliper(hull: readonly Point[]): Caliper {
  const edges = hull.map(([x, y], i): Point => {
    const [nextX, nextY] = hull[(i + 1) % hull.length];
    return [nextX - x, nextY - y];
  });
  // Corners that touch the four sides: top, right, bottom, left.
  const touching = [
    firstExtreme(hull, (p) => -p[1]),
    firstExtreme(hull, (p) => p[0]),
    firstExtreme(hull, (p) => p[1]),
    firstExtreme(hull, (p) => -p[0]),
  ];
  let best: Caliper | null = null;
  for (let step = 0; step < hull.length; step++) {
    const side = nextSide(edges, touching);
    const edge = edges[touching[side]];
    const inverse = fround(1 / Math.sqrt(edge[0] * edge[0] + edge[1] * edge[1]));
    const [x, y] = turnBack([fround(edge[0] * inverse), fround(edge[1] * inverse)], side);
    touching[side] = (touching[side] + 1) % hull.length;
    const caliper = measure(hull, touching, x, y);
    if (best === null || caliper.area <= best.area) best = caliper;
  }
  return best!;
}

/** The side whose next hull edge needs the smallest rotation. */
function nextSide(edges: readonly Point[], touching: readonly number[]): number {
  let best = 0;
  let leader = edges[touching[0]];
  for (let side = 1; side < 4; side++) {
    const edge = turnBack(edges[touching[side]], side);
    if (fround(fround(edge[1] * leader[0]) - fround(edge[0] * leader[1])) < 0) {
      best = side;
      leader = edge;
    }
  }
  return best;
}

/** A vector along side `side` of the calipers, rotated to lie along side 0. */
function turnBack([x, y]: Point, side: number): Point {
  switch (side) {
    case 0:
      return [x, y];
    case 1:
      return [y, -x];
    case 2:
      return [-x, -y];
    default:
      return [-y, x];
  }
}

function measure(
  hull: readonly Point[],
  touching: readonly number[],
  x: number,
  y: number,
): Caliper {
  const [above, right, below, left] = touching.map((i) => hull[i]);
  const along = fround(fround((right[0] - left[0]) * x) + fround((right[1] - left[1]) * y));
  const across = fround(fround(-(below[0] - above[0]) * y) + fround((below[1] - above[1]) * x));
  return { x, y, along, across, area: fround(along * across), above, left };
}

function firstExtreme(hull: readonly Point[], measureOf: (point: Point) => number): number {
  return hull.reduce((best, point, i) => (measureOf(point) > measureOf(hull[best]) ? i : best), 0);
}

function length([x, y]: Point): number {
  return fround(Math.sqrt(x * x + y * y));
}

function degrees([x, y]: Point): number {
  return fround(fround(fround(Math.atan2(y, x)) * 180) / Math.PI);
}
