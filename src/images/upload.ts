// Selects the part of an image to upload to the GPU: bilinear resizing reads at most two source
// rows and columns for each row and column of the result, so a few megapixels of a 100-megapixel
// photograph are enough. Whole rows are uploaded unless that is far more than what is read: copying
// pixel by pixel on the CPU would take longer than the GPU needs for an image (a few milliseconds).
import { TexturePixels } from '../gpu/texture-pixels.js';
import type { Size } from './size.js';
import { type PixelImage, checkImage } from './image.js';
import { type ResizeTaps, horizontalTaps, verticalTaps } from './resize-taps.js';

/** Pixels in host memory, or already on the GPU. */
export type PixelSource = PixelImage | TexturePixels;

/** Rows and columns of an image in a texture. */
export interface Texels {
  readonly texture: TexturePixels;
  readonly rows: Uint32Array;
  readonly columns: Uint32Array;
}

/** Bytes per pixel on the GPU. */
export function channelsOf(image: PixelSource): 3 | 4 {
  return image instanceof TexturePixels ? 4 : image.channels;
}

export interface ImageUpload {
  readonly rows: number;
  readonly columns: number;
  /** Bytes per pixel: red, green, blue, and optionally alpha. */
  readonly channels: 3 | 4;
  /** The selected rows and columns: bytes (perhaps the image's own array), or texture positions. */
  readonly pixels: Uint8Array | Texels;
  /**
   * For each column of the result: left and right index into the columns above, and their weights.
   * Four 32-bit words each.
   */
  readonly columnTaps: Int32Array<ArrayBuffer>;
  readonly rowTaps: Int32Array<ArrayBuffer>;
}

/**
 * Whole rows are uploaded if at least this share of their columns is read and they take at most
 * `mostBytes`.
 */
const leastShare = 1 / 4;
const mostBytes = 64 * 2 ** 20;

/**
 * Selects the pixels that resizing `image` to `height` × `width` reads.
 * @throws PanppError `argument` if the image's fields are inconsistent
 */
export function prepareUpload(image: PixelSource, height: number, width: number): ImageUpload {
  const texture = image instanceof TexturePixels ? image : undefined;
  if (!texture) checkImage(image as PixelImage);
  const { rows, columns, everyColumn } = selectionOf(image, { height, width });
  const rowTaps = rows.taps;
  if (texture)
    return {
      ...sizeOf(rows, columns),
      channels: 4,
      pixels: { texture, rows: rows.used, columns: columns.used },
      columnTaps: columns.taps,
      rowTaps,
    };
  const { channels } = image as PixelImage;
  const areWhole =
    columns.used.length >= leastShare * image.width &&
    rows.used.length * image.width * channels <= mostBytes;
  const sent = areWhole ? everyColumn : columns;
  return {
    ...sizeOf(rows, sent),
    channels,
    pixels: gather(image as PixelImage, rows.used, sent.used),
    columnTaps: sent.taps,
    rowTaps,
  };
}

/** What resizing an image of one size to another reads. */
interface Selection {
  readonly key: string;
  readonly rows: Positions;
  readonly columns: Positions;
  readonly everyColumn: Positions;
}

/** Images mostly come in one size, and selecting takes as long as uploading a megapixel does. */
let lastSelection: Selection | undefined;

function selectionOf(source: Size, size: Size): Selection {
  const key = [source.height, source.width, size.height, size.width].join();
  if (lastSelection?.key === key) return lastSelection;
  const taps = horizontalTaps(source.width, size.width);
  lastSelection = {
    key,
    rows: compact(verticalTaps(source.height, size.height), source.height),
    columns: compact(taps, source.width),
    everyColumn: everything(taps, source.width),
  };
  return lastSelection;
}

/** A rectangle of the resized image; `bottom` and `right` are exclusive. */
export interface Part {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/**
 * Selects the pixels of parts of a resized image. Parts of the same size have uploads of the same
 * shape, `rows` × `columns`, so that one plan serves all of them.
 */
export class PartUploads {
  readonly rows: number;
  readonly columns: number;
  readonly channels: 3 | 4;
  readonly #image: PixelSource;
  readonly #rowTaps: ResizeTaps;
  readonly #columnTaps: ResizeTaps;

