// Pixels out of what a browser has pictures in. Of files as close to `decodeImage` (Node) as a
// browser allows: EXIF orientation applied, colour profiles and gamma ignored. In Chromium the
// bytes of opaque pictures are equal. What differs: a canvas stores colours multiplied by alpha, so
// the raw colour under a transparent pixel is lost here and kept there; CMYK differs by 1 of 255;
// and Chromium ignores the EXIF orientation of WebP.
import { PanppError } from '../errors.js';
import type { Gpu } from '../gpu/context.js';
import { TexturePixels } from '../gpu/texture-pixels.js';
import { type PixelImage, checkImage } from '../images/image.js';
import type { PixelSource } from '../images/upload.js';

/**
 * Whatever a picture may come in. Only `PixelImage` and `GPUTexture` exist outside of browsers. A
 * texture belongs to the model's device, is rgba8unorm or bgra8unorm with the usage
 * TEXTURE_BINDING, and must stay as it is until the call has its result.
 */
export type ImageSource =
  | PixelImage
  | ImageData
  | ImageBitmap
  | HTMLImageElement
  | HTMLCanvasElement
  | OffscreenCanvas
  | HTMLVideoElement
  | VideoFrame
  | Blob
  | GPUTexture;

type Drawable = Exclude<ImageSource, PixelImage | ImageData | Blob | GPUTexture>;

/**
 * The pixels of a picture, 8-bit sRGB, as they are at the time of the call: a canvas, video or
 * frame may change or close afterwards. `ImageData` is not copied. Works in workers; leaves the
 * source open.
 * @throws PanppError `image`: can't be decoded, has no pixels yet or any more, is from another
 * origin, or has another depth than 8 bits
 */
export async function imageFrom(source: Exclude<ImageSource, GPUTexture>): Promise<PixelImage> {
  if ('channels' in source) {
    checkImage(source);
    return source;
  }
  if ('data' in source) return fromImageData(source);
  return source instanceof Blob ? decodeBlob(source, draw) : draw(source);
}

/**
 * The pixels of a picture for a device: what the browser draws goes to the GPU as it is, without a
 * detour through the host's memory, and gives the bytes that `imageFrom` gives.
 * @throws PanppError as `imageFrom`; `argument` for a texture that can't be read
 */
export async function pixelsFrom(source: ImageSource, gpu: Gpu): Promise<PixelSource> {
  // Whoever writes JavaScript may pass anything.
  if (typeof source !== 'object' || source === null)
    throw new PanppError(
      'argument',
      `an image is ${String(source)}; give { width, height, channels, data }, or what the browser draws`,
    );
  if ('createView' in source) return TexturePixels.ofTexture(gpu, source);
  if ('channels' in source || 'data' in source) return imageFrom(source);
  return source instanceof Blob
    ? decodeBlob(source, (bitmap) => drawOnGpu(bitmap, gpu))
    : drawOnGpu(source, gpu);
}

/** What WebGPU refuses is drawn on a canvas, which takes more, and else knows why. */
function drawOnGpu(source: Drawable, gpu: Gpu): PixelSource | Promise<PixelSource> {
  const { width, height } = sizeOf(source);
  // Chromium's GPU process (143, on SwiftShader) ends when it copies a frame of a video.
  if (gpu.profile.software && ('videoWidth' in source || 'displayWidth' in source))
    return draw(source);
  try {
    return (
      (width && height && TexturePixels.ofExternal(gpu, source, width, height)) || draw(source)
    );
  } catch {
    return draw(source);
  }
}

function fromImageData({ width, height, data }: ImageData): PixelImage {
  if (!(data instanceof Uint8ClampedArray)) {
    throw new PanppError(
      'image',
      'an image without channels is an ImageData of 8-bit values (pixelFormat "rgba-unorm8"); for other bytes give channels: 3 or 4',
    );
  }
  return { width, height, channels: 4, data };
}

async function decodeBlob<T>(blob: Blob, use: (bitmap: ImageBitmap) => T | Promise<T>): Promise<T> {
  if (typeof createImageBitmap === 'undefined') {
    throw new PanppError(
      'image',
      "image files can't be decoded here; in Node use decodeImage() from 'panpp/node'",
    );
  }
  const name = (blob as Partial<File>).name ?? `the ${blob.type || 'image'} blob`;
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(blob, {
      imageOrientation: 'from-image',
      premultiplyAlpha: 'none',
      colorSpaceConversion: 'none',
    });
  } catch (cause) {
    throw new PanppError(
      'image',
      `${name} (${blob.size} bytes) is no image that this browser can decode, or it is damaged`,
      { cause },
    );
  }
  try {
    return await use(bitmap);
  } finally {
    bitmap.close();
  }
}

function draw(source: Drawable): PixelImage {
  const { width, height } = sizeOf(source);
  if (typeof OffscreenCanvas === 'undefined' || width === undefined) {
    throw new PanppError(
      'argument',
      `an image is { width, height, channels, data }, or what a browser draws, not ${nameOf(source)}`,
    );
  }
  if (width === 0 || height === 0) {
    throw new PanppError(
      'image',
      `this ${nameOf(source)} has no pixels; wait until it is loaded, and do not close it before`,
    );
  }
  // One that the GPU does not hold: it is written once and read once.
  const context = new OffscreenCanvas(width, height).getContext('2d', {
    colorSpace: 'srgb',
    willReadFrequently: true,
  });
  try {
    context!.drawImage(source, 0, 0, width, height);
    return fromImageData(context!.getImageData(0, 0, width, height));
  } catch (cause) {
    const reason =
      (cause as Error).name === 'SecurityError'
        ? 'it is from another origin, load it with CORS'
        : (cause as Error).message;
    throw new PanppError(
      'image',
      `the ${width} × ${height} pixels of this ${nameOf(source)} can't be read: ${reason}`,
      { cause },
    );
  }
}

function sizeOf(source: Drawable): { width: number; height: number } {
  if ('videoWidth' in source) return { width: source.videoWidth, height: source.videoHeight };
  if ('naturalWidth' in source) return { width: source.naturalWidth, height: source.naturalHeight };
  if ('displayWidth' in source) return { width: source.displayWidth, height: source.displayHeight };
  return source;
}

const nameOf = (source: Drawable): string =>
  Object.prototype.toString.call(source).slice('[object '.length, -1);
