// Convex hull by the monotone chain (Andrew 1979), in the order of OpenCV's convexHull for pixels
// in raster order: the rotating calipers of minAreaRect break ties by that order.

import { cross, type Point } from './geometry.js';

/**
 * Corners of the convex hull of integer points, clockwise on the screen (y down), without points
 * inside an edge. They start with the rightmost corner (the lowest if several); if all corners form
 * one ascending or one descending run in raster order, they start where that run starts, as in
 * OpenCV. Linear time if the points are in raster order.
 */
export function convexHull(points: readonly Point[]): Point[] {
  const sorted = [...points].sort(rasterOrder);
  const right = chain(sorted);
  const left = chain(sorted.reverse());
  // With a single point both chains hold it.
  const corners = right.length === 1 ? right : [...right.slice(0, -1), ...left.slice(0, -1)];
  return rotate(corners, startOf(corners));
}

function rasterOrder(a: Point, b: Point): number {
  return a[1] - b[1] || a[0] - b[0];
}

/**
 * The side of the hull to the left (on the screen, y down) of a walk from the first sorted point to
 * the last.
 */
function chain(sorted: readonly Point[]): Point[] {
  const corners: Point[] = [];
  let count = 0;
  for (const point of sorted) {
    if (count === 1 && point[0] === corners[0][0] && point[1] === corners[0][1]) continue;
    while (count > 1 && cross(corners[count - 2], corners[count - 1], point) <= 0) count--;
    corners[count++] = point;
  }
  corners.length = count;
  return corners;
}

function startOf(corners: readonly Point[]): number {
  const best = (isBetter: (a: Point, b: Point) => boolean): number =>
    corners.reduce((start, corner, i) => (isBetter(corner, corners[start]) ? i : start), 0);
  if (corners.length > 2) {
    const ascents = corners.filter(
      (corner, i) => rasterOrder(corner, corners[(i + 1) % corners.length]) < 0,
    ).length;
    if (ascents === corners.length - 1) return best((a, b) => rasterOrder(a, b) < 0);
    if (ascents === 1) return best((a, b) => rasterOrder(a, b) > 0);
  }
  return best((a, b) => a[0] > b[0] || (a[0] === b[0] && a[1] > b[1]));
}

function rotate(corners: readonly Point[], start: number): Point[] {
  return [...corners.slice(start), ...corners.slice(0, start)];
}
