// Draws regions with their words over an image, or as label masks. Pixel (x, y) has its centre at
// the point (x, y), as in the contours that the polygons come from.
import { PanppError } from '../errors.js';
import type { Box, Point, Polygon } from '../shapes/geometry.js';
import { checkNumber, checkOptions } from '../options.js';
import { type PixelImage, checkImage } from './image.js';
import {
  ASCENT,
  DESCENT,
  type Letter,
  fontSizeOf,
  glyphLines,
  lettersOf,
  placeWord,
} from './lettering.js';

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

type Segment = readonly [from: Point, to: Point];
type Colour = readonly [red: number, green: number, blue: number];

export const DEFAULT_FILL_OPACITY = 0.22;
const SATURATION = 0.78; // below 1, because pure blue is too dark on a dark background
const HALO: Colour = [0, 0, 0];
const HALO_OPACITY = 0.65;
const LETTER: Colour = [255, 255, 255];

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

  const lineWidth = options.lineWidth ?? Math.max(2, Math.min(width, height) / 320);
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

interface Canvas extends PixelImage {
  readonly data: Uint8ClampedArray;
}

function blend(
  { width, channels, data }: Canvas,
  x: number,
  y: number,
  colour: Colour,
  opacity: number,
): void {
  const at = (y * width + x) * channels;
  for (let c = 0; c < 3; c++) data[at + c] += (colour[c] - data[at + c]) * opacity;
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
  const rim = core + Math.max(1.5, lineWidth * 0.4);
  const edges = polygon.map((point, i): Segment => [polygon.at(i - 1)!, point]);
  const distances = distancesTo(edges, canvas, rim + 0.5);
  for (const [at, distance] of distances) {
    const [x, y] = [at % canvas.width, Math.floor(at / canvas.width)];
    blend(canvas, x, y, HALO, HALO_OPACITY * coverage(rim - distance));
    blend(canvas, x, y, colour, coverage(core - distance));
  }
}

/** A letter as opacities of pixels, 0 to 255, row by row. */
interface Stamp {
  readonly width: number;
  readonly height: number;
  /** The pixel in which the baseline begins. */
  readonly left: number;
  readonly bottom: number;
  readonly rim: Uint8Array;
  readonly core: Uint8Array;
}

/** Letters begin at quarters of a pixel; finer steps can't be seen. */
const STEPS = 4;

/** Writes the words of all regions. */
function drawWords(canvas: Canvas, regions: Parameters<typeof drawRegions>[1]): void {
  const fontSize = fontSizeOf(canvas);
  // Letters recur, and a stamp is much faster than its lines.
  const stamps = new Map<string, Stamp>();
  for (const { polygon, text } of regions) {
    if (!text) continue;
    const { width, letters } = lettersOf(text, fontSize);
    const { x, baseline, anchor } = placeWord(boundsOf(polygon), canvas, fontSize, width);
    const left = anchor === 'start' ? x : x - width;
    const placed = letters.map((letter) => {
      const steps = Math.round((left + letter.start) * STEPS);
      const column = Math.floor(steps / STEPS);
      const shift = steps / STEPS - column;
      const key = `${shift} ${letter.glyph}`;
      const stamp = stamps.get(key) ?? stampOf(letter, fontSize, shift);
      stamps.set(key, stamp);
      return { stamp, column };
    });
    // Letters stand on the lower border of a row.
    const row = Math.round(baseline) - 1;
    // All rims first, so that none covers the letter before.
    for (const { stamp, column } of placed) print(canvas, stamp, stamp.rim, column, row, HALO);
    for (const { stamp, column } of placed) print(canvas, stamp, stamp.core, column, row, LETTER);
  }
}

/** The box around a polygon's pixels. */
function boundsOf(polygon: Polygon): Box {
  const xs = polygon.map(([x]) => x);
  const ys = polygon.map(([, y]) => y);
  return {
    left: Math.min(...xs),
    top: Math.min(...ys),
    right: Math.max(...xs) + 1,
    bottom: Math.max(...ys) + 1,
  };
}

