// Cuts a resized image that is too large for one run of the network into overlapping tiles. The
// network is local: far from a tile's edges, the tile's map equals the whole image's. So each tile
// gives the map of its own part, and the parts together are the whole map. Regions that cross a
// seam need no joining, because aggregation sees the whole map.
import { DEFAULT_MAX_PIXELS, type Size } from '../images/size.js';
import type { Part } from '../images/upload.js';
import { checkInteger } from '../options.js';

/** A part of the resized image that the network sees at once. */
export interface Tile {
  /** What the network sees: sides are multiples of 32, the same for all tiles of an image. */
  readonly area: Part;
  /** The part of the map that this tile gives, in resized-image pixels; parts don't overlap. */
  readonly own: Part;
}

/**
 * Pixels of the resized image that a tile sees beyond its own part, at each seam. With this margin
 * text and kernel pixels agree with the whole image's; with 128, some of large text still differ.
 */
export const tileMargin = 256;

/** Side of the tiles unless a call sets it or the device allows less. */
const usualTileSide = 2048;

/**
 * Square images up to this side fit every WebGPU device, at any depth of the backbone, so they need
 * no search for the largest one that fits.
 */
export const alwaysFits = 1024;

/**
 * Longest images in proportion to their width that are processed whole: bands of rows (the stem's,
 * the head's) have a least height, so those of a very wide image can be too large.
 */
const longestStrip = 128;

/** The network's input is aligned to this. */
const step = 32;

/**
 * Side of an image's tiles unless the call sets it. An image that fits the device is one tile.
 * @param largestSquare gives the side of the largest square image that fits the device
 */
export function defaultTileSide({ height, width }: Size, largestSquare: () => number): number {
  const pixels = height * width;
  const whole = Math.max(height, width, usualTileSide);
  const isStrip = Math.max(height, width) > longestStrip * Math.min(height, width);
  if (pixels <= alwaysFits ** 2 && !isStrip) return whole;
  const largest = largestSquare();
  return pixels <= largest ** 2 && !isStrip ? whole : Math.min(usualTileSide, largest);
}

/**
 * Maximum side of an image's tiles, where `side` is wished for: one tile may be an image that is
 * processed whole, of which there is a largest.
 */
export function longestTileSide({ height, width }: Size, side: number): number {
  return height * width <= DEFAULT_MAX_PIXELS
    ? side
    : Math.min(side, Math.sqrt(DEFAULT_MAX_PIXELS));
}

/** @throws PanppError `argument` for tiles that are smaller than the margins allow */
export function checkTileSide(side: number, margin = tileMargin): void {
  checkInteger('tileSide', side, 3 * margin);
}

/**
 * Cuts an image, whose sides are multiples of 32, into tiles, row by row; if small, into one tile.
 * @param side maximum length of a tile's sides
 * @throws PanppError `argument` if the tiles are smaller than the margins allow
 */
export function planTiles({ height, width }: Size, side: number, margin = tileMargin): Tile[] {
  checkTileSide(side, margin);
  const columns = cut(width, side, margin);
  return cut(height, side, margin).flatMap((row) =>
    columns.map((column) => ({
      area: { top: row.start, bottom: row.end, left: column.start, right: column.end },
      own: { top: row.from, bottom: row.to, left: column.from, right: column.to },
    })),
  );
}

/** Pieces of equal length along one axis; `from` and `to` bound a piece's own part. */
function cut(length: number, side: number, margin: number) {
  const most = Math.floor(side / step) * step;
  if (length <= most) return [{ start: 0, end: length, from: 0, to: length }];
  const count = Math.ceil((length - 2 * margin) / (most - 2 * margin));
  const piece = Math.ceil((length + (count - 1) * 2 * margin) / count / step) * step;
  const starts = Array.from({ length: count }, (_, index) =>
    Math.min(index * (piece - 2 * margin), length - piece),
  );
  // Seams lie in the middle of the overlaps.
  const seams = starts.slice(1).map((start, index) => (start + starts[index] + piece) / 2);
  return starts.map((start, index) => ({
    start,
    end: start + piece,
    from: index === 0 ? 0 : seams[index - 1],
    to: seams[index] ?? length,
  }));
}
