// Prepares regions for the masked RoI: a crop of the resized image and a mask, from a label map or
// a polygon.
// Source: spec, Recognition 2.
import { PanppError } from '../errors.js';
import type { Box, Point, Polygon } from '../shapes/geometry.js';
import { cropHeight, cropWidth, regionLayout } from './plan.js';
import type { Size } from '../images/size.js';

/** One region to read. */
export interface Roi {
  /**
   * The crop to read, in pixels of the resized image: the tight box grown by one pixel on each side
   * and clamped to the image.
   */
  readonly crop: Box;
  /** The mask's rectangle in mask pixels, each `maskScale` pixels of the resized image wide. */
  readonly maskBox: Box;
  /** The mask's pixels as bits, row after row, lowest bit first. */
  readonly mask: Uint32Array;
}

/** Regions to read, and the scale of their masks. */
export interface Rois {
  readonly rois: readonly Roi[];
  /** Pixels of the resized image per mask pixel, along each axis. */
  readonly maskScale: number;
}

/** A label map; each of its pixels is `scale` × `scale` pixels of the resized image. */
export interface Labels {
  readonly labels: Int32Array;
  readonly width: number;
  readonly scale: number;
}

/** Builds the region of a label; `box` is its tight box in the resized image. */
export function roiOfLabel(
  { labels, width, scale }: Labels,
  label: number,
  box: Box,
  image: Size,
): Roi {
  const maskBox = {
    left: box.left / scale,
    top: box.top / scale,
    right: box.right / scale,
    bottom: box.bottom / scale,
  };
  const mask = new Mask(maskBox);
  for (let y = maskBox.top; y < maskBox.bottom; y++) {
    for (let x = maskBox.left; x < maskBox.right; x++)
      if (labels[y * width + x] === label) mask.set(x, y);
  }
  return { crop: cropOf(box, image), maskBox, mask: mask.bits };
}

/**
 * Builds the region of a polygon or box in the original image, with a mask in pixels of the resized
 * image. A polygon's coordinates refer to pixel centres, as in the results of `detect`; its outline
 * is included.
 * @param name name of the region in error messages
 * @throws PanppError `argument` for an invalid shape or one outside the image
 */
export function roiOfShape(shape: Polygon | Box, name: string, image: Size, original: Size): Roi {
  if (!isValid(shape)) {
    throw new PanppError(
      'argument',
      `${name} is invalid: it must be a box or at least two points, with finite coordinates`,
    );
  }
  const scaleX = (x: number) => (x * image.width) / original.width;
  const scaleY = (y: number) => (y * image.height) / original.height;
  const points = isBox(shape) ? [] : shape.map(([x, y]): Point => [scaleX(x), scaleY(y)]);
  const bounds = isBox(shape)
    ? {
        left: Math.floor(scaleX(shape.left)),
        top: Math.floor(scaleY(shape.top)),
        right: Math.ceil(scaleX(shape.right)),
        bottom: Math.ceil(scaleY(shape.bottom)),
      }
    : boundsOf(points);
  const box = {
    left: Math.max(bounds.left, 0),
    top: Math.max(bounds.top, 0),
    right: Math.min(bounds.right, image.width),
    bottom: Math.min(bounds.bottom, image.height),
  };
  if (box.left >= box.right || box.top >= box.bottom) {
    throw new PanppError(
      'argument',
      `${name} covers nothing of the image of ${original.width} × ${original.height} pixels`,
    );
  }
  const mask = new Mask(box);
  if (isBox(shape)) mask.bits.fill(0xffffffff);
  else fillPolygon(mask, points);
  return { crop: cropOf(box, image), maskBox: box, mask: mask.bits };
}

/** The regions of shapes, as `roiOfShape`; errors number them from 0. */
export function roisOfShapes(
  shapes: readonly (Polygon | Box)[],
  { size, original }: { readonly size: Size; readonly original: Size },
): Roi[] {
  return shapes.map((shape, index) => roiOfShape(shape, `region ${index}`, size, original));
}

function isBox(shape: Polygon | Box): shape is Box {
  return 'left' in shape;
}

/** Whether it is what its type says. It comes from outside. */
function isValid(shape: unknown): boolean {
  if (Array.isArray(shape)) return shape.length >= 2 && shape.every(isPoint);
  const { left, top, right, bottom } = Object(shape) as Partial<Box>;
  return [left, top, right, bottom].every(Number.isFinite);
}

function isPoint(value: unknown): boolean {
  return Array.isArray(value) && Number.isFinite(value[0]) && Number.isFinite(value[1]);
}

/** Bounds of all pixels that the outline rounds to. */
function boundsOf(points: Polygon): Box {
  const xs = points.map(([x]) => Math.round(x));
  const ys = points.map(([, y]) => Math.round(y));
  return {
    left: Math.min(...xs),
    top: Math.min(...ys),
    right: Math.max(...xs) + 1,
    bottom: Math.max(...ys) + 1,
  };
}

