// Decodes image files to 8-bit RGB as spec "Input" 1 requires and as OpenCV's imread does: colour
// profiles and gamma are ignored, alpha is dropped (the raw colour is kept), grey becomes RGB,
// 16-bit samples are reduced to their high byte, EXIF orientation is applied. Uses sharp, because
// it decodes with OpenCV's libraries (libpng, libjpeg-turbo, libwebp), to the same bytes, and also
// reports lost data. sharp is native code and is loaded with the first image. A JPEG that fails
// only because of its markers is repaired and decoded again (jpeg-repair.ts).
import type { Sharp, SharpOptions } from 'sharp';

import { PanppError } from '../errors.js';
import { describeForeignBytes, imageFormat } from './format.js';
import type { PixelImage } from './image.js';
import { checkNumber, checkOptions } from '../options.js';
import { continuations, repairedJpeg, withoutSuperfluous } from './jpeg-repair.js';

/** Images with more pixels than this (2²⁸, 268 megapixels) are refused by default. */
const MAX_PIXELS = 2 ** 28;

/** Options of `decodeImage`. */
export interface DecodeOptions {
  /**
   * Images with more pixels are refused before they are decoded; default: 2²⁸ (268 megapixels).
   * A pixel takes 3 to 8 bytes while it is decoded.
   */
  readonly maxPixels?: number;
}

const COPY_AGAIN = 'copy or download the file again';

/** Maximum number of decoding attempts for one JPEG with superfluous bytes. */
const MAX_ATTEMPTS = 32;

type Decoder = (input: Uint8Array, options: SharpOptions) => Sharp;

/** Decodes the bytes of the original file or of a repaired one. */
type Decode = (bytes: Uint8Array, failOn?: SharpOptions['failOn']) => Promise<PixelImage>;

/**
 * Decodes a PNG, JPEG or WebP file, recognised by its content. For an animation, decodes the first
 * frame (APNG: the default image).
 * @param file the bytes of the whole file
 * @param fileName name used in error messages
 * @returns an image with 3 or 4 channels, whichever is cheaper; ignore the fourth
 * @throws PanppError `image` if the file is empty, truncated, damaged, in another format or has
 * more than `maxPixels` pixels; `argument` if `file` is not bytes or for an invalid option; `file` if
 * sharp can't be loaded
 */
export async function decodeImage(
  file: Uint8Array | ArrayBuffer,
  fileName = 'the image',
  options: DecodeOptions = {},
): Promise<PixelImage> {
  checkOptions('decodeImage', options, ['maxPixels']);
  const { maxPixels = MAX_PIXELS } = options;
  checkNumber('maxPixels', maxPixels, 1, Infinity);
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
  const sharp = await loadSharp();
  const decode: Decode = (file, failOn) => decodeWhole(sharp, file, fileName, maxPixels, failOn);
  try {
    return await decode(bytes);
  } catch (error) {
    if (error instanceof PanppError) throw error;
    const image = format === 'JPEG' ? await decodeRepaired(decode, bytes, error) : undefined;
    if (image) return image;
    throw imageError(
      fileName,
      `truncated or damaged ${format} (${reason(error)}); ${COPY_AGAIN}`,
      error,
    );
  }
}

/**
 * @throws the library's error for any decoder warning or error; PanppError `image` for too many
 * pixels
 */
async function decodeWhole(
  sharp: Decoder,
  bytes: Uint8Array,
  fileName: string,
  maxPixels: number,
  // A decoder's warning means lost data (for example a grey lower half), so it counts as an error.
  failOn: SharpOptions['failOn'] = 'warning',
): Promise<PixelImage> {
  const options = { failOn, ignoreIcc: true, limitInputPixels: false };
  const { width, height, space } = await sharp(bytes, options).metadata();
  checkSize(width, height, maxPixels, fileName);
  const upright = sharp(bytes, options).autoOrient();
  return space === 'cmyk' ? await rgbFromCmyk(upright) : await rgb(upright);
}

/**
 * Decodes a JPEG that failed with `error` if only its markers are wrong or if superfluous bytes
 * follow a scan's data. The repaired file must decode completely and without warnings; otherwise
 * the result is undefined.
 */
async function decodeRepaired(
  decode: Decode,
  bytes: Uint8Array,
  error: unknown,
): Promise<PixelImage | undefined> {
  const repaired = repairedJpeg(bytes);
  let attempts = 0;
  const decoded = async (candidate: Uint8Array): Promise<PixelImage | undefined> => {
    if (attempts++ >= MAX_ATTEMPTS) return undefined;
    try {
      return await decode(candidate);
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
    image && repaired?.hadEnd === false && !(await isWhole(decode, repaired.bytes, image));
  return isCut ? undefined : image;
}

/**
 * Whether `image` depends only on data that the file contains: sharp doesn't warn if the last rows
 * are missing.
 */
async function isWhole(decode: Decode, bytes: Uint8Array, image: PixelImage): Promise<boolean> {
  for (const continued of continuations(bytes)) {
    const { data } = await decode(continued, 'none');
    if (data.some((value, i) => value !== image.data[i])) return false;
  }
  return true;
}

function imageError(fileName: string, rest: string, cause?: unknown): PanppError {
  return new PanppError('image', `${fileName}: ${rest}`, { cause });
}

function checkSize(width: number, height: number, maxPixels: number, fileName: string): void {
  const pixels = width * height;
  if (pixels <= maxPixels) return;
  const inMillions = (count: number) =>
    count < 1e7 ? Number((count / 1e6).toPrecision(2)) : Math.round(count / 1e6);
  throw imageError(
    fileName,
    `the image has ${width} x ${height} pixels (${inMillions(pixels)} megapixels; at most ${inMillions(maxPixels)} are read); make it smaller`,
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
 * Converts CMYK to RGB without a profile, in OpenCV's integer arithmetic: each of R, G, B is
 * (255 − K) − (ink · (255 − K) >> 8).
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

/**
 * Loads what decodes images, for programs that must know at once whether they can.
 * @throws PanppError `file` if it can't be loaded
 */
export async function loadDecoder(): Promise<void> {
  await loadSharp();
}

async function loadSharp(): Promise<Decoder> {
  try {
    return (await import('sharp')).default;
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
    const todo = `run \`npm install ${isMissing ? '' : '--include=optional '}sharp\``;
    throw new PanppError(
      'file',
      `sharp, which decodes images, can't be loaded (${reason(error)}); ${todo}`,
      { cause: error },
    );
  }
}

/**
 * The first useful line of the library's message, without the names of internal modules or the
 * prefix of warnings.
 */
function reason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const lines = message.split('\n').map((line) =>
    line
      .replace(/^Warning treated as error due to failOn setting$/, '')
      .replace(/^Input buffer has corrupt header:/, '')
      .replace(/^\s*(\w+: )*/, ''),
  );
  return lines.find((line) => line !== '') ?? 'its header is invalid';
}
