// Encodes images and label masks as PNG files (pngjs).
import { PNG } from 'pngjs';

import type { LabelMask } from './draw.js';
import { type PixelImage, checkImage } from './image.js';

const COLOUR_GREY = 0;
const COLOUR_RGB = 2;
/** The best filter for almost all photographs; trying all five takes twice as long. */
const PAETH = 4;

/**
 * Encodes an image as an 8-bit RGB PNG (a fourth channel is dropped), or a label mask as an 8- or
 * 16-bit grey PNG.
 * @throws PanppError `argument` for an invalid image
 */
export function encodePng(image: PixelImage | LabelMask): Uint8Array {
  const { width, height } = image;
  const png = new PNG({ width, height });
  if ('labels' in image) {
    // A copy, because pngjs reads 16-bit samples from the start of the underlying buffer.
    const labels = image.labels.slice();
    png.data = Buffer.from(labels.buffer);
    const bitDepth = labels instanceof Uint16Array ? 16 : 8;
    return PNG.sync.write(png, {
      bitDepth,
      colorType: COLOUR_GREY,
      inputColorType: COLOUR_GREY,
      inputHasAlpha: false,
    });
  }
  checkImage(image);
  png.data = rgbBytes(image);
  return PNG.sync.write(png, {
    colorType: COLOUR_RGB,
    inputColorType: COLOUR_RGB,
    inputHasAlpha: false,
    filterType: PAETH,
  });
}

function rgbBytes({ width, height, channels, data }: PixelImage): Buffer {
  if (channels === 3) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const rgb = Buffer.allocUnsafe(width * height * 3);
  for (let from = 0, to = 0; to < rgb.length; from += 4, to += 3) {
    rgb[to] = data[from];
    rgb[to + 1] = data[from + 1];
    rgb[to + 2] = data[from + 2];
  }
  return rgb;
}
