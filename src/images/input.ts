// Prepares an image for the network: the pixels to upload and the sizes before and after resizing.
import { type ResizeSettings, type Size, resizedSize } from './size.js';
import { type ImageUpload, type PixelSource, prepareUpload } from './upload.js';

/** An image prepared for the network. */
export interface ImageInput {
  readonly upload: ImageUpload;
  /** Size after resizing: the network's input. */
  readonly size: Size;
  /** Size of the original image. */
  readonly original: Size;
}

/** @throws PanppError `argument` or `image` for an image or a size that can't be processed */
export function prepareInput(image: PixelSource, settings: ResizeSettings): ImageInput {
  const size = resizedSize(image.height, image.width, settings);
  return {
    upload: prepareUpload(image, size.height, size.width),
    size,
    original: { height: image.height, width: image.width },
  };
}
