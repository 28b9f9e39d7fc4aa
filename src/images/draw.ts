// Draws regions with their words over an image, or as label masks. Pixel (x, y) has its centre at
// the point (x, y), as in the contours that the polygons come from.
import { PanppError } from '../errors.js';
import type { Polygon } from '../shapes/geometry.js';
import { checkNumber, checkOptions } from '../options.js';
import {
  type Canvas,
  type Colour,
  HALO,
  type Segment,
  blend,
  coverage,
  distancesTo,
} from './canvas.js';
import { drawWords } from './draw-words.js';
import { type PixelImage, checkImage } from './image.js';

/** One label per pixel, row by row: 0 is background, k + 1 is region k. */
export interface LabelMask {
  /** Width in pixels. */
  readonly width: number;
  /** Height in pixels. */
  readonly height: number;
  /** [height][width]; 16 bits if there are more than 255 regions. */
  readonly labels: Uint8Array | Uint16Array;
}

/** How regions are drawn over an image. */
export interface DrawOptions {
  /** Width of the outlines in pixels; default: 1/320 of the image's shorter side, at least 2. */
  readonly lineWidth?: number;
  /** Opacity of the fill, 0 to 1; default: 0.22. */
  readonly fillOpacity?: number;
}

export const DEFAULT_FILL_OPACITY = 0.22;

/** The default width of outlines in pixels. */
export function lineWidthOf({ width, height }: Pick<PixelImage, 'width' | 'height'>): number {
  return Math.max(2, Math.min(width, height) / 320);
}

/** How far the dark rim goes beyond a line of a width, in pixels. */
export const rimOf = (lineWidth: number): number => Math.max(1.5, lineWidth * 0.4);

const SATURATION = 0.78; // below 1, because pure blue is too dark on a dark background
const HALO_OPACITY = 0.65;

/**
 * Returns a copy of the image with each region outlined and tinted in its own colour, and with its
 * word beside it. A dark rim around the lines keeps them visible on a light background. Parts
 * outside the image are clipped. A word stands above its region if there is room, and may cover
 * other regions. Its letters are those of ASCII: accents are left out, and other characters become
 * boxes.
 * @param image not modified; the copy has the same channels, alpha made opaque
 * @param regions polygons in image pixels; without `text` for outlines alone
 * @throws PanppError `argument` for an invalid image or invalid options
 */
export function drawRegions(
  image: PixelImage,
  regions: readonly { readonly polygon: Polygon; readonly text?: string }[],
  options: DrawOptions = {},
): PixelImage {
  checkImage(image);
  checkOptions('drawRegions', options, ['lineWidth', 'fillOpacity']);
  const { width, height, channels } = image;
  const data = new Uint8ClampedArray(image.data);
  if (channels === 4) for (let i = 3; i < data.length; i += 4) data[i] = 255;
  const canvas: Canvas = { width, height, channels, data };

  const lineWidth = options.lineWidth ?? lineWidthOf(image);
  const fillOpacity = options.fillOpacity ?? DEFAULT_FILL_OPACITY;
  checkNumber('lineWidth', lineWidth, 0);
  checkNumber('fillOpacity', fillOpacity, 0, 1);
  regions.forEach(({ polygon }, index) => {
    const colour = regionColour(index);
    forEachSpan(polygon, width, height, (y, from, to) => {
      for (let x = from; x <= to; x++) blend(canvas, x, y, colour, fillOpacity);
    });
    drawOutline(canvas, polygon, lineWidth, colour);
  });
  // Last, so that no outline crosses a word.
  drawWords(canvas, regions);
  return canvas;
}

/**
 * Fills the regions' polygons with 1, 2, 3 … in order, later ones on top: every pixel whose centre
 * lies in the polygon (even-odd rule) or on its border. The mask has 8 bits per pixel for up to 255
 * regions, else 16.
 * @param regions polygons in mask pixels
 * @throws PanppError `argument` for more than 65535 regions
 */
export function drawMask(
  width: number,
  height: number,
  regions: readonly { readonly polygon: Polygon }[],
): LabelMask {
  if (regions.length > 0xffff) {
    throw new PanppError(
      'argument',
      `${regions.length} regions don't fit a 16-bit mask; at most 65535 do`,
    );
  }
  const labels =
    regions.length > 0xff ? new Uint16Array(width * height) : new Uint8Array(width * height);
  regions.forEach(({ polygon }, index) => {
    forEachSpan(polygon, width, height, (y, from, to) =>
      labels.fill(index + 1, y * width + from, y * width + to + 1),
    );
  });
  return { width, height, labels };
}

/**
 * Hues are a golden angle apart: consecutive regions differ strongly, and no hue ever repeats.
 */
export function regionColour(index: number): Colour {
  const hue = (145 + index * 137.508) % 360;
  const channel = (offset: number) => {
    const k = (offset + hue / 60) % 6;
    return 255 * (1 - SATURATION * Math.max(0, Math.min(k, 4 - k, 1)));
  };
  return [channel(5), channel(3), channel(1)];
}

/**
 * Calls `callback` with disjoint runs of pixels (ends inclusive, clipped to the image) whose
 * centres lie in or on the polygon.
 */
function forEachSpan(
  polygon: Polygon,
  width: number,
  height: number,
  callback: (y: number, from: number, to: number) => void,
): void {
  const ys = polygon.map(([, y]) => y);
  const first = Math.max(0, Math.ceil(Math.min(...ys)));
  const last = Math.min(height - 1, Math.floor(Math.max(...ys)));
  for (let y = first; y <= last; y++) {
    let next = 0;
    for (const [left, right] of rowIntervals(polygon, y)) {
      // Rounding errors of crossings (about 1e-13) must not exclude a centre on the border.
      const from = Math.max(next, Math.ceil(left - 1e-9));
      const to = Math.min(width - 1, Math.floor(right + 1e-9));
      if (from <= to) callback(y, from, to);
      next = Math.max(next, to + 1);
    }
  }
}

/**
 * The intervals of row y that lie in or on the polygon, from left to right; they may overlap.
 */
function rowIntervals(polygon: Polygon, y: number): (readonly [left: number, right: number])[] {
  const crossings: number[] = [];
  const intervals: (readonly [number, number])[] = [];
  polygon.forEach(([x1, y1], i) => {
    const [x0, y0] = polygon.at(i - 1)!;
    if (y0 <= y !== y1 <= y) crossings.push(x0 + ((y - y0) * (x1 - x0)) / (y1 - y0));
    // The half-open rule for crossings leaves out lowest points and horizontal edges.
    if (y1 === y) intervals.push(y0 === y ? [Math.min(x0, x1), Math.max(x0, x1)] : [x1, x1]);
  });
  crossings.sort((a, b) => a - b);
  for (let i = 0; i + 1 < crossings.length; i += 2)
    intervals.push([crossings[i], crossings[i + 1]]);
  return intervals.sort((a, b) => a[0] - b[0]);
}

function drawOutline(canvas: Canvas, polygon: Polygon, lineWidth: number, colour: Colour): void {
  const core = lineWidth / 2;
  const rim = core + rimOf(lineWidth);
  const edges = polygon.map((point, i): Segment => [polygon.at(i - 1)!, point]);
  const distances = distancesTo(edges, canvas, rim + 0.5);
  for (const [at, distance] of distances) {
    const [x, y] = [at % canvas.width, Math.floor(at / canvas.width)];
    blend(canvas, x, y, HALO, HALO_OPACITY * coverage(rim - distance));
    blend(canvas, x, y, colour, coverage(core - distance));
  }
}
