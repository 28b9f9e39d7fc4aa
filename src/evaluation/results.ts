// Writes detections as result files for each protocol. All formats hold only whole numbers.
import { PanppError } from '../errors.js';
import type { Point, Polygon } from '../shapes/geometry.js';
import { turn, withQuotes } from './formats/icdar.js';
import { outline } from './geometry.js';
import type { Protocol } from './types.js';

/** A detection; `text` is its recognised word. */
export interface ResultRegion {
  readonly polygon: Polygon;
  readonly text?: string;
}

type WriteLine = (region: ResultRegion, points: readonly Point[]) => string;

const LINES: Readonly<Record<Protocol, WriteLine>> = {
  icdar2015: (_, points) => xFirst(withFourCorners(points)),
  'icdar2015-e2e': icdarWordLine,
  'icdar2015-spotting': icdarWordLine,
  totaltext: (_, points) => yFirst(withArea(points)),
  'totaltext-e2e': (region, points) =>
    `${yFirst(points)},${wordOf(region).toLowerCase().replaceAll(',', ';')}`,
  ctw1500: (_, points) => yFirst(points),
  'msra-td500': (_, points) => xFirst(points),
  iou: (_, points) => xFirst(points),
};

/**
 * The text of an image's result file, one line per region; empty without regions. Coordinates are
 * rounded.
 *
 * Where a format can't hold a region unchanged: `icdar2015` needs four corners, so if there are
 * fewer the last is repeated (which does not change the area); its tasks with words need exactly
 * four, written clockwise; `totaltext` refuses outlines without area (text one pixel thin), so they
 * are written as the box of their pixels; `totaltext-e2e` can't write a comma in a word, so it is
 * replaced by `;` and the word counts as wrong.
 * @throws PanppError `argument` for a region without corners, or without the required text or four
 * corners.
 */
export function formatResults(protocol: Protocol, regions: readonly ResultRegion[]): string {
  return regions
    .map((region, i) => {
      try {
        const points = region.polygon.map(([x, y]): Point => [whole(x), whole(y)]);
        if (points.length === 0) fail('no corners');
        return `${LINES[protocol](region, points)}\n`;
      } catch (error) {
        if (!(error instanceof PanppError)) throw error;
        throw new PanppError(
          'argument',
          `region ${i + 1} can't be written for ${protocol}: ${error.message}`,
        );
      }
    })
    .join('');
}

const IMAGE_ENDING = /\.(avif|bmp|gif|jpe?g|png|tiff?|webp)$/i;

/**
 * The result file's name for an image: `img_25.jpg` gives `res_img_25.txt` for ICDAR 2015,
 * `img_25.txt` elsewhere.
 * @param imageName its name, or its path with `/`; a backslash is an ordinary character
 */
export function resultFileName(protocol: Protocol, imageName: string): string {
  const stem = imageName.replace(/^.*\//s, '').replace(IMAGE_ENDING, '');
  return `${protocol.startsWith('icdar2015') ? 'res_' : ''}${stem}.txt`;
}

function fail(problem: string): never {
  throw new PanppError('argument', problem);
}

function whole(coordinate: number): number {
  if (!Number.isFinite(coordinate)) fail(`${coordinate} is not a valid coordinate`);
  return Math.round(coordinate);
}

function xFirst(points: readonly Point[]): string {
  return points.map(([x, y]) => `${x},${y}`).join(',');
}

function yFirst(points: readonly Point[]): string {
  return points.map(([x, y]) => `${y},${x}`).join(',');
}

function wordOf({ text }: ResultRegion): string {
  if (text === undefined) return fail('it has no text');
  if (/[\r\n]/.test(text)) fail('its text has a line break');
  return text;
}

function icdarWordLine(region: ResultRegion, points: readonly Point[]): string {
  if (points.length !== 4)
    fail(`it has ${points.length} corners; four are needed (use rectangles)`);
  const [first, ...others] = points;
  const clockwise = turn(points) > 0 ? [first, ...others.reverse()] : points;
  return `${xFirst(clockwise)},${withQuotes(wordOf(region))}`;
}

function withFourCorners(points: readonly Point[]): readonly Point[] {
  const last = points[points.length - 1];
  return points.length < 4
    ? [...points, ...new Array<Point>(4 - points.length).fill(last)]
    : points;
}

function withArea(points: readonly Point[]): readonly Point[] {
  const { area, left, top, right, bottom } = outline(points);
  if (area > 0) return points;
  return [
    [left, top],
    [right + 1, top],
    [right + 1, bottom + 1],
    [left, bottom + 1],
  ];
}
