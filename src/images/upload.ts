// What of an image goes to the GPU: bilinear resizing reads at most two source rows and columns for each of the result's, so of a
// 100-megapixel photograph a few megapixels are enough.
import { PanppError } from '../errors.js';
import { TexturePixels } from '../gpu/texture-pixels.js';
import type { PixelImage } from './image.js';
import { type ResizeTaps, horizontalTaps, verticalTaps } from './resize-taps.js';

/** Pixels in the host's memory, or already on the GPU. */
export type PixelSource = PixelImage | TexturePixels;

/** Rows and columns of a picture that lies in a texture. */
export interface Texels {
  readonly texture: TexturePixels;
  readonly rows: Uint32Array;
  readonly columns: Uint32Array;
}

export interface ImageUpload {
  readonly rows: number;
  readonly columns: number;
  /** RGBA bytes of the rows and columns that are read, or where they lie. */
  readonly pixels: Uint8Array<ArrayBuffer> | Texels;
  /** For every column of the result: left and right index into the columns above, their weights. Four 32-bit words each. */
  readonly columnTaps: Int32Array<ArrayBuffer>;
  readonly rowTaps: Int32Array<ArrayBuffer>;
}

/** Picks what resizing `image` to `height` × `width` reads. @throws PanppError `argument` if the image's fields contradict one another. */
export function prepareUpload(image: PixelSource, height: number, width: number): ImageUpload {
  const texture = image instanceof TexturePixels ? image : undefined;
  if (!texture) assertImage(image as PixelImage);
  const columns = compact(horizontalTaps(image.width, width), image.width);
  const rows = compact(verticalTaps(image.height, height), image.height);
  return {
    rows: rows.used.length,
    columns: columns.used.length,
    pixels: texture ? { texture, rows: rows.used, columns: columns.used } : gather(image as PixelImage, rows.used, columns.used),
    columnTaps: columns.taps,
    rowTaps: rows.taps,
  };
}

function assertImage({ width, height, channels, data }: PixelImage): void {
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0)) {
    throw new PanppError('argument', `an image of ${width} × ${height} pixels has nothing to look at`);
  }
  if (channels !== 3 && channels !== 4) throw new PanppError('argument', `an image has 3 or 4 channels, not ${String(channels)}`);
  if (data.length !== width * height * channels) {
    throw new PanppError('argument', `an image of ${width} × ${height} × ${channels} needs ${width * height * channels} bytes, not ${data.length}`);
  }
}

/** The positions that taps use, ascending, and the taps counted within those. */
function compact(taps: ResizeTaps, size: number): { used: Uint32Array; taps: Int32Array<ArrayBuffer> } {
  const isUsed = new Uint8Array(size);
  for (const index of taps.index0) isUsed[index] = 1;
  for (const index of taps.index1) isUsed[index] = 1;
  const used: number[] = [];
  const place = new Uint32Array(size);
  isUsed.forEach((flag, index) => {
    if (flag) place[index] = used.push(index) - 1;
  });
  const packed = new Int32Array(4 * taps.index0.length);
  taps.index0.forEach((_, at) => {
    packed[4 * at] = place[taps.index0[at]];
    packed[4 * at + 1] = place[taps.index1[at]];
    packed[4 * at + 2] = taps.weight0[at];
    packed[4 * at + 3] = taps.weight1[at];
  });
  return { used: Uint32Array.from(used), taps: packed };
}

function gather({ width, channels, data }: PixelImage, rows: Uint32Array, columns: Uint32Array): Uint8Array<ArrayBuffer> {
  const pixels = new Uint8Array(rows.length * columns.length * 4);
  const wholeRows = channels === 4 && columns.length === width;
  let to = 0;
  for (const row of rows) {
    const start = row * width * channels;
    if (wholeRows) {
      pixels.set(data.subarray(start, start + width * 4), to);
      to += width * 4;
      continue;
    }
    for (let at = 0; at < columns.length; at++, to += 4) {
      const source = start + columns[at] * channels;
      pixels[to] = data[source];
      pixels[to + 1] = data[source + 1];
      pixels[to + 2] = data[source + 2];
    }
  }
  return pixels;
}
