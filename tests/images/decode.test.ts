import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { crc32, deflateSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';

import { decodeImage } from '../../src/images/decode.js';
import type { PixelImage } from '../../src/images/image.js';
import { bundledPath, hasWholeReference, sharedPath } from '../support/reference.js';

const folder = bundledPath('images/');
const file = (name: string) => readFileSync(folder + name);

function rgbBytes({ channels, data }: PixelImage): Uint8Array {
  return channels === 3
    ? Uint8Array.from(data)
    : Uint8Array.from(data.filter((_, i) => i % 4 !== 3));
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** A PNG file of the chunks, each with its length and checksum. */
function png(...chunks: [type: string, data: Uint8Array][]): Buffer {
  const parts = chunks.flatMap(([type, data]) => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    checksum.writeUInt32BE(crc32(body));
    return [length, body, checksum];
  });
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), ...parts]);
}

function header(
  width: number,
  height: number,
  depth: number,
  colour: number,
  interlace = 0,
): [string, Uint8Array] {
  const data = Buffer.alloc(13);
  data.writeUInt32BE(width, 0);
  data.writeUInt32BE(height, 4);
  data.set([depth, colour, 0, 0, interlace], 8);
  return ['IHDR', data];
}

const end: [string, Uint8Array] = ['IEND', new Uint8Array()];
const pixels = (bytes: Uint8Array): [string, Uint8Array] => ['IDAT', deflateSync(bytes)];

describe('decodeImage', () => {
  it('reads grey, colour and alpha of a hand-made file', async () => {
    const grey = await decodeImage(
      png(header(2, 1, 8, 0), pixels(Uint8Array.of(0, 7, 200)), end),
      'grey.png',
    );
    expect([...rgbBytes(grey)]).toEqual([7, 7, 7, 200, 200, 200]);
    const alpha = await decodeImage(
      png(header(1, 1, 8, 6), pixels(Uint8Array.of(0, 1, 2, 3, 0)), end),
      'alpha.png',
    );
    expect([...rgbBytes(alpha)]).toEqual([1, 2, 3]);
    const deep = await decodeImage(
      png(header(1, 1, 16, 2), pixels(Uint8Array.of(0, 1, 255, 2, 255, 3, 0)), end),
      'deep.png',
    );
    expect([...rgbBytes(deep)]).toEqual([1, 2, 3]);
  });

  type Expected = Record<string, { width: number; height: number; sha256: string }>;
  const expected = JSON.parse(file('expected.json').toString()) as Expected;

  it('has an expected result for every image file', () => {
    const names = readdirSync(folder).filter((name) => /\.(png|jpg|webp)$/.test(name));
    expect(names.sort()).toEqual(Object.keys(expected).sort());
  });

  it.each(Object.entries(expected))(
    '%s as OpenCV reads it',
    async (name, { width, height, sha256: hash }) => {
      const image = await decodeImage(file(name), name);
      expect([image.width, image.height]).toEqual([width, height]);
      expect(image.data).toHaveLength(width * height * image.channels);
      expect(sha256(rgbBytes(image))).toBe(hash);
    },
  );

  it('goes by content, not by name', async () => {
    expect((await decodeImage(file('baseline.jpg'), 'wrong.png')).width).toBe(
      expected['baseline.jpg'].width,
    );
  });

  it('reads 100 megapixels', async () => {
    const [side, row] = [10_000, 1 + 10_000 / 8];
    const rows = new Uint8Array(side * row);
    rows[9_999 * row + 1250] = 1; // the last pixel
    const { width, height, channels, data } = await decodeImage(
      png(header(side, side, 1, 0), pixels(rows), end),
      'big.png',
    );
    expect([width, height, data.length]).toEqual([side, side, side * side * channels]);
    expect(data[data.length - channels]).toBe(255);
    expect(data[data.length - 2 * channels]).toBe(0);
  });
});

