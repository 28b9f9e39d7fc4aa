// An image made ready for the network: what of it goes up, and the sizes it has on the way.
import { resizedSize } from './size.js';
import { type ImageUpload, type PixelSource, prepareUpload } from './upload.js';

interface Size {
  readonly height: number;
  readonly width: number;
}

/** An image made ready for the network. */
export interface ImageInput {
  readonly upload: ImageUpload;
  /** What the network sees. */
  readonly size: Size;
  /** The image itself. */
  readonly original: Size;
}

/** @throws PanppError `argument` or `image` for an image or a size that can't be worked on */
export function prepareInput(image: PixelSource, shortSide: number): ImageInput {
  const size = resizedSize(image.height, image.width, shortSide);
  return {
    upload: prepareUpload(image, size.height, size.width),
    size,
    original: { height: image.height, width: image.width },
  };
}
