// OpenCV's 8-bit bilinear resize, sequentially, with the same taps as the GPU.
import type { PixelImage } from '../../src/images/image.js';
import { horizontalTaps, verticalTaps } from '../../src/images/resize-taps.js';

/** The resized image, byte for byte as cv2.resize(…, interpolation=INTER_LINEAR) gives it. */
export function resizeReference(image: PixelImage, height: number, width: number): PixelImage {
  const { channels, data } = image;
  const across = horizontalTaps(image.width, width);
  const rows = new Int32Array(image.height * width * channels);
  for (let y = 0; y < image.height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < channels; c++) {
        const left = data[(y * image.width + across.index0[x]) * channels + c];
        const right = data[(y * image.width + across.index1[x]) * channels + c];
        rows[(y * width + x) * channels + c] = left * across.weight0[x] + right * across.weight1[x];
      }
    }
  }

  const down = verticalTaps(image.height, height);
  const rowLength = width * channels;
  const result = new Uint8Array(height * rowLength);
  for (let y = 0; y < height; y++) {
    for (let i = 0; i < rowLength; i++) {
      const upper = (down.weight0[y] * (rows[down.index0[y] * rowLength + i] >> 4)) >> 16;
      const lower = (down.weight1[y] * (rows[down.index1[y] * rowLength + i] >> 4)) >> 16;
      result[y * rowLength + i] = (upper + lower + 2) >> 2;
    }
  }
  return { width, height, channels, data: result };
}
