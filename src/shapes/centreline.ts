// The centreline of a text region, straight or bent, and the region's height across it. Along it a
// word can be sampled as if it were level. The line is a polynomial in the frame of the region's
// minimum-area rectangle, fitted to the middles between the region's upper and lower edge.
import type { Point, Polygon } from './geometry.js';
import { convexHull } from './hull.js';
import { minAreaRect } from './min-area-rect.js';

/** A point of a centreline. */
export interface CentrelinePoint {
  readonly x: number;
  readonly y: number;
  /** Unit vector across the line, from the tops of the letters to their feet: down if level. */
  readonly across: Point;
}

export interface Centreline {
  /** The region's, across the line, in pixels. */
  readonly height: number;
  /** Along the line, in pixels. */
  readonly length: number;
  /** Direction of the text, in radians from x towards y; 0 is level. */
  readonly angle: number;
  /** The point at a distance from the line's start; beyond its ends the line goes on straight. */
  readonly at: (distance: number) => CentrelinePoint;
}

/** Regions that are shorter, compared to their height, take the direction nearest to level. */
const leastElongated = 1.3;
/** Degree of the polynomial, by how long a region is compared to its height. */
const degrees = [
  { from: 4, degree: 3 },
  { from: 1.8, degree: 2 },
];
/** Columns that are thinner, compared to the thick ones, don't tell where the middle is. */
const leastThickness = 0.5;
const columnCounts = { least: 4, most: 64 };
const lineSteps = 256;

/**
 * The centreline of a region.
 * @param outline pixels on the region's edge, in any order, at least one
 * @param spacing distance between neighbouring pixels of the outline
 */
export function centrelineOf(outline: readonly Point[], spacing: number): Centreline {
  const angle = directionOf(outline);
  const cos = Math.cos(angle);
  const sin = Math.sin(angle);
  const [[originX, originY]] = outline;
  // In the region's own frame: along the text, and across it.
  const own = outline.map(([x, y]): Point => {
    const [dx, dy] = [x - originX, y - originY];
    return [dx * cos + dy * sin, dy * cos - dx * sin];
  });
  const [start, end] = own.reduce(
    ([low, high], [along]) => [Math.min(low, along - 0.5), Math.max(high, along + 0.5)],
    [Infinity, -Infinity],
  );
  const columns = columnsOf(own, start, end, spacing);
  const thick = thickOf(columns);
  const line = lineThrough(thick, (end - start) / Math.max(1, thicknessOf(columns)));
  const heights = columns.map(({ along, thickness }) => thickness * cosineOf(line.slopeAt(along)));
  const height = Math.max(1, quantile(heights, 0.8));
  const walked = walk(line, start, end, 2 * height);
  return {
    height,
    length: walked.length,
    angle,
    at: (distance) => {
      const { along, across, slope } = walked.at(distance);
      const norm = Math.hypot(1, slope);
      return {
        x: originX + along * cos - across * sin,
        y: originY + along * sin + across * cos,
        across: [(-slope * cos - sin) / norm, (cos - slope * sin) / norm],
      };
    },
  };
}

/** The same line, read from its other end. */
export function reversed({ height, length, angle, at }: Centreline): Centreline {
  return {
    height,
    length,
    angle: angle > 0 ? angle - Math.PI : angle + Math.PI,
    at: (distance) => {
      const { x, y, across } = at(length - distance);
      return { x, y, across: [-across[0], -across[1]] };
    },
  };
}

/** Angle of the text's direction: from −π / 2 to less than π / 2. */
function directionOf(outline: Polygon): number {
  const { width, height, angle } = minAreaRect(convexHull(outline));
  const isElongated = Math.max(width, height) >= leastElongated * Math.min(width, height);
  const turn = isElongated ? 180 : 90;
  const along = width < height ? angle + 90 : angle;
  return ((modulo(along + turn / 2, turn) - turn / 2) * Math.PI) / 180;
}

function modulo(value: number, by: number): number {
  return ((value % by) + by) % by;
}

/** A column of a region in its own frame. */
interface Column {
  readonly along: number;
  readonly middle: number;
  readonly thickness: number;
}

function columnsOf(
  points: readonly Point[],
  start: number,
  end: number,
  spacing: number,
): Column[] {
  const { least, most } = columnCounts;
  const extent = end - start;
  const count = Math.min(Math.max(Math.floor(extent / (1.5 * spacing)), least), most);
  const upper = new Float64Array(count).fill(Infinity);
  const lower = new Float64Array(count).fill(-Infinity);
  for (const [along, across] of points) {
    const at = Math.floor(((along - start) / extent) * count);
    upper[at] = Math.min(upper[at], across);
    lower[at] = Math.max(lower[at], across);
  }
  return Array.from({ length: count }, (_, at) => ({
    along: start + ((at + 0.5) * extent) / count,
    middle: (upper[at] + lower[at]) / 2,
    thickness: lower[at] - upper[at] + 1,
  })).filter(({ thickness }) => thickness > 0);
}

