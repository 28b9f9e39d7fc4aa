// Reads pixels from a browser's image types. Files are decoded as by `decodeImage` (Node), as far
// as a browser allows: EXIF orientation applied, colour profiles and gamma ignored. In Chromium the
// bytes of opaque images are equal. Differences: a canvas stores colours premultiplied by alpha, so
// the raw colour under a transparent pixel is lost here but kept in Node; CMYK differs by 1 of 255;
// Chromium ignores the EXIF orientation of WebP.
import { PanppError } from '../errors.js';
import type { Gpu } from '../gpu/context.js';
import { TexturePixels } from '../gpu/texture-pixels.js';
import { type PixelImage, checkImage } from '../images/image.js';
import type { PixelSource } from '../images/upload.js';

/**
 * Any supported image type. Outside browsers only `PixelImage` and `GPUTexture` exist. A texture
 * must belong to the model's device, have the format rgba8unorm or bgra8unorm and the usage
 * TEXTURE_BINDING, and must not change until the call has finished.
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
 * Returns the pixels of an image as 8-bit sRGB. They are captured at the time of the call: a
 * canvas, video or frame may change or close afterwards. `ImageData` is not copied. Works in
 * workers; does not close the source.
 * @throws PanppError `image` if the image can't be decoded, is not loaded yet or already closed, is
 * from another origin, or does not have 8 bits per channel
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
 * Returns the pixels of an image for a device. Images that the browser can draw are copied directly
 * on the GPU, not through host memory, and give the same bytes as `imageFrom`.
 * @throws PanppError as `imageFrom`; `argument` for a texture that can't be read
 */
export async function pixelsFrom(source: ImageSource, gpu: Gpu): Promise<PixelSource> {
  // JavaScript callers may pass anything.
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

/** If WebGPU rejects the source, tries a canvas, which accepts more or reports the reason. */
function drawOnGpu(source: Drawable, gpu: Gpu): PixelSource | Promise<PixelSource> {
  const { width, height } = sizeOf(source);
  // The GPU process of Chromium 143 crashes on SwiftShader when it copies a video frame.
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
      `${name} (${blob.size} bytes) is damaged or not an image that this browser can decode`,
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
  // A canvas in CPU memory: it is written once and read once.
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
