// Random blobs with what OpenCV 4.6 makes of them, and small readers of drawn masks.
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

import type { Point } from '../../src/shapes/geometry.js';
import { bundledPath } from '../support/reference.js';

export interface OutlineCase {
  /** The blob, `#` inside. */
  readonly rows: readonly string[];
  /** convexHull of its pixels in raster order. */
  readonly hull: readonly Point[];
  /** minAreaRect: centre x, centre y, width, height, angle. */
  readonly rect: readonly number[];
  /** boxPoints of that rectangle. */
  readonly corners: readonly Point[];
  /** findContours with RETR_EXTERNAL and CHAIN_APPROX_SIMPLE. */
  readonly contour: readonly Point[];
}

interface Outlines {
  readonly blobs: readonly OutlineCase[];
  /** resize with INTER_NEAREST: the map index that each image index reads. */
  readonly nearest: readonly {
    readonly map: number;
    readonly image: number;
    readonly sources: readonly number[];
  }[];
}

export function readOutlines(): Outlines {
  return JSON.parse(
    gunzipSync(readFileSync(bundledPath('opencv_outlines.json.gz'))).toString(),
  ) as Outlines;
}

/** The `#` pixels of a drawing, row by row. */
export function pixelsOf(rows: readonly string[]): Point[] {
  return rows.flatMap((row, y) =>
    [...row].flatMap((mark, x): Point[] => (mark === '#' ? [[x, y]] : [])),
  );
}
