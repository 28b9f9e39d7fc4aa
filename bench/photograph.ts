// The example photograph at any size, so that the network sees it without resizing.
import sharp from 'sharp';
import type { PixelImage } from '../src/images/image.js';
import { projectFile } from './paths.js';
import type { Size } from './sizes.js';

export async function photographAt({ height, width }: Size): Promise<PixelImage> {
  const data = await sharp(projectFile('examples/street.jpg'))
    .resize(width, height, { fit: 'fill' })
    .removeAlpha()
    .raw()
    .toBuffer();
  return { height, width, channels: 3, data };
}

/**
 * The network's input for an image that is not resized: planes of red, green and blue, (value / 255
 * − mean) / standard deviation.
 */
export function normalisedPlanes({ height, width, channels, data }: PixelImage): Float32Array {
  const [mean, deviation] = [
    [0.485, 0.456, 0.406],
    [0.229, 0.224, 0.225],
  ];
  const pixels = height * width;
  const planes = new Float32Array(3 * pixels);
  for (let channel = 0; channel < 3; channel++) {
    for (let pixel = 0; pixel < pixels; pixel++) {
      planes[channel * pixels + pixel] =
        (data[channels * pixel + channel] / 255 - mean[channel]) / deviation[channel];
    }
  }
  return planes;
}
