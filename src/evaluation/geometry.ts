// Areas of polygons as the evaluation scripts define them: exact, in doubles, without rasterising.
//
// A polygon's own area is half the shoelace sum, whatever its shape; an intersection is the set of
// points inside both by the even-odd rule. For self-intersecting polygons the two definitions
// disagree, so an IoU can exceed 1 or be negative; the published figures were computed that way.
//
// The intersection is summed over horizontal slabs. A slab lies between two consecutive heights of
// corners or crossings. No edges cross inside it, so the parts inside are trapezoids, and the
// length inside on the slab's middle line times its height is exact. No topology is needed:
// repeated corners, spikes, shared edges and rings wound twice work without special cases. That is
// why no clipping library is used: on random self-intersecting polygons, polygon-clipping,
// polyclip-ts, clipper2-ts, martinez-polygon-clipping, @velipso/polybool and JSTS use another fill
// rule, throw errors, never return, or (polybool, at coordinates of 1000 and more) are sometimes
// far off.
import type { Point, Polygon } from '../shapes/geometry.js';
import { refuse } from './formats/text.js';

/** A polygon prepared for measuring. */
export interface Outline {
  /** Half the absolute shoelace sum. */
  readonly area: number;
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  readonly edges: readonly Edge[];
  readonly place: string;
}

/** A non-horizontal edge, from its upper end. */
interface Edge {
  readonly top: number;
  readonly bottom: number;
  readonly xAtTop: number;
  /** Change of x per unit of y. */
  readonly slope: number;
  readonly left: number;
  readonly right: number;
}

interface OwnedEdge extends Edge {
  readonly ofFirst: boolean;
}

/** Smaller areas are rounding errors. */
const LEAST_AREA = 1e-9;
/**
 * Ratios of areas that differ by less than this count as equal; rounding errors are 100 times
 * smaller.
 */
const RATIO_ROUNDING = 1e-12;

/**
 * Limits on the edges of two polygons, on the slab heights, and on the edges summed over all slabs.
 * Real outlines have some hundred corners; a hostile polygon takes time cubic in its corners.
 */
const MOST_EDGES = 20_000;
const MOST_HEIGHTS = 2 ** 15;
const MOST_CROSSINGS = 2 ** 21;

/**
 * Prepares a polygon of one or more corners; its orientation and first corner do not matter.
 * @param place where it comes from, for messages
 */
export function outline(polygon: Polygon, place = 'a polygon'): Outline {
  let twiceArea = 0;
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  const edges: Edge[] = [];
  polygon.forEach((point, i) => {
    const next = polygon[(i + 1) % polygon.length];
    twiceArea += point[0] * next[1] - point[1] * next[0];
    left = Math.min(left, point[0]);
    top = Math.min(top, point[1]);
    right = Math.max(right, point[0]);
    bottom = Math.max(bottom, point[1]);
    if (point[1] !== next[1])
      edges.push(point[1] < next[1] ? edge(point, next) : edge(next, point));
  });
  return { area: Math.abs(twiceArea) / 2, left, top, right, bottom, edges, place };
}

function edge([x0, y0]: Point, [x1, y1]: Point): Edge {
  const slope = (x1 - x0) / (y1 - y0);
  return {
    top: y0,
    bottom: y1,
    xAtTop: x0,
    slope,
    left: Math.min(x0, x1),
    right: Math.max(x0, x1),
  };
}

/**
 * The area of the points inside both, by the even-odd rule for each polygon separately; 0 if they
 * only touch.
 * @throws PanppError `evaluation` for polygons with so many corners or crossings that this would
 * take long
 */