function thicknessOf(columns: readonly Column[]): number {
  return quantile(
    columns.map(({ thickness }) => thickness),
    0.75,
  );
}

/** The columns that tell where the middle is. */
function thickOf(columns: readonly Column[]): readonly Column[] {
  const least = leastThickness * thicknessOf(columns);
  return columns.filter(({ thickness }) => thickness >= least);
}

/** A centreline in the region's own frame. */
interface Line {
  readonly acrossAt: (along: number) => number;
  readonly slopeAt: (along: number) => number;
}

/**
 * The line through the middles of columns; straight on before the first and after the last.
 * @param elongation the region's length, compared to its height
 */
function lineThrough(columns: readonly Column[], elongation: number): Line {
  const [first, last] = [columns[0].along, columns[columns.length - 1].along];
  const [middle, half] = [(first + last) / 2, Math.max((last - first) / 2, 1)];
  const degree = degrees.find(({ from }) => elongation > from)?.degree ?? 0;
  const polynomial = fit(
    columns.map(({ along, middle: across }) => [(along - middle) / half, across]),
    degree,
  );
  const within = (along: number) => Math.min(Math.max(along, first), last);
  const slopeAt = (along: number) => derivative(polynomial, (within(along) - middle) / half) / half;
  return {
    slopeAt,
    acrossAt: (along) =>
      value(polynomial, (within(along) - middle) / half) + (along - within(along)) * slopeAt(along),
  };
}

function cosineOf(slope: number): number {
  return 1 / Math.hypot(1, slope);
}

/** The value below which a share of the values lies. */
function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.round(share * (sorted.length - 1))];
}

/** Coefficients of a polynomial, the constant first. */
type Polynomial = readonly number[];

/**
 * The polynomial of least squares through points with x in −1 … 1; of a lower degree if there are
 * few points.
 */
function fit(points: readonly Point[], degree: number): Polynomial {
  const terms = Math.max(1, Math.min(degree + 1, points.length - 1));
  // Normal equations with their right-hand side.
  const rows = Array.from({ length: terms }, (_, i) => [
    ...Array.from({ length: terms }, (_, j) => sum(points, ([x]) => x ** (i + j))),
    sum(points, ([x, y]) => y * x ** i),
  ]);
  // Every point has an x of its own and there are more points than terms, so the equations are
  // positive definite, and elimination needs no pivoting.
  for (let i = 0; i < terms; i++) {
    for (let k = 0; k < terms; k++) {
      if (k === i) continue;
      const factor = rows[k][i] / rows[i][i];
      for (let j = i; j <= terms; j++) rows[k][j] -= factor * rows[i][j];
    }
  }
  return rows.map((row, i) => row[terms] / row[i]);
}

function sum(points: readonly Point[], term: (point: Point) => number): number {
  return points.reduce((total, point) => total + term(point), 0);
}

function value(polynomial: Polynomial, x: number): number {
  return polynomial.reduceRight((total, coefficient) => total * x + coefficient, 0);
}

function derivative(polynomial: Polynomial, x: number): number {
  return value(
    polynomial.slice(1).map((coefficient, i) => coefficient * (i + 1)),
    x,
  );
}

/**
 * Measures distances along a line.
 * @param start where the region begins along the text, and `end` where it ends
 * @param beyond how far the walk goes past them
 */
function walk(line: Line, start: number, end: number, beyond: number) {
  const from = start - beyond;
  const step = (end - start + 2 * beyond) / lineSteps;
  const walked = new Float64Array(lineSteps + 1);
  let last = line.acrossAt(from);
  for (let at = 1; at <= lineSteps; at++) {
    const across = line.acrossAt(from + at * step);
    walked[at] = walked[at - 1] + Math.hypot(step, across - last);
    last = across;
  }
  const walkedTo = (along: number) => {
    const at = Math.min(Math.floor((along - from) / step), lineSteps - 1);
    const share = (along - from) / step - at;
    return walked[at] + share * (walked[at + 1] - walked[at]);
  };
  const begin = walkedTo(start);
  return {
    length: walkedTo(end) - begin,
    at: (distance: number) => {
      const wanted = begin + distance;
      let [low, high] = [0, lineSteps - 1];
      while (low < high) {
        const between = (low + high + 1) >> 1;
        if (walked[between] <= wanted) low = between;
        else high = between - 1;
      }
      // Before the first step and after the last, `share` is outside of 0 … 1: straight on.
      const share = (wanted - walked[low]) / (walked[low + 1] - walked[low]);
      const along = from + (low + share) * step;
      return { along, across: line.acrossAt(along), slope: line.slopeAt(along) };
    },
  };
}
