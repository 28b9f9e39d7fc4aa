// Pictures for tests: noise, and parts of the example picture, with enough text, at sizes that a
// software adapter processes in a second.
import { readFileSync } from 'node:fs';
import type { Gpu } from '../../src/gpu/context.js';
import { decodeImage } from '../../src/images/decode.js';
import type { PixelImage } from '../../src/images/image.js';
import { randomValues } from './run-layer.js';

/** Rectangles that contain text, in pixels. */
export const pieces = {
  sign: { left: 760, top: 40, width: 480, height: 320 },
  bread: { left: 865, top: 590, width: 405, height: 270 },
  open: { left: 340, top: 760, width: 300, height: 200 },
} as const;

export const examplePath = new URL('../../examples/street.jpg', import.meta.url);

export async function exampleImage(): Promise<PixelImage> {
  return decodeImage(readFileSync(examplePath), 'street.jpg');
}

/** The coffee house's sign: four regions at a short side of 64, seven at 96. */
export async function signImage(): Promise<PixelImage> {
  return cropped(await exampleImage(), pieces.sign);
}

/** Noise. */
export function randomImage(width: number, height: number, channels: 3 | 4): PixelImage {
  const data = Uint8Array.from(randomValues(width * height * channels), (value) =>
    Math.floor((value + 1) * 127.99),
  );
  return { width, height, channels, data };
}

/** A square without text. @param value of all channels */
export function plainImage(side: number, value = 0): PixelImage {
  const data = new Uint8Array(side * side * 3).fill(value);
  return { width: side, height: side, channels: 3, data };
}

/** A picture as a texture, with noise in its alpha channel. The caller destroys it. */
export function textureOf(
  { device }: Gpu,
  { width, height, channels, data }: PixelImage,
  format: 'rgba8unorm' | 'bgra8unorm' = 'rgba8unorm',
): GPUTexture {
  const texture = device.createTexture({
    size: [width, height],
    format,
    usage: GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST,
  });
  const order = format === 'rgba8unorm' ? [0, 1, 2] : [2, 1, 0];
  const bytes = new Uint8Array(width * height * 4).fill(77);
  for (let pixel = 0; pixel < width * height; pixel++)
    order.forEach((channel, at) => (bytes[4 * pixel + at] = data[pixel * channels + channel]));
  device.queue.writeTexture({ texture }, bytes, { bytesPerRow: width * 4 }, [width, height]);
  return texture;
}

/** A network's map of one pixel, which is text. */
export const textPixel = {
  text: Float32Array.of(1),
  kernel: Float32Array.of(1),
  embedding: new Float32Array(4),
  height: 1,
  width: 1,
  minKernelArea: 0,
  distance: 3,
  mode: 'reference',
} as const;

interface Rectangle {
  readonly left?: number;
  readonly top?: number;
  readonly width: number;
  readonly height: number;
}

/** Part of an image, from the upper left corner by default. */
export function cropped(
  { channels, width: stride, data }: PixelImage,
  { left = 0, top = 0, width, height }: Rectangle,
): PixelImage {
  const pixels = new Uint8Array(height * width * channels);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * stride + left) * channels;
    pixels.set(data.subarray(from, from + width * channels), y * width * channels);
  }
  return { width, height, channels, data: pixels };
}

/** The picture repeated side by side. @param shown numbers of the copies that are not black */
export function repeated(
  { height, width, channels, data }: PixelImage,
  times: number,
  shown: readonly number[] = [...Array(times).keys()],
): PixelImage {
  const rowBytes = width * channels;
  const pixels = new Uint8Array(height * rowBytes * times);
  for (let y = 0; y < height; y++) {
    const row = data.subarray(y * rowBytes, (y + 1) * rowBytes);
    for (const copy of shown) pixels.set(row, (y * times + copy) * rowBytes);
  }
  return { height, width: width * times, channels, data: pixels };
}