export function intersectionArea(a: Outline, b: Outline): number {
  const left = Math.max(a.left, b.left);
  const right = Math.min(a.right, b.right);
  const top = Math.max(a.top, b.top);
  const bottom = Math.min(a.bottom, b.bottom);
  if (left >= right || top >= bottom) return 0;

  // Edges to the right of the common box can't bound the intersection; those to its left count
  // towards the parity.
  const isWanted = (e: Edge): boolean => e.top < bottom && e.bottom > top && e.left <= right;
  const owned =
    (ofFirst: boolean) =>
    (e: Edge): OwnedEdge => ({ ...e, ofFirst });
  const tooMany = (): never =>
    refuse(
      a.place,
      `it and a polygon of ${b.place} have ${a.edges.length} and ${b.edges.length} edges, which cross too often to be compared; simplify them`,
    );
  const [first, second] = [a, b].map((shape) => shape.edges.filter(isWanted));
  if (first.length + second.length > MOST_EDGES) tooMany();
  const edges = [...first.map(owned(true)), ...second.map(owned(false))];
  edges.sort((e, f) => e.top - f.top);

  const heights = slabHeights(edges, left, top, bottom) ?? tooMany();
  let crossings = 0;
  let area = 0;
  let active: OwnedEdge[] = [];
  let upcoming = 0;
  for (let i = 0; i + 1 < heights.length; i++) {
    const slabTop = heights[i];
    active = active.filter((e) => e.bottom > slabTop);
    for (; upcoming < edges.length && edges[upcoming].top <= slabTop; upcoming++) {
      if (edges[upcoming].bottom > slabTop) active.push(edges[upcoming]);
    }
    crossings += active.length;
    if (crossings > MOST_CROSSINGS) tooMany();
    area += lengthInside(active, (slabTop + heights[i + 1]) / 2) * (heights[i + 1] - slabTop);
  }
  return area < LEAST_AREA ? 0 : area;
}

/**
 * The heights from `top` to `bottom` at which an edge begins, ends or crosses another, ascending;
 * undefined if there are too many.
 */
function slabHeights(
  edges: readonly OwnedEdge[],
  left: number,
  top: number,
  bottom: number,
): Float64Array | undefined {
  const heights = new Set([top, bottom]);
  const add = (y: number): void => {
    if (y > top && y < bottom) heights.add(y);
  };
  for (const [i, e] of edges.entries()) {
    add(e.top);
    add(e.bottom);
    if (heights.size > MOST_HEIGHTS) return undefined;
    // The edges are sorted by top, so the first one that starts below this edge's end, and all
    // after it, can't cross it.
    for (let k = i + 1; k < edges.length && edges[k].top < e.bottom; k++) {
      const f = edges[k];
      if (e.slope === f.slope || e.left > f.right || f.left > e.right) continue;
      if (e.right <= left && f.right <= left) continue; // their order there does not matter
      const y = f.top + (xAt(e, f.top) - f.xAtTop) / (f.slope - e.slope);
      if (y > f.top && y < Math.min(e.bottom, f.bottom)) add(y);
    }
  }
  return Float64Array.from(heights).sort();
}

/** The length of the line at height `y` that is inside both polygons. */
function lengthInside(edges: readonly OwnedEdge[], y: number): number {
  const crossings = edges
    .map((e) => ({ x: xAt(e, y), ofFirst: e.ofFirst }))
    .sort((p, q) => p.x - q.x);
  let length = 0;
  let insideFirst = false;
  let insideSecond = false;
  crossings.forEach(({ x, ofFirst }, i) => {
    if (insideFirst && insideSecond) length += x - crossings[i - 1].x;
    if (ofFirst) insideFirst = !insideFirst;
    else insideSecond = !insideSecond;
  });
  return length;
}

function xAt(e: Edge, y: number): number {
  return e.xAtTop + e.slope * (y - e.top);
}

/** Area of the union by the scripts' formula; 0 or negative for some self-intersecting polygons. */
export function unionArea(a: Outline, b: Outline, intersection: number): number {
  const area = a.area + b.area - intersection;
  return Math.abs(area) < LEAST_AREA ? 0 : area;
}

/** Intersection over union; 0 if the union is 0. */
export function intersectionOverUnion(a: Outline, b: Outline): number {
  const intersection = intersectionArea(a, b);
  const union = unionArea(a, b, intersection);
  return union === 0 ? 0 : intersection / union;
}

/** The share of `part` that lies in `whole`, 0 if `part` has no area. */
export function coveredShare(part: Outline, whole: Outline): number {
  return part.area === 0 ? 0 : intersectionArea(part, whole) / part.area;
}

/** `ratio > threshold`. A ratio equal to the threshold up to rounding does not exceed it. */
export function exceeds(ratio: number, threshold: number): boolean {
  return ratio > threshold + RATIO_ROUNDING;
}

/** `ratio ≥ threshold`. A ratio equal to the threshold up to rounding reaches it. */
export function reaches(ratio: number, threshold: number): boolean {
  return ratio >= threshold - RATIO_ROUNDING;
}
