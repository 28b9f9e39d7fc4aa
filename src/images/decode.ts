// Image files to 8-bit RGB as spec "Input" 1 asks and as OpenCV's imread gives it: colour profiles
// and gamma ignored, alpha dropped over the raw colour, grey repeated, 16 bits cut to their high
// byte, EXIF orientation applied. By sharp, for it uses the same libraries as OpenCV (libpng,
// libjpeg-turbo, libwebp: the same bytes) and, unlike them by themselves, reports lost data. It is
// native code and is loaded when the first image comes. JPEGs of which only the markers are wrong
// are put right first (jpeg-repair.ts).
import type { Sharp, SharpOptions } from 'sharp';

import { PanppError } from '../errors.js';
import { describeForeignBytes, imageFormat } from './format.js';
import type { PixelImage } from './image.js';
import { continuations, repairedJpeg, withoutSuperfluous } from './jpeg-repair.js';

/**
 * Images with more pixels than this (2²⁸, 268 megapixels) are refused before anything is unpacked.
 */
export const MAX_PIXELS = 2 ** 28;

const COPY_AGAIN = 'copy or download the file again';

/** Decodings that one JPEG with superfluous bytes may cost. */
const MAX_ATTEMPTS = 32;

type Decoder = (input: Uint8Array, options: SharpOptions) => Sharp;

/**
 * Decodes a PNG, JPEG or WebP file, recognised by its content; of an animation the first (for APNG:
 * the default) image.
 * @param file the whole file
 * @param fileName named in errors
 * @returns 3 or 4 channels, whichever cost less; the fourth means nothing
 * @throws PanppError `image`: empty, truncated, damaged, another format, or more than `MAX_PIXELS`
 * pixels; `argument`: no bytes
 */
export async function decodeImage(
  file: Uint8Array | ArrayBuffer,
  fileName = 'the image',
): Promise<PixelImage> {
  const isBuffer = Object.prototype.toString.call(file) === '[object ArrayBuffer]';
  if (!isBuffer && !ArrayBuffer.isView(file)) {
    throw new PanppError(
      'argument',
      `${fileName}: a file's bytes are needed, as Uint8Array or ArrayBuffer, for example from readFile()`,
    );
  }
  const bytes = ArrayBuffer.isView(file)
    ? new Uint8Array(file.buffer, file.byteOffset, file.byteLength)
    : new Uint8Array(file);
  if (bytes.length === 0) throw imageError(fileName, `the file is empty (0 bytes); ${COPY_AGAIN}`);
  const format = imageFormat(bytes);
  if (!format) {
    throw imageError(
      fileName,
      `this is ${describeForeignBytes(bytes)}; a PNG, JPEG or WebP file is needed`,
    );
  }
  const sharp = await loadSharp(fileName);
  try {
    return await decodeWhole(sharp, bytes, fileName);
  } catch (error) {
    if (error instanceof PanppError) throw error;
    const image =
      format === 'JPEG' ? await decodeRepaired(sharp, bytes, fileName, error) : undefined;
    if (image) return image;
    throw imageError(
      fileName,
      `truncated or damaged ${format} (${reason(error)}); ${COPY_AGAIN}`,
      error,
    );
  }
}

/**
 * @throws the library's error if it has anything to complain about, PanppError `image` for too many
 * pixels
 */
async function decodeWhole(
  sharp: Decoder,
  bytes: Uint8Array,
  fileName: string,
  // A warning of a decoder means lost data (a picture grey from the middle on), so it counts as an
  // error.
  failOn: SharpOptions['failOn'] = 'warning',
): Promise<PixelImage> {
  const options = { failOn, ignoreIcc: true, limitInputPixels: false };
  const { width, height, space } = await sharp(bytes, options).metadata();
  checkSize(width, height, fileName);
  const upright = sharp(bytes, options).autoOrient();
  return space === 'cmyk' ? await rgbFromCmyk(upright) : await rgb(upright);
}

/**
 * A JPEG that failed with `error`, decoded if only its markers are wrong, or if superfluous bytes
 * follow a scan's data: what is decoded in the end is complete and gives no warning. Undefined
 * otherwise.
 */
async function decodeRepaired(
  sharp: Decoder,
  bytes: Uint8Array,
  fileName: string,
  error: unknown,
): Promise<PixelImage | undefined> {
  const repaired = repairedJpeg(bytes);
  let attempts = 0;
  const decoded = async (candidate: Uint8Array): Promise<PixelImage | undefined> => {
    if (attempts++ === MAX_ATTEMPTS) return undefined;
    try {
      return await decodeWhole(sharp, candidate, fileName);
    } catch (problem) {
      if (problem instanceof PanppError) throw problem;
      return shortened(candidate, problem);
    }
  };
  const shortened = async (
    candidate: Uint8Array,
    problem: unknown,
  ): Promise<PixelImage | undefined> => {
    const [, count, marker] =
      /(\d+) extraneous bytes before marker 0x([0-9a-f]{2})/.exec(String(problem)) ?? [];
    if (count === undefined || repaired?.hadEnd === false) return undefined;
    for (const shorter of withoutSuperfluous(candidate, Number(count), parseInt(marker, 16))) {
      const image = await decoded(shorter);
      if (image) return image;
    }
    return undefined;
  };
  const image = await (repaired ? decoded(repaired.bytes) : shortened(bytes, error));
  const isCut =
    image && repaired?.hadEnd === false && !(await isWhole(sharp, repaired.bytes, image, fileName));
  return isCut ? undefined : image;
}

/**
 * Whether `image` depends on nothing but the data that are there: sharp says nothing about an
 * image's last rows.
 */
async function isWhole(
  sharp: Decoder,
  bytes: Uint8Array,
  image: PixelImage,
  fileName: string,
): Promise<boolean> {
  for (const continued of continuations(bytes)) {
    const { data } = await decodeWhole(sharp, continued, fileName, 'none');
    if (data.some((value, i) => value !== image.data[i])) return false;
  }
  return true;
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
 * Ink to light without a profile, in the integers that OpenCV uses: each light is (255 − K) − (ink
 * · (255 − K) >> 8).
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

async function loadSharp(fileName: string): Promise<Decoder> {
  try {
    return (await import('sharp')).default;
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
    const todo = `run \`npm install ${isMissing ? '' : '--include=optional '}sharp\``;
    throw imageError(
      fileName,
      `sharp, which decodes images, can't be loaded (${reason(error)}); ${todo}`,
      error,
    );
  }
}

/**
 * What the library says, on one line, without the names of its inner parts and its warnings'
 * preface.
 */
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
