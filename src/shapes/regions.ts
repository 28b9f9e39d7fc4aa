// Turns a label map into text regions: the post-processing of the authors' detection head
// (get_results) at the resized image's size, but without building a map of that size. A region's
// rectangle needs only the ends of its rows, its contour only the pixels along its border.

import { PanppError } from '../errors.js';
import { traceContour } from './contour.js';
import type { Box, Point, Polygon } from './geometry.js';
import { convexHull } from './hull.js';
import { boxPoints, minAreaRect } from './min-area-rect.js';
import { nearestAxis, type NearestAxis } from './nearest.js';
import { checkRegionSettings, type RegionSettings } from './settings.js';
import { simplifyPolygon } from './simplify.js';

/** What aggregation counted for one label. */
export interface RegionSum {
  readonly label: number;
  /** Pixels at the resized image's size. */
  readonly area: number;
  /** Sum of the text probabilities of those pixels. */
  readonly score: number;
}

/** A detected text region. */
export interface Region {
  /** Its number in the label map. */
  readonly label: number;
  /**
   * Outline in pixels of the original image, whole numbers. Corners of a `rect` may lie outside the
   * image.
   */
  readonly polygon: Point[];
  /** Tight bounding box of its pixels in the original image. */
  readonly box: Box;
  /** Tight bounding box of its pixels in the resized image. */
  readonly mapBox: Box;
  /** Pixels at the resized image's size. */
  readonly area: number;
  /** Mean text probability. */
  readonly score: number;
}

/** A label map with its sums, and the sizes of the resized and the original image. */
export interface RegionsInput {
  /** `height` × `width`; the pixels of a label are 4-connected, as pixel aggregation makes them. */
  readonly labels: Int32Array;
  readonly height: number;
  readonly width: number;
  /** One entry for each label that has pixels, in any order. */
  readonly sums: readonly RegionSum[];
  /** The resized image, the network's input. */
  readonly imageHeight: number;
  readonly imageWidth: number;
  readonly originalHeight: number;
  readonly originalWidth: number;
  readonly settings: RegionSettings;
}

/** First and last column of a region in one row of the label map. */
interface Span {
  readonly row: number;
  readonly left: number;
  right: number;
}

/** The label map at the resized image's size. */
interface Canvas {
  readonly labels: Int32Array;
  readonly width: number;
  readonly rows: NearestAxis;
  readonly columns: NearestAxis;
}

/**
 * The regions of one image with enough area and score, sorted by label.
 * @throws PanppError `argument` for settings or sizes out of range and for a sum whose label has no
 * pixels.
 */
export function regionsFromLabels(input: RegionsInput): Region[] {
  const {
    labels,
    height,
    width,
    imageHeight,
    imageWidth,
    originalHeight,
    originalWidth,
    settings,
  } = input;
  checkRegionSettings(settings);
  if (labels.length !== height * width) {
    throw new PanppError(
      'argument',
      `a label map of ${height} x ${width} can't have ${labels.length} values`,
    );
  }
  if (!(originalHeight >= 1 && originalWidth >= 1)) {
    throw new PanppError(
      'argument',
      `an original image can't be ${originalHeight} x ${originalWidth} pixels`,
    );
  }
  const canvas: Canvas = {
    labels,
    width,
    rows: nearestAxis(height, imageHeight),
    columns: nearestAxis(width, imageWidth),
  };
  const kept = keptSums(input.sums, settings);
  const spans = collectSpans(labels, width, kept);
  const scaleX = originalWidth / imageWidth;
  const scaleY = originalHeight / imageHeight;
  return kept.map(({ label, area, score }, i) => {
    if (spans[i].length === 0) {
      throw new PanppError('argument', `label ${label} has a sum but no pixels in the label map`);
    }
    const outline =
      settings.bbox === 'rect' ? rectOf(canvas, spans[i]) : contourOf(canvas, spans[i][0], label);
    const polygon = outline.map(([x, y]): Point => [truncate(x * scaleX), truncate(y * scaleY)]);
    const mapBox = tightBox(canvas, spans[i]);
    return {
      label,
      polygon:
        settings.tolerance === undefined ? polygon : simplifyPolygon(polygon, settings.tolerance),
      box: scaleBox(mapBox, input),
      mapBox,
      area,
      score: score / area,
    };
  });
}

function keptSums(
  sums: readonly RegionSum[],
  { minArea, minScore, scale }: RegionSettings,
): RegionSum[] {
  return sums
    .filter(
      ({ area, score }) =>
        area > 0 && area >= minArea / (scale * scale) && score / area >= minScore,
    )
    .sort((a, b) => a.label - b.label);
}

/** The spans of each kept label, in one pass over the map. */
function collectSpans(labels: Int32Array, width: number, kept: readonly RegionSum[]): Span[][] {
  const spans = kept.map((): Span[] => []);
  const spansOf = new Map(kept.map(({ label }, i) => [label, spans[i]]));
  for (let start = 0, row = 0; start < labels.length; start += width, row++) {
    for (let left = 0, right: number; left < width; left = right) {
      const label = labels[start + left];
      for (right = left + 1; right < width && labels[start + right] === label; right++);
      const own = label === 0 ? undefined : spansOf.get(label);
      if (own === undefined) continue;
      const last = own.at(-1);
      if (last?.row === row) last.right = right - 1;
      else own.push({ row, left, right: right - 1 });
    }
  }
  return spans;
}

function rectOf({ rows, columns }: Canvas, spans: readonly Span[]): Point[] {
  const points: Point[] = [];
  for (const { row, left, right } of spans) {
    const x1 = columns.starts[left];
    const x2 = columns.starts[right + 1] - 1;
    const y1 = rows.starts[row];
    const y2 = rows.starts[row + 1] - 1;
    points.push([x1, y1], [x2, y1]);
    if (y2 > y1) points.push([x1, y2], [x2, y2]);
  }
  return boxPoints(minAreaRect(convexHull(points)));
}

function contourOf({ labels, width, rows, columns }: Canvas, first: Span, label: number): Polygon {
  const imageHeight = rows.sources.length;
  const imageWidth = columns.sources.length;
  const isInside = (x: number, y: number): boolean =>
    x >= 0 &&
    y >= 0 &&
    x < imageWidth &&
    y < imageHeight &&
    labels[rows.sources[y] * width + columns.sources[x]] === label;
  return traceContour(isInside, columns.starts[first.left], rows.starts[first.row]);
}

function tightBox({ rows, columns }: Canvas, spans: readonly Span[]): Box {
  let left = Infinity;
  let right = 0;
  for (const span of spans) {
    left = Math.min(left, span.left);
    right = Math.max(right, span.right);
  }
  return {
    left: columns.starts[left],
    top: rows.starts[spans[0].row],
    right: columns.starts[right + 1],
    bottom: rows.starts[spans.at(-1)!.row + 1],
  };
}

/**
 * Rounds outwards to whole pixels. It multiplies first, so that a whole quotient stays whole;
 * otherwise an edge could move by a pixel.
 */
function scaleBox({ left, top, right, bottom }: Box, input: RegionsInput): Box {
  const { imageHeight, imageWidth, originalHeight, originalWidth } = input;
  return {
    left: Math.floor((left * originalWidth) / imageWidth),
    top: Math.floor((top * originalHeight) / imageHeight),
    right: Math.ceil((right * originalWidth) / imageWidth),
    bottom: Math.ceil((bottom * originalHeight) / imageHeight),
  };
}

function truncate(value: number): number {
  return Math.trunc(value) + 0; // + 0 turns −0 into 0
}
