// Simplifies a closed polygon: Douglas and Peucker (1973) on the two chains between distant
// corners. Then points are put back wherever the simplified outline would touch itself.

import { checkNumber } from '../options.js';
import { cross, type Point, type Polygon } from './geometry.js';

/**
 * The part of the polygon between two kept corners; `to` may exceed the corner count (it wraps).
 */
interface Edge {
  readonly from: number;
  readonly to: number;
  readonly left: number;
  readonly right: number;
}

/**
 * A polygon from a subset of the given corners, in their order.
 * - No given corner is further than `tolerance` (same unit as the coordinates) from the result's
 *   outline.
 * - If the given polygon is simple (edges meet only at the corner between neighbours), the result
 *   is simple too and has at least three corners. If it touches or retraces itself, as contours do
 *   around parts one pixel thin, the result may too.
 * @throws PanppError `argument` for a tolerance that is negative or not finite.
 */
export function simplifyPolygon(polygon: Polygon, tolerance: number): Point[] {
  checkNumber('tolerance', tolerance, 0);
  const corners = polygon.filter((point, i) => i === 0 || !same(point, polygon[i - 1]));
  while (corners.length > 1 && same(corners[0], corners.at(-1)!)) corners.pop();
  if (corners.length < 3) return corners;
  const outline = new Outline(corners);
  const first = outline.farthestFrom(0);
  const second = outline.farthestFrom(first);
  const [low, high] = first < second ? [first, second] : [second, first];
  outline.keep(low);
  outline.keep(high);
  outline.keepFarCorners(low, high, tolerance);
  outline.keepFarCorners(high, low + corners.length, tolerance);
  while (outline.splitTouchingEdges(tolerance));
  return outline.keptCorners();
}

/** The given corners and which of them are kept. */
class Outline {
  private readonly kept: Uint8Array;

  constructor(private readonly corners: Polygon) {
    this.kept = new Uint8Array(corners.length);
  }

  keep(index: number): void {
    this.kept[index % this.corners.length] = 1;
  }

  keptCorners(): Point[] {
    return this.corners.filter((_, i) => this.kept[i] === 1);
  }

  farthestFrom(index: number): number {
    const [x, y] = this.corners[index];
    let best = index;
    let bestSquare = -1;
    this.corners.forEach(([cornerX, cornerY], i) => {
      const square = (cornerX - x) ** 2 + (cornerY - y) ** 2;
      if (square <= bestSquare) return;
      best = i;
      bestSquare = square;
    });
    return best;
  }

  /**
   * Keeps more corners between two kept ones until none is further than the tolerance from the
   * edges.
   */
  keepFarCorners(from: number, to: number, tolerance: number): void {
    const pending: [from: number, to: number][] = [[from, to]];
    for (let chain = pending.pop(); chain !== undefined; chain = pending.pop()) {
      const farthest = this.farthestBetween(...chain);
      if (farthest === null || farthest.distance <= tolerance) continue;
      this.keep(farthest.index);
      pending.push([chain[0], farthest.index], [farthest.index, chain[1]]);
    }
  }

  /**
   * Splits each edge that meets another one where it shouldn't, at its farthest corner.
   * @returns whether any edge was split; an edge of the given polygon can't be.
   */
  splitTouchingEdges(tolerance: number): boolean {
    let split = false;
    for (const { from, to } of this.touchingEdges()) {
      const farthest = this.farthestBetween(from, to);
      if (farthest === null) continue;
      this.keep(farthest.index);
      this.keepFarCorners(from, farthest.index, tolerance);
      this.keepFarCorners(farthest.index, to, tolerance);
      split = true;
    }
    return split;
  }

  private touchingEdges(): Set<Edge> {
    const edges = this.edges().sort((a, b) => a.left - b.left);
    const touching = new Set<Edge>();
    edges.forEach((edge, i) => {
      for (let k = i + 1; k < edges.length && edges[k].left <= edge.right; k++) {
        if (this.meet(edge, edges[k])) touching.add(edge).add(edges[k]);
      }
    });
    return touching;
  }

  private edges(): Edge[] {
    const count = this.corners.length;
    const indices = [...this.corners.keys()].filter((i) => this.kept[i] === 1);
    return indices.map((from, i) => {
      const to = i + 1 < indices.length ? indices[i + 1] : indices[0] + count;
      const [x1, x2] = [this.corners[from][0], this.corners[to % count][0]];
      return { from, to, left: Math.min(x1, x2), right: Math.max(x1, x2) };
    });
  }

  /** Whether two edges have a point in common other than the corner between neighbours. */
  private meet(a: Edge, b: Edge): boolean {
    const count = this.corners.length;
    const a1 = this.corners[a.from];
    const a2 = this.corners[a.to % count];
    const b1 = this.corners[b.from];
    const b2 = this.corners[b.to % count];
    if (a.to % count === b.from) return turnsBack(a1, a2, b2);
    if (b.to % count === a.from) return turnsBack(b1, b2, a2);
    return segmentsMeet(a1, a2, b1, b2);
  }

  private farthestBetween(from: number, to: number): { index: number; distance: number } | null {
    const count = this.corners.length;
    let best: { index: number; distance: number } | null = null;
    for (let i = from + 1; i < to; i++) {
      const distance = distanceToSegment(
        this.corners[i % count],
        this.corners[from % count],
        this.corners[to % count],
      );
      if (best === null || distance > best.distance) best = { index: i, distance };
    }
    return best;
  }
}

function same(a: Point, b: Point): boolean {
  return a[0] === b[0] && a[1] === b[1];
}

function distanceToSegment([px, py]: Point, [ax, ay]: Point, [bx, by]: Point): number {
  const dx = bx - ax;
  const dy = by - ay;
  const square = dx * dx + dy * dy;
  const along = square === 0 ? 0 : ((px - ax) * dx + (py - ay) * dy) / square;
  const t = Math.min(1, Math.max(0, along));
  return Math.sqrt((px - ax - t * dx) ** 2 + (py - ay - t * dy) ** 2);
}

/** Whether the path a → b → c retraces itself. */
function turnsBack(a: Point, b: Point, c: Point): boolean {
  return cross(a, b, c) === 0 && (a[0] - b[0]) * (c[0] - b[0]) + (a[1] - b[1]) * (c[1] - b[1]) > 0;
}

function segmentsMeet(a1: Point, a2: Point, b1: Point, b2: Point): boolean {
  const side1 = Math.sign(cross(a1, a2, b1));
  const side2 = Math.sign(cross(a1, a2, b2));
  const side3 = Math.sign(cross(b1, b2, a1));
  const side4 = Math.sign(cross(b1, b2, a2));
  if (side1 !== side2 && side3 !== side4) return true;
  return (
    (side1 === 0 && isWithin(b1, a1, a2)) ||
    (side2 === 0 && isWithin(b2, a1, a2)) ||
    (side3 === 0 && isWithin(a1, b1, b2)) ||
    (side4 === 0 && isWithin(a2, b1, b2))
  );
}

/** Whether a point on the line through a and b lies between them. */
function isWithin([px, py]: Point, [ax, ay]: Point, [bx, by]: Point): boolean {
  return (
    px >= Math.min(ax, bx) &&
    px <= Math.max(ax, bx) &&
    py >= Math.min(ay, by) &&
    py <= Math.max(ay, by)
  );
}