function cropOf(box: Box, image: Size): Box {
  return {
    left: Math.max(box.left - 1, 0),
    top: Math.max(box.top - 1, 0),
    right: Math.min(box.right + 1, image.width),
    bottom: Math.min(box.bottom + 1, image.height),
  };
}

/** A bit mask of a rectangle; pixels outside are ignored. */
class Mask {
  readonly bits: Uint32Array;

  constructor(readonly box: Box) {
    this.bits = new Uint32Array(Math.ceil(((box.right - box.left) * (box.bottom - box.top)) / 32));
  }

  set(x: number, y: number): void {
    const { left, top, right, bottom } = this.box;
    if (x < left || x >= right || y < top || y >= bottom) return;
    const bit = (y - top) * (right - left) + x - left;
    this.bits[bit >> 5] |= 1 << (bit & 31);
  }
}

/**
 * Sets the pixels whose centres lie inside a polygon (even-odd rule) and the pixels that its
 * outline rounds to.
 */
function fillPolygon(mask: Mask, points: Polygon): void {
  const edges = points.map((point, at) => [point, points[(at + 1) % points.length]] as const);
  const { left, top, right, bottom } = mask.box;
  for (let y = top; y < bottom; y++) {
    const crossings = edges
      .filter(([[, y1], [, y2]]) => y1 <= y !== y2 <= y)
      .map(([[x1, y1], [x2, y2]]) => between(y, y1, y2, x1, x2));
    crossings.sort((a, b) => a - b);
    for (let at = 0; at < crossings.length; at += 2) {
      const end = Math.min(Math.floor(crossings[at + 1]), right - 1);
      for (let x = Math.max(Math.ceil(crossings[at]), left); x <= end; x++) mask.set(x, y);
    }
  }
  for (const [[x1, y1], [x2, y2]] of edges) {
    // Step along the longer axis: one pixel per step.
    if (Math.abs(x2 - x1) > Math.abs(y2 - y1)) {
      for (const x of steps(x1, x2, left, right))
        mask.set(x, Math.round(between(x, x1, x2, y1, y2)));
    } else {
      for (const y of steps(y1, y2, top, bottom))
        mask.set(Math.round(between(y, y1, y2, x1, x2)), y);
    }
  }
}

/**
 * Linear interpolation at `at` between the values `from` (at `start`) and `to` (at `end`), clamped
 * to these two values.
 */
function between(at: number, start: number, end: number, from: number, to: number): number {
  const share = start === end ? 0 : Math.min(Math.max((at - start) / (end - start), 0), 1);
  return from + share * (to - from);
}

/** The integers between two rounded values, limited to `first` … `end` − 1. */
function steps(a: number, b: number, first: number, end: number): number[] {
  const from = Math.max(Math.round(Math.min(a, b)), first);
  const to = Math.min(Math.round(Math.max(a, b)), end - 1);
  return Array.from({ length: Math.max(to - from + 1, 0) }, (_, step) => from + step);
}

/** Packs `regions`; their masks are stored one after another in `masks`. */
export function packRegions(rois: readonly Roi[]): Uint8Array<ArrayBuffer> {
  let words = 0;
  const records = rois.map(({ crop, maskBox, mask }) => {
    const firstWord = words;
    words += mask.length;
    return {
      top: crop.top,
      left: crop.left,
      height: crop.bottom - crop.top,
      width: crop.right - crop.left,
      maskTop: maskBox.top,
      maskLeft: maskBox.left,
      maskHeight: maskBox.bottom - maskBox.top,
      maskWidth: maskBox.right - maskBox.left,
      firstWord,
    };
  });
  return regionLayout().packAll(records);
}

/** Packs `masks`. */
export function packMasks(rois: readonly Roi[]): Uint32Array<ArrayBuffer> {
  const packed = new Uint32Array(rois.reduce((sum, { mask }) => sum + mask.length, 0));
  let word = 0;
  for (const { mask } of rois) {
    packed.set(mask, word);
    word += mask.length;
  }
  return packed;
}

/**
 * Splits regions into runs of at most `capacity` regions with at most `maskWords` mask words.
 */
export function* inRuns(
  rois: readonly Roi[],
  capacity: number,
  maskWords: number,
): Iterable<readonly Roi[]> {
  let start = 0;
  while (start < rois.length) {
    let end = start;
    for (let words = 0; end < rois.length && end - start < capacity; end++) {
      words += rois[end].mask.length;
      if (words > maskWords) break;
    }
    yield rois.slice(start, end);
    start = end;
  }
}

/** The centre of one of a region's 8 × 32 positions, in pixels of the original image. */
export function pointOfPosition(
  { crop }: Roi,
  position: number,
  image: Size,
  original: Size,
): Point {
  const height = crop.bottom - crop.top;
  const width = crop.right - crop.left;
  const down = (Math.floor(position / cropWidth) + 0.5) / cropHeight;
  const across = ((position % cropWidth) + 0.5) / cropWidth;
  const isUpright = height > 1.5 * width;
  const x = crop.left + (isUpright ? down : across) * width - 0.5;
  const y = crop.top + (isUpright ? across : down) * height - 0.5;
  return [(x * original.width) / image.width, (y * original.height) / image.height];
}
