// An image file as a data: URL, for files that hold their picture.
import type { PixelImage } from './image.js';
import { encodePng } from './encode.js';
import { imageFormat } from './format.js';

/** Hardly to be told from the original. */
const jpegQuality = 95;

/**
 * The file as it is, where every reader shows it like `image`: a JPEG or PNG that lies upright. One
 * with an EXIF orientation is turned and encoded again, for browsers apply that to what an SVG
 * embeds and librsvg does not; a WebP becomes a PNG, for many readers don't know it.
 * @param bytes a PNG, JPEG or WebP file
 * @param image what `decodeImage` made of it, so the file is sound
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
