// The input of every format. A model's `Region` or `SpottedRegion` fits unchanged.
import { PanppError } from '../errors.js';
import type { Box, Polygon } from '../shapes/geometry.js';

/** An image that a result file refers to. */
export interface ImageReference {
  /** Path for readers of the file: with `/`, relative to the file's folder. */
  readonly path: string;
  /** Pixels, after applying the EXIF orientation. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
}

/** A region to write. */
export interface FormatRegion {
  /** Outline in pixels of the image; a whole number is the centre of a pixel. */
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

/** A score rounded to four digits, as in the JSON lines. */
export function roundedScore(score: number): number {
  return Number(score.toFixed(4));
}

/** At most two decimals, for files that people read. */
export function hundredths(value: number): number {
  return Number(value.toFixed(2));
}

/** A path's last part. */
export function nameOf({ path }: ImageReference): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
