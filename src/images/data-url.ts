// Turns an image file into a data: URL, for output files that embed their image.
import type { PixelImage } from './image.js';
import { encodePng } from './encode.js';
import { imageFormat } from './format.js';

/** Visually almost lossless. */
const jpegQuality = 95;

/**
 * Embeds a JPEG or PNG file unchanged if it is upright. A file with an EXIF orientation is rotated
 * and encoded again, because browsers apply the orientation of an image in an SVG and librsvg does
 * not. A WebP becomes a PNG, because many SVG readers don't support WebP.
 * @param bytes a PNG, JPEG or WebP file
 * @param image the result of `decodeImage` for these bytes, so the file is known to be valid
 */
export async function dataUrl(bytes: Uint8Array, image: PixelImage): Promise<string> {
  const format = imageFormat(bytes);
  if (format === 'WebP') return urlOf('png', encodePng(image));
  const { default: sharp } = await import('sharp');
  const picture = sharp(bytes, { limitInputPixels: false, failOn: 'none' });
  const { orientation = 1 } = await picture.metadata();
  const type = format === 'JPEG' ? 'jpeg' : 'png';
  if (orientation === 1) return urlOf(type, bytes);
  const upright = picture.autoOrient();
  return urlOf(
    type,
    await (
      type === 'jpeg'
        ? upright.jpeg({ quality: jpegQuality, chromaSubsampling: '4:4:4' })
        : upright.png()
    ).toBuffer(),
  );
}

function urlOf(type: 'jpeg' | 'png', bytes: Uint8Array): string {
  return `data:image/${type};base64,${Buffer.from(bytes).toString('base64')}`;
}
