// Strips: words as they are sampled onto a page, level and of one height, with what is around them.
import { lineHeight } from '../layers/rectify.js';
import { type Centreline, centrelineOf, reversed } from '../shapes/centreline.js';
import type { Box, Point } from '../shapes/geometry.js';
import type { Size } from '../images/size.js';
import type { Roi } from './roi.js';

/** Rows of a line that the word itself takes. Of 24 to 40, the shipped weights read best at 32. */
const wordHeight = 32;
/** Rows above and below it, and columns before and behind it. */
const margin = (lineHeight - wordHeight) / 2;
/** Text that is steeper is also read from its other end. */
const steep = (50 * Math.PI) / 180;

/** Longer text is squeezed. */
export const pageWidth = 640;
/** Columns of the narrowest strip. */
export const leastColumns = 2 * margin + 1;

/** Where a strip's column is: positions in an image's pixels, whose centres are whole numbers. */
export interface StripColumn {
  /** The middle row's. */
  readonly x: number;
  readonly y: number;
  /** From a row to the next. */
  readonly stepX: number;
  readonly stepY: number;
}

export interface Strip {
  /** Index of its region. */
  readonly region: number;
  /** One for each column on the page: `margin`, the word, `margin`. */
  readonly columns: readonly StripColumn[];
  /** What its columns cover of the image, in whole pixels, at least one. */
  readonly box: Box;
  /** Image pixels from a row to the next, at most; above 1 the image is finer than the page. */
  readonly step: number;
  /** How much further apart columns are than rows: above 1 if the text is squeezed. */
  readonly squeeze: number;
}

/**
 * The word's box on a page.
 * @param left the strip's first column
 * @param top the first row of its line
 */
export function wordBox({ columns }: Strip, left: number, top: number): Box {
  return {
    left: left + margin,
    top: top + margin,
    right: left + columns.length - margin,
    bottom: top + margin + wordHeight,
  };
}

/** The place in the image of a point of a strip, counted from its first column and row. */
export function pointOfStrip({ columns }: Strip, column: number, row: number): Point {
  const { x, y, stepX, stepY } =
    columns[Math.min(Math.max(Math.round(column), 0), columns.length - 1)];
  const down = row + 0.5 - lineHeight / 2;
  return [x + down * stepX, y + down * stepY];
}

/**
 * The strips of regions: one for each, two for steep text, made when they are asked for.
 * @param maskScale pixels of the resized image per mask pixel
 * @param size of the resized image
 * @param original size of the image that is sampled
 */
export function* stripsOf(
  rois: readonly Roi[],
  maskScale: number,
  size: Size,
  original: Size,
): Generator<Strip, void, undefined> {
  for (const [region, roi] of rois.entries()) {
    const outline = outlineOf(roi, maskScale);
    if (outline.length === 0) continue;
    const centreline = centrelineOf(outline, maskScale);
    yield stripOf(region, centreline, size, original);
    if (Math.abs(centreline.angle) > steep)
      yield stripOf(region, reversed(centreline), size, original);
  }
}

function stripOf(
  region: number,
  { height, length, at }: Centreline,
  size: Size,
  original: Size,
): Strip {
  const scale = wordHeight / height;
  const width = Math.min(Math.max(Math.round(length * scale), 1), pageWidth - 2 * margin);
  const [scaleX, scaleY] = [original.width / size.width, original.height / size.height];
  const columns = Array.from({ length: width + 2 * margin }, (_, column): StripColumn => {
    const { x, y, across } = at(((column + 0.5 - margin) / width) * length);
    return {
      x: (x + 0.5) * scaleX - 0.5,
      y: (y + 0.5) * scaleY - 0.5,
      stepX: (across[0] / scale) * scaleX,
      stepY: (across[1] / scale) * scaleY,
    };
  });
  const step = Math.max(...columns.map(({ stepX, stepY }) => Math.hypot(stepX, stepY)));
  const squeeze = (length * scale) / width;
  return { region, columns, box: boxOf(columns, original), step, squeeze };
}

/** The whole pixels that bilinear samples of the columns read, inside of the image. */
function boxOf(columns: readonly StripColumn[], { height, width }: Size): Box {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const { x, y, stepX, stepY } of columns) {
    const [reachX, reachY] = [stepX, stepY].map((step) => (Math.abs(step) * lineHeight) / 2);
    left = Math.min(left, x - reachX);
    right = Math.max(right, x + reachX);
    top = Math.min(top, y - reachY);
    bottom = Math.max(bottom, y + reachY);
  }
  const within = (value: number, length: number) => Math.min(Math.max(value, 0), length - 1);
  return {
    left: within(Math.floor(left), width),
    top: within(Math.floor(top), height),
    right: within(Math.ceil(right), width) + 1,
    bottom: within(Math.ceil(bottom), height) + 1,
  };
}

/** Corners of the mask's pixels on the region's edge, in pixels of the resized image. */
function outlineOf({ maskBox, mask }: Roi, maskScale: number): Point[] {
  const width = maskBox.right - maskBox.left;
  const height = maskBox.bottom - maskBox.top;
  // With an empty pixel around, so that every neighbour is there.
  const stride = width + 2;
  const isSet = new Uint8Array(stride * (height + 2));
  for (let bit = 0; bit < width * height; bit++) {
    const at = (Math.floor(bit / width) + 1) * stride + (bit % width) + 1;
    isSet[at] = (mask[bit >> 5] >> (bit & 31)) & 1;
  }
  const far = maskScale - 1;
  const corners: Point[] = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y + 1) * stride + x + 1;
      const isInner = isSet[at - 1] & isSet[at + 1] & isSet[at - stride] & isSet[at + stride];
      if (!isSet[at] || isInner) continue;
      const [left, top] = [(maskBox.left + x) * maskScale, (maskBox.top + y) * maskScale];
      corners.push([left, top]);
      if (far > 0) corners.push([left + far, top], [left, top + far], [left + far, top + far]);
    }
  }
  return corners;
}
