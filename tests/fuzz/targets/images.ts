// Image files: damaged anywhere, and PNG chunks damaged inside valid checksums, which decoders
// would otherwise refuse before they look.
import { readFileSync, readdirSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { decodeImage } from '../../../src/images/decode.js';
import { bundledPath } from '../../support/reference.js';
import { damaged } from '../mutations.js';
import { target } from '../target.js';

const folder = bundledPath('images/');
const seeds = (ending: RegExp): Uint8Array[] =>
  readdirSync(folder)
    .filter((name) => ending.test(name))
    .sort()
    .map((name) => readFileSync(folder + name));

/** So that no input may take much memory. */
const maxPixels = 2 ** 22;

async function decode(bytes: Uint8Array): Promise<void> {
  const { width, height, channels, data } = await decodeImage(bytes, 'a.img', { maxPixels });
  if (width * height > maxPixels) throw new Error(`${width} x ${height} pixels were read`);
  if (data.length !== width * height * channels)
    throw new Error(`${width} x ${height} x ${channels} with ${data.length} bytes`);
}

/** A PNG file whose chunks have the right checksums again. */
function withChecksums(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 8; at + 12 <= bytes.length;) {
    const end = at + 8 + view.getUint32(at);
    if (end + 4 > bytes.length) break;
    view.setUint32(end, crc32(bytes.subarray(at + 4, end)));
    at = end + 4;
  }
  return bytes;
}

const png = seeds(/\.png$/);

export const imageTargets = [
  target({
    name: 'PNG',
    inputs: fc.oneof(damaged(png), damaged(png).map(withChecksums)),
    read: decode,
    inSuite: 200,
  }),
  target({ name: 'JPEG', inputs: damaged(seeds(/\.jpg$/)), read: decode, inSuite: 120 }),
  target({ name: 'WebP', inputs: damaged(seeds(/\.webp$/)), read: decode, inSuite: 150 }),
];