  /**
   * @param size of the whole resized image
   * @throws PanppError `argument` if the image's fields are inconsistent
   */
  constructor(image: PixelSource, size: Size, parts: readonly Part[]) {
    if (!(image instanceof TexturePixels)) checkImage(image);
    this.#image = image;
    this.channels = channelsOf(image);
    this.#rowTaps = verticalTaps(image.height, size.height);
    this.#columnTaps = horizontalTaps(image.width, size.width);
    const selected = parts.map((part) => this.#select(part));
    this.rows = Math.max(...selected.map(({ rows }) => rows.used.length));
    this.columns = Math.max(...selected.map(({ columns }) => columns.used.length));
  }

  upload(part: Part): ImageUpload {
    const { rows, columns } = this.#select(part);
    const { channels } = this;
    // Padded to the plan's row width; the padding is never read.
    const used = new Uint32Array(this.columns).fill(columns.used.at(-1)!);
    used.set(columns.used);
    return {
      rows: this.rows,
      columns: this.columns,
      channels,
      pixels:
        this.#image instanceof TexturePixels
          ? { texture: this.#image, rows: rows.used, columns: used }
          : gather(this.#image, rows.used, used),
      columnTaps: columns.taps,
      rowTaps: rows.taps,
    };
  }

  #select({ top, bottom, left, right }: Part): { rows: Positions; columns: Positions } {
    return {
      rows: compact(partOf(this.#rowTaps, top, bottom), this.#image.height),
      columns: compact(partOf(this.#columnTaps, left, right), this.#image.width),
    };
  }
}

function partOf({ index0, index1, weight0, weight1 }: ResizeTaps, from: number, to: number) {
  return {
    index0: index0.subarray(from, to),
    index1: index1.subarray(from, to),
    weight0: weight0.subarray(from, to),
    weight1: weight1.subarray(from, to),
  };
}

/** Ascending positions along an axis, and taps that index into them. */
interface Positions {
  readonly used: Uint32Array;
  readonly taps: Int32Array<ArrayBuffer>;
}

function sizeOf(rows: Positions, columns: Positions): Pick<ImageUpload, 'rows' | 'columns'> {
  return { rows: rows.used.length, columns: columns.used.length };
}

function everything(taps: ResizeTaps, size: number): Positions {
  const used = Uint32Array.from({ length: size }, (_, index) => index);
  return { used, taps: packed(taps, used) };
}

/** Keeps only the positions that the taps use. */
function compact(taps: ResizeTaps, size: number): Positions {
  const isUsed = new Uint8Array(size);
  for (const index of taps.index0) isUsed[index] = 1;
  for (const index of taps.index1) isUsed[index] = 1;
  const used: number[] = [];
  const place = new Uint32Array(size);
  isUsed.forEach((flag, index) => {
    if (flag) place[index] = used.push(index) - 1;
  });
  return { used: Uint32Array.from(used), taps: packed(taps, place) };
}

/** Packs taps for the shader. @param place index of each source position in the upload */
function packed(
  { index0, index1, weight0, weight1 }: ResizeTaps,
  place: Uint32Array,
): Int32Array<ArrayBuffer> {
  const words = new Int32Array(4 * index0.length);
  for (let at = 0; at < index0.length; at++) {
    words[4 * at] = place[index0[at]];
    words[4 * at + 1] = place[index1[at]];
    words[4 * at + 2] = weight0[at];
    words[4 * at + 3] = weight1[at];
  }
  return words;
}

/** The pixels of some rows and columns: perhaps the image's own array. */
export function gather(
  { width, height, channels, data }: PixelImage,
  rows: Uint32Array,
  columns: Uint32Array,
): Uint8Array {
  const hasAllColumns = columns.length === width && columns.every((column, at) => column === at);
  if (hasAllColumns && rows.length === height)
    return data instanceof Uint8Array
      ? data
      : new Uint8Array(data.buffer, data.byteOffset, data.length);
  const pixels = new Uint8Array(rows.length * columns.length * channels);
  let to = 0;
  for (const row of rows) {
    const start = row * width * channels;
    if (hasAllColumns) {
      pixels.set(data.subarray(start, start + width * channels), to);
      to += width * channels;
      continue;
    }
    for (let at = 0; at < columns.length; at++, to += channels) {
      const source = start + columns[at] * channels;
      pixels[to] = data[source];
      pixels[to + 1] = data[source + 1];
      pixels[to + 2] = data[source + 2];
    }
  }
  return pixels;
}
