/** A point in pixels, x to the right, y down. */
export type Point = readonly [x: number, y: number];

/** A closed polygon without a repeated last point. */
export type Polygon = readonly Point[];

/** An axis-parallel box in pixels; `right` and `bottom` are exclusive. */
export interface Box {
  /** The first column. */
  readonly left: number;
  /** The first row. */
  readonly top: number;
  /** The column after the last one. */
  readonly right: number;
  /** The row below the last one. */
  readonly bottom: number;
}

/**
 * Twice the signed area of the triangle a, b, c; positive where c lies clockwise of a → b on the
 * screen (y down).
 */
export function cross(a: Point, b: Point, c: Point): number {
  return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
}
