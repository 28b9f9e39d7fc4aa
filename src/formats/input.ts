// The input of every format. A model's `Region` or `SpottedRegion` fits unchanged.
import { PanppError } from '../errors.js';
import type { Box, Polygon } from '../shapes/geometry.js';

/** An image that a result file refers to. */
export interface ImageReference {
  /** Path relative to the result file's folder, with `/` as separator. */
  readonly path: string;
  /** Pixels, after applying the EXIF orientation. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
}

/** A region to write. */
export interface FormatRegion {
  /** Outline in pixels of the image; whole numbers are pixel centres. */
  readonly polygon: Polygon;
  /** Tight box of its pixels. */
  readonly box: Box;
  /** Mean text probability. */
  readonly score: number;
  /** Recognised text, if any. */
  readonly text?: string;
  /** Mean probability of its characters. */
  readonly textScore?: number;
}

/**
 * A region's outline with at least three corners, which most readers require. Text of one or two
 * pixels has fewer; its box is used instead.
 * @param index the region's index, for the error
 * @throws PanppError `argument` for coordinates that are not numbers
 */
export function outlineOf({ polygon, box }: FormatRegion, index: number): Polygon {
  const { left, top, right, bottom } = box;
  const wrong = [...polygon.flat(), left, top, right, bottom].find(
    (coordinate) => !Number.isFinite(coordinate),
  );
  if (wrong !== undefined)
    throw new PanppError('argument', `region ${index + 1} has ${wrong} as coordinate`);
  if (polygon.length >= 3) return polygon;
  return [
    [left, top],
    [right, top],
    [right, bottom],
    [left, bottom],
  ];
}

/** A score rounded to four decimals, as in the JSON Lines output. */
export function roundedScore(score: number): number {
  return Number(score.toFixed(4));
}

/** Rounds to at most two decimals, for files that people read. */
export function hundredths(value: number): number {
  return Number(value.toFixed(2));
}

/** The file name in an image's path. */
export function nameOf({ path }: ImageReference): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