/** @param shift of the letter to the right, in pixels, below 1 */
function stampOf({ glyph, width: advance }: Letter, fontSize: number, shift: number): Stamp {
  const core = Math.max(1.2, fontSize / 10) / 2;
  const rim = core + Math.max(1, fontSize / 10);
  const left = Math.ceil(rim) + 1;
  const bottom = left + Math.ceil(fontSize * ASCENT);
  const width = left + Math.ceil(advance) + left;
  const height = bottom + Math.ceil(fontSize * DESCENT) + left;
  const stamp = {
    width,
    height,
    left,
    bottom,
    rim: new Uint8Array(width * height),
    core: new Uint8Array(width * height),
  };
  const segments = glyphLines(glyph, fontSize).flatMap((line) => {
    const points = line.map(([x, y]): Point => [left + shift - 0.5 + x, bottom + y]);
    return points.slice(1).map((to, i): Segment => [points[i], to]);
  });
  for (const [at, distance] of distancesTo(segments, stamp, rim + 0.5)) {
    stamp.rim[at] = Math.round(255 * coverage(rim - distance));
    stamp.core[at] = Math.round(255 * coverage(core - distance));
  }
  return stamp;
}

/** @param column the pixel in which the letter's baseline begins */
function print(
  canvas: Canvas,
  { width, height, left, bottom }: Stamp,
  opacities: Uint8Array,
  column: number,
  row: number,
  colour: Colour,
): void {
  const [x0, y0] = [column - left, row - bottom];
  const [right, end] = [Math.min(canvas.width, x0 + width), Math.min(canvas.height, y0 + height)];
  for (let y = Math.max(0, y0); y < end; y++) {
    for (let x = Math.max(0, x0); x < right; x++) {
      const opacity = opacities[(y - y0) * width + x - x0];
      if (opacity > 0) blend(canvas, x, y, colour, opacity / 255);
    }
  }
}

/**
 * Share of a pixel that a shape covers if the pixel's centre is `inside` pixels inside its border.
 */
const coverage = (inside: number): number => Math.min(Math.max(inside + 0.5, 0), 1);

/**
 * Distance to the nearest segment for each pixel nearer than `reach`, by pixel index, so that each
 * pixel is blended once even if several segments are near.
 */
function distancesTo(
  segments: readonly Segment[],
  { width, height }: Pick<PixelImage, 'width' | 'height'>,
  reach: number,
): Map<number, number> {
  const distances = new Map<number, number>();
  for (const [[x0, y0], [x1, y1]] of segments) {
    const [dx, dy] = [x1 - x0, y1 - y0];
    const squaredLength = dx * dx + dy * dy;
    const top = Math.max(0, Math.ceil(Math.min(y0, y1) - reach));
    const bottom = Math.min(height - 1, Math.floor(Math.max(y0, y1) + reach));
    for (let y = top; y <= bottom; y++) {
      const [from, to] = strip(x0, y0, x1, y1, y, reach, width);
      for (let x = from; x <= to; x++) {
        const along = squaredLength === 0 ? 0 : ((x - x0) * dx + (y - y0) * dy) / squaredLength;
        const t = Math.min(Math.max(along, 0), 1);
        const distance = Math.hypot(x - x0 - t * dx, y - y0 - t * dy);
        const at = y * width + x;
        if (distance < reach && distance < (distances.get(at) ?? Infinity))
          distances.set(at, distance);
      }
    }
  }
  return distances;
}

/**
 * The columns of row y that can be nearer than `reach` to a segment, so that a long diagonal is not
 * tested in its whole bounding box.
 */
function strip(
  x0: number,
  y0: number,
  x1: number,
  y1: number,
  y: number,
  reach: number,
  width: number,
): [from: number, to: number] {
  const at = (row: number) => (y0 === y1 ? x0 : x0 + ((row - y0) / (y1 - y0)) * (x1 - x0));
  const within = (row: number) => Math.min(Math.max(row, Math.min(y0, y1)), Math.max(y0, y1));
  const ends = y0 === y1 ? [x0, x1] : [at(within(y - reach)), at(within(y + reach))];
  const from = Math.max(0, Math.ceil(Math.min(...ends) - reach));
  const to = Math.min(width - 1, Math.floor(Math.max(...ends) + reach));
  return [from, to];
}
