// Recognises a file's format by its first bytes: the three formats that decode.ts reads, and others
// so that an error can name them. Source of the signatures: each format's specification.

/** A format that can be decoded. */
export type ImageFormat = 'PNG' | 'JPEG' | 'WebP';

const ascii = (bytes: Uint8Array, from: number, to: number): string =>
  String.fromCharCode(...bytes.subarray(from, to));

/** The decodable format whose signature the bytes have, or undefined. */
export function imageFormat(bytes: Uint8Array): ImageFormat | undefined {
  if (ascii(bytes, 0, 8) === '\x89PNG\r\n\x1a\n') return 'PNG';
  if (bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff) return 'JPEG';
  if (ascii(bytes, 0, 4) === 'RIFF' && ascii(bytes, 8, 12) === 'WEBP') return 'WebP';
  return undefined;
}

const SIGNATURES: readonly (readonly [start: string, name: string])[] = [
  ['GIF8', 'a GIF image'],
  ['II*\0', 'a TIFF image'],
  ['MM\0*', 'a TIFF image'],
  ['II+\0', 'a TIFF image'],
  ['BM', 'a BMP image'],
  ['8BPS', 'a Photoshop file'],
  ['\0\0\x01\0', 'an ICO image'],
  ['\xff\x0a', 'a JPEG XL image'],
  ['\0\0\0\x0cJXL ', 'a JPEG XL image'],
  ['\0\0\0\x0cjP  ', 'a JPEG 2000 image'],
  ['\xff\x4f\xff\x51', 'a JPEG 2000 image'],
  ['%PDF', 'a PDF document'],
  ['PK\x03\x04', 'a ZIP archive'],
  ['\x1f\x8b', 'a gzip archive'],
  ['version https://git-lfs', 'a Git LFS pointer, not the file itself'],
];

const BRANDS: Readonly<Record<string, string>> = {
  avif: 'an AVIF image',
  avis: 'an AVIF image',
  heic: 'a HEIC image',
  heix: 'a HEIC image',
  heim: 'a HEIC image',
  heis: 'a HEIC image',
  hevc: 'a HEIC image',
  mif1: 'a HEIF image',
  msf1: 'a HEIF image',
};

/**
 * Describes bytes that are not a decodable image, with an article: `a GIF image`, `an HTML page`,
 * `data in an unknown format (…)`.
 */
export function describeForeignBytes(bytes: Uint8Array): string {
  const start = ascii(bytes, 0, 32);
  const known = SIGNATURES.find(([signature]) => start.startsWith(signature));
  if (known) return known[1];
  if (start.slice(4, 8) === 'ftyp') return BRANDS[start.slice(8, 12)] ?? 'a video file';

  const text = ascii(bytes, 0, 512)
    .replace(/^\xef\xbb\xbf/, '')
    .trimStart()
    .toLowerCase();
  if (text.startsWith('<!doctype html') || text.startsWith('<html')) return 'an HTML page';
  if (text.includes('<svg')) return 'an SVG drawing';
  if (text.startsWith('<?xml')) return 'an XML file';
  const first = [...bytes.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, '0'));
  return `data in an unknown format (it begins with ${first.join(' ')})`;
}