// What cameras and phones write, and browsers show: no pixel is lost.
describe('JPEGs of which only the markers are wrong', () => {
  type Change = (bytes: Buffer) => Uint8Array;
  const junk = Buffer.of(0, 0, 0x12, 0x34);
  /** Where the markers between segments lie, SOI left out. */
  const markers = (bytes: Buffer): number[] => {
    const found: number[] = [];
    for (let at = 2; at < bytes.length; at++) {
      if (
        bytes[at] !== 0xff ||
        bytes[at + 1] === 0 ||
        (bytes[at + 1] >= 0xd0 && bytes[at + 1] <= 0xd7)
      )
        continue;
      found.push(at);
      if (bytes[at + 1] !== 0xd9) at += 1 + bytes.readUInt16BE(at + 2);
    }
    return found;
  };
  const withJunk = (bytes: Buffer, places: readonly number[]): Buffer =>
    Buffer.concat(
      [...places, bytes.length].flatMap((at, i) => {
        const piece = bytes.subarray(places[i - 1] ?? 0, at);
        return at === bytes.length ? [piece] : [piece, junk];
      }),
    );
  const set = (change: (bytes: Buffer) => void): Change => {
    return (bytes) => {
      change(bytes);
      return bytes;
    };
  };
  const marker = (bytes: Buffer, code: number) =>
    markers(bytes).find((at) => bytes[at + 1] === code)!;
  const changes: Record<string, Change> = {
    'a scan of coefficients 0 to 0': set((bytes) => {
      const scan = marker(bytes, 0xda);
      bytes[scan + 6 + 2 * bytes[scan + 4]] = 0;
    }),
    'JFIF 3.01': set((bytes) => (bytes[marker(bytes, 0xe0) + 9] = 3)),
    'no end marker': (bytes) => bytes.subarray(0, -2),
    'half an end marker': (bytes) => bytes.subarray(0, -1),
    'junk between all segments': (bytes) => withJunk(bytes, markers(bytes).slice(1, -1)),
    'junk before the end marker': (bytes) => withJunk(bytes, markers(bytes).slice(-1)),
    'all of it': (bytes) => {
      bytes[marker(bytes, 0xe0) + 9] = 3;
      return withJunk(bytes, markers(bytes).slice(1));
    },
  };
  const cases = ['baseline.jpg', 'progressive.jpg', 'restart-markers.jpg', 'grey.jpg'].flatMap(
    (name) => Object.keys(changes).map((change) => [name, change] as const),
  );
  it.each(cases)('%s with %s', async (name, change) => {
    const right = await decodeImage(file(name), name);
    const bytes = changes[change](Buffer.from(file(name)));
    const before = Buffer.from(bytes);
    const { width, height, data } = await decodeImage(bytes, name);
    expect([width, height]).toEqual([right.width, right.height]);
    expect(Buffer.compare(data as Uint8Array, right.data as Uint8Array)).toBe(0);
    expect(Buffer.compare(bytes, before), 'the caller’s bytes').toBe(0);
  });

  it('with an unknown colour transform', async () => {
    const name = 'ycck.jpg';
    const bytes = Buffer.from(file(name));
    bytes[marker(bytes, 0xee) + 15] = 7;
    expect(sha256(rgbBytes(await decodeImage(bytes, name)))).toBe(
      sha256(rgbBytes(await decodeImage(file(name), name))),
    );
  });

  it.each([
    'baseline.jpg',
    'progressive.jpg',
    'restart-markers.jpg',
    'grey.jpg',
    'cmyk.jpg',
    'one-pixel.jpg',
  ])('%s cut before its last byte of data is refused wherever it is cut', async (name) => {
    const bytes = file(name);
    // Every place near the end, where little is missing; and between scans, where a decoder misses
    // nothing.
    const near = Array.from({ length: 40 }, (_, i) => bytes.length - 3 - i);
    for (const length of [...near, ...markers(bytes).slice(1, -1)]) {
      await expect(decodeImage(bytes.subarray(0, length), name), `${length} bytes`).rejects.toThrow(
        /truncated or damaged JPEG/,
      );
    }
  });
});

