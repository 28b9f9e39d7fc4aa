// Reads regions of an image that is too large for one run of the network, in windows of equal size.
// Each window is placed so that it holds as many whole regions with their surroundings as possible.
import { PanppError } from '../errors.js';
import { addTimes } from '../gpu/timeline.js';
import type { Size } from '../images/size.js';
import type { ImageUpload, Part } from '../images/upload.js';
import type { Box } from '../shapes/geometry.js';
import type { RecognitionPass } from './pass.js';
import type { Roi, Rois } from './roi.js';
import { type Word, unread } from './words.js';

/** A part of the resized image, with the regions that are read in it. */
export interface Window {
  readonly area: Part;
  /** Indices of the regions. */
  readonly regions: number[];
}

/** Windows start at multiples of the network's stride. */
const step = 32;

/**
 * Size of the windows for regions: that of the tiles, or what the largest region needs.
 * @param crops in pixels of the resized image
 * @param most maximum length of a window's sides
 */
export function windowSize(crops: readonly Box[], image: Size, tile: Size, most: number): Size {
  const along = (low: 'left' | 'top', high: 'right' | 'bottom', usual: number, whole: number) => {
    const longest = Math.max(0, ...crops.map((crop) => crop[high] - crop[low]));
    const needed = Math.ceil(longest / step) * step + step;
    return Math.max(usual, Math.min(needed, Math.floor(most / step) * step, whole));
  };
  return {
    height: along('top', 'bottom', tile.height, image.height),
    width: along('left', 'right', tile.width, image.width),
  };
}

/**
 * Places windows of `size` over an image so that each crop lies in one of them. If possible, a
 * crop is at least `margin` away from window edges inside the image.
 * @param crops in pixels of the resized image
 * @param size sides are multiples of 32, at most the image's
 * @returns the windows, and an error for each crop that is larger than a window
 */
export function planWindows(
  crops: readonly Box[],
  image: Size,
  size: Size,
  margin: number,
): { windows: Window[]; faults: PanppError[] } {
  const windows: Window[] = [];
  const faults: PanppError[] = [];
  crops.forEach((crop, index) => {
    const known = windows.find(({ area }) => holds(area, crop, image, margin));
    if (known) {
      known.regions.push(index);
      return;
    }
    const rows = place(crop.top, crop.bottom, size.height, image.height, margin);
    const columns = place(crop.left, crop.right, size.width, image.width, margin);
    if (!rows || !columns) {
      faults.push(
        new PanppError(
          'argument',
          `a region of ${crop.right - crop.left} × ${crop.bottom - crop.top} pixels after resizing is too large to be read in a tile of ${size.width} × ${size.height}; use a smaller short side, or larger tiles`,
        ),
      );
      return;
    }
    const area = { top: rows[0], bottom: rows[1], left: columns[0], right: columns[1] };
    windows.push({ area, regions: [index] });
  });
  return { windows, faults };
}

function holds(area: Part, crop: Box, image: Size, margin: number): boolean {
  return (
    Math.max(crop.top - margin, 0) >= area.top &&
    Math.max(crop.left - margin, 0) >= area.left &&
    Math.min(crop.bottom + margin, image.height) <= area.bottom &&
    Math.min(crop.right + margin, image.width) <= area.right
  );
}

/** Start and end of a window along one axis; undefined if the crop does not fit. */
function place(
  from: number,
  to: number,
  length: number,
  whole: number,
  margin: number,
): [start: number, end: number] | undefined {
  // Crops come in raster order, so free space is left after the first one; if there is little, the
  // crop is centred.
  const before = Math.min(margin, (length - step - (to - from)) / 2);
  const wanted = Math.floor((from - before) / step) * step;
  const start = Math.min(Math.max(wanted, 0), whole - length);
  return from >= start && to <= start + length ? [start, start + length] : undefined;
}

/**
 * Reads regions in windows.
 * @param upload gives the pixels of a window
 * @param signal checked before each window
 * @returns words in the order of the regions, without text for those that are in no window; timings
 * in milliseconds, summed
 */
export async function readInWindows(
  pass: Pick<RecognitionPass, 'read'>,
  windows: readonly Window[],
  upload: (area: Part) => ImageUpload,
  { rois, maskScale }: Rois,
  signal?: AbortSignal,
): Promise<{ words: Word[]; timings: Record<string, number> & { upload: number } }> {
  const words = new Array<Word>(rois.length).fill(unread);
  const timings: Record<string, number> & { upload: number } = { upload: 0 };
  for (const { area, regions } of windows) {
    signal?.throwIfAborted();
    const own = regions.map((index) => within(rois[index], area, maskScale));
    const start = performance.now();
    const pixels = upload(area);
    addTimes(timings, { upload: performance.now() - start });
    const read = await pass.read(pixels, { rois: own, maskScale });
    regions.forEach((index, at) => (words[index] = read.words[at]));
    addTimes(timings, read.timings);
  }
  return { words, timings };
}

/** A region in a window's coordinates. */
function within({ crop, maskBox, mask }: Roi, { top, left }: Part, maskScale: number): Roi {
  return {
    crop: moved(crop, left, top),
    maskBox: moved(maskBox, left / maskScale, top / maskScale),
    mask,
  };
}

function moved({ left, top, right, bottom }: Box, x: number, y: number): Box {
  return { left: left - x, top: top - y, right: right - x, bottom: bottom - y };
}
