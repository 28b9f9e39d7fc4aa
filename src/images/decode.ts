// Image files to 8-bit RGB as spec "Input" 1 asks and as OpenCV's imread gives it: colour profiles and gamma ignored,
// alpha dropped over the raw colour, grey repeated, 16 bits cut to their high byte, EXIF orientation applied. By
// sharp, for it uses the same libraries as OpenCV (libpng, libjpeg-turbo, libwebp: the same bytes) and, unlike them
// by themselves, reports lost data. It is native code and is loaded when the first image comes.
import type { Sharp, SharpOptions } from 'sharp';

import { PanppError } from '../errors.js';
import { describeForeignBytes, imageFormat } from './format.js';
import type { PixelImage } from './image.js';

/** Images with more pixels than this (2²⁸, 268 megapixels) are refused before anything is unpacked. */
export const MAX_PIXELS = 2 ** 28;

const COPY_AGAIN = 'copy or download the file again';

/**
 * Decodes a PNG, JPEG or WebP file, recognised by its content; of an animation the first (for APNG: the default) image.
 * @param file the whole file
 * @param fileName named in errors
 * @returns 3 or 4 channels, whichever cost less; the fourth means nothing
 * @throws PanppError `image`: empty, truncated, damaged, another format, or more than `MAX_PIXELS` pixels; `argument`: no bytes
 */
export async function decodeImage(file: Uint8Array | ArrayBuffer, fileName = 'the image'): Promise<PixelImage> {
  const isBuffer = Object.prototype.toString.call(file) === '[object ArrayBuffer]';
  if (!isBuffer && !ArrayBuffer.isView(file)) {
    throw new PanppError('argument', `${fileName}: a file's bytes are needed, as Uint8Array or ArrayBuffer, for example from readFile()`);
  }
  const bytes = ArrayBuffer.isView(file) ? new Uint8Array(file.buffer, file.byteOffset, file.byteLength) : new Uint8Array(file);
  if (bytes.length === 0) throw imageError(fileName, `the file is empty (0 bytes); ${COPY_AGAIN}`);
  const format = imageFormat(bytes);
  if (!format) {
    throw imageError(fileName, `this is ${describeForeignBytes(bytes)}; a PNG, JPEG or WebP file is needed`);
  }
  const sharp = await loadSharp(fileName);
  // A warning of a decoder means lost data (a picture grey from the middle on), so it counts as an error.
  const options = { failOn: 'warning', ignoreIcc: true, limitInputPixels: false } as const;
  try {
    const { width, height, space } = await sharp(bytes, options).metadata();
    checkSize(width, height, fileName);
    const upright = sharp(bytes, options).autoOrient();
    return space === 'cmyk' ? await rgbFromCmyk(upright) : await rgb(upright);
  } catch (error) {
    if (error instanceof PanppError) throw error;
    throw imageError(fileName, `truncated or damaged ${format} (${reason(error)}); ${COPY_AGAIN}`, error);
  }
}

function imageError(fileName: string, rest: string, cause?: unknown): PanppError {
  return new PanppError('image', `${fileName}: ${rest}`, { cause });
}

function checkSize(width: number, height: number, fileName: string): void {
  if (width * height <= MAX_PIXELS) return;
  const megapixels = Math.round((width * height) / 1e6);
  const most = Math.floor(MAX_PIXELS / 1e6);
  throw imageError(
    fileName,
    `the image has ${width} x ${height} pixels (${megapixels} megapixels; at most ${most} are read); make it smaller`,
  );
}

async function rgb(image: Sharp): Promise<PixelImage> {
  const { data, info } = await image
    .removeAlpha()
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, channels: 3, data };
}

/**
 * Ink to light without a profile, in the integers that OpenCV uses: each light is (255 − K) − (ink · (255 − K) >>
 * 8).
 */
async function rgbFromCmyk(image: Sharp): Promise<PixelImage> {
  const { data, info } = await image
    .pipelineColourspace('cmyk')
    .toColourspace('cmyk')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  for (let i = 0; i < data.length; i += 4) {
    const white = 255 - data[i + 3];
    for (let c = i; c < i + 3; c++) data[c] = white - ((data[c] * white) >> 8);
  }
  return { width: info.width, height: info.height, channels: 4, data };
}

async function loadSharp(fileName: string): Promise<(input: Uint8Array, options: SharpOptions) => Sharp> {
  try {
    return (await import('sharp')).default;
  } catch (error) {
    const todo = 'run `npm install --include=optional sharp`';
    throw imageError(fileName, `sharp, which decodes images, can't be loaded (${reason(error)}); ${todo}`, error);
  }
}

/** What the library says, on one line, without the names of its inner parts and its warnings' preface. */
function reason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const lines = message.split('\n').map((line) =>
    line
      .replace(/^Warning treated as error due to failOn setting$/, '')
      .replace(/^Input buffer has corrupt header:/, '')
      .replace(/^\s*(\w+: )*/, ''),
  );
  return lines.find((line) => line !== '') ?? 'its header makes no sense';
}