/** A one-line PanppError that names the file. */
const imageError = (name: string, pattern: RegExp) =>
  expect.objectContaining({
    name: 'PanppError',
    code: 'image',
    message: expect.stringMatching(
      new RegExp(`^${name}: [^\\n]*${pattern.source}[^\\n]*; [^\\n]+$`, pattern.flags),
    ),
  });

describe('bad files', () => {
  const broken: [string, () => Uint8Array, RegExp][] = [
    ['empty.jpg', () => new Uint8Array(), /empty \(0 bytes\)/],
    ['half.jpg', () => file('baseline.jpg').subarray(0, 1000), /truncated.*JPEG.*premature end/],
    ['half-progressive.jpg', () => file('progressive.jpg').subarray(0, 900), /truncated.*JPEG/],
    [
      'zero-filled.jpg',
      () => Buffer.concat([file('progressive.jpg').subarray(0, 1700), new Uint8Array(60)]),
      /truncated.*JPEG/,
    ],
    ['only-start.jpg', () => file('baseline.jpg').subarray(0, 20), /truncated.*JPEG/],
    ['half.webp', () => file('lossy.webp').subarray(0, 300), /truncated.*WebP/],
    ['half-lossless.webp', () => file('lossless.webp').subarray(0, 900), /truncated.*WebP/],
    ['only-start.webp', () => file('lossy.webp').subarray(0, 12), /truncated.*WebP/],
    ['half.png', () => file('rgb8.png').subarray(0, 200), /truncated.*PNG/],
    ['only-start.png', () => file('rgb8.png').subarray(0, 8), /truncated.*PNG/],
    [
      'too-few-rows.png',
      () => png(header(4, 4, 8, 2), pixels(new Uint8Array(20)), end),
      /truncated.*PNG/,
    ],
    ['no-data.png', () => png(header(4, 4, 8, 2), end), /damaged PNG/],
    [
      'no-palette.png',
      () => png(header(1, 1, 8, 3), pixels(Uint8Array.of(0, 0)), end),
      /damaged PNG/,
    ],
    ['no-width.png', () => png(header(0, 5, 8, 2), pixels(new Uint8Array(5)), end), /damaged PNG/],
    [
      'odd-colour.png',
      () => png(header(1, 1, 8, 5), pixels(Uint8Array.of(0, 0)), end),
      /damaged PNG/,
    ],
  ];
  it.each(broken)('%s', async (name, bytes, pattern) => {
    await expect(decodeImage(bytes(), name)).rejects.toThrow(imageError(name, pattern));
  });

  it('data that does not fit its checksum', async () => {
    const bytes = Buffer.from(file('rgba8.png'));
    bytes[bytes.length - 30] ^= 1;
    await expect(decodeImage(bytes, 'bit.png')).rejects.toThrow(
      imageError('bit.png', /damaged PNG/),
    );
  });

  it('damage between restart markers of a JPEG', async () => {
    const bytes = Buffer.from(file('restart-markers.jpg'));
    const marker = bytes.indexOf(Buffer.of(0xff, 0xd0));
    const longer = Buffer.concat([
      bytes.subarray(0, marker),
      Buffer.of(0x12, 0x34),
      bytes.subarray(marker),
    ]);
    await expect(decodeImage(longer, 'a.jpg')).rejects.toThrow(
      imageError('a.jpg', /Corrupt JPEG data/),
    );
  });

  it('more pixels than are read, before anything is unpacked', async () => {
    const bomb = png(header(60_000, 60_000, 8, 2), pixels(new Uint8Array(1000)), end);
    await expect(decodeImage(bomb, 'bomb.png')).rejects.toThrow(
      imageError('bomb.png', /60000 x 60000 pixels \(3600 megapixels; at most 268 are read\)/),
    );
    const large = Buffer.from(file('baseline.jpg'));
    const frame = large.indexOf(Buffer.of(0xff, 0xc0));
    large.writeUInt16BE(65_000, frame + 5);
    large.writeUInt16BE(65_000, frame + 7);
    await expect(decodeImage(large, 'bomb.jpg')).rejects.toThrow(
      imageError('bomb.jpg', /4225 megapixels/),
    );
  });

  it('more pixels than an option allows', async () => {
    const bomb = png(header(20_000, 20_000, 1, 0), pixels(new Uint8Array(1000)), end);
    expect(bomb.length).toBeLessThan(1024);
    await expect(decodeImage(bomb, 'bomb.png')).rejects.toThrow(
      imageError('bomb.png', /20000 x 20000 pixels \(400 megapixels; at most 268 are read\)/),
    );
    const [small, size] = [file('baseline.jpg'), await decodeImage(file('baseline.jpg'))];
    const maxPixels = size.width * size.height;
    expect((await decodeImage(small, 'a.jpg', { maxPixels })).data).toEqual(size.data);
    await expect(decodeImage(small, 'a.jpg', { maxPixels: maxPixels - 1 })).rejects.toThrow(
      imageError('a.jpg', /megapixels; at most 0\.\d+ are read/),
    );
    // A lossless WebP of one colour says 16383 x 16383 in a hundred bytes: 1 GB when unpacked.
    const webp = Buffer.from(file('lossless.webp'));
    webp.writeUInt32LE((webp.readUInt32LE(21) & 0xf0000000) | (16382 << 14) | 16382, 21);
    await expect(decodeImage(webp, 'a.webp', { maxPixels: 2 ** 24 })).rejects.toThrow(
      imageError('a.webp', /16383 x 16383 pixels \(268 megapixels; at most 17 are read\)/),
    );
    for (const odd of [{ maxPixels: NaN }, { maxPixels: 0 }, { maxPixel: 5 }] as object[])
      await expect(decodeImage(small, 'a.jpg', odd)).rejects.toMatchObject({ code: 'argument' });
  });

  const foreign: [what: RegExp, start: string][] = [
    [/a GIF image/, 'GIF89a'],
    [/a TIFF image/, 'II*\0'],
    [/a TIFF image/, 'MM\0*'],
    [/a BMP image/, 'BM6\x03'],
    [/a HEIC image/, '\0\0\0\x18ftypheic'],
    [/an AVIF image/, '\0\0\0\x1cftypavif'],
    [/a video file/, '\0\0\0\x18ftypisom'],
    [/a JPEG XL image/, '\xff\x0a'],
    [/a PDF document/, '%PDF-1.7'],
    [/an SVG drawing/, '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg">'],
    [/an HTML page/, '\xef\xbb\xbf\n  <!DOCTYPE html>'],
    [/a ZIP archive/, 'PK\x03\x04'],
    [/a Git LFS pointer/, 'version https://git-lfs.github.com/spec/v1\n'],
    [/unknown format \(it begins with 01 02\)/, '\x01\x02'],
  ];
  it.each(foreign)('names the format it recognises: %s', async (what, start) => {
    const bytes = Buffer.from(start, 'latin1');
    await expect(decodeImage(bytes, 'a.jpg')).rejects.toThrow(imageError('a.jpg', what));
  });

  it('accepts only a buffer or a view of one', async () => {
    const bytes = file('baseline.jpg');
    const whole = await decodeImage(bytes, 'baseline.jpg');
    const { buffer } = Uint8Array.from(bytes);
    for (const same of [buffer, new DataView(buffer) as never])
      expect(await decodeImage(same)).toEqual(whole);
    for (const odd of ['baseline.jpg', [...bytes], undefined] as never[])
      await expect(decodeImage(odd)).rejects.toMatchObject({
        code: 'argument',
        message: expect.stringContaining("a file's bytes are needed"),
      });
  });
});

describe.runIf(hasWholeReference)('photographs', () => {
  let names: string[];
  beforeAll(() => {
    names = readdirSync(sharedPath('data/unlabelled')).filter((name) =>
      /\.(jpe?g|png|webp)$/.test(name),
    );
  });

  it('all decode', async () => {
    expect(names.length).toBeGreaterThan(10);
    for (const name of names) {
      const { width, height, channels, data } = await decodeImage(
        readFileSync(sharedPath(`data/unlabelled/${name}`)),
        name,
      );
      expect(data).toHaveLength(width * height * channels);
    }
  });
});
