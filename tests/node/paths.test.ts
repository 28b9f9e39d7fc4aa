import { describe, expect, it } from 'vitest';
import { onDisk, pathFromBytes } from '../../src/node/paths.js';

describe('names as strings and back', () => {
  const bytesOf = (path: string): Buffer => Buffer.from(onDisk(path) as string);

  it.each([
    ['caf\xe9.png', 'caf\udce9.png'],
    ['\xff\xfe', '\udcff\udcfe'],
    // Cut characters, a surrogate as UTF-8 would have it, and one too long.
    ['a\xc3', 'a\udcc3'],
    ['\xe2\x82/x', '\udce2\udc82/x'],
    ['\xed\xb3\xa9', '\udced\udcb3\udca9'],
    ['\xc0\xaf', '\udcc0\udcaf'],
  ])('of the bytes %j: %j', (latin1, path) => {
    const bytes = Buffer.from(latin1, 'latin1');
    expect(pathFromBytes(bytes)).toBe(path);
    expect(bytesOf(path)).toEqual(bytes);
  });

  it('of UTF-8 are themselves', () => {
    for (const path of ['a b.png', 'ü/€/𝒳.png', '\ufffd', '']) {
      expect(pathFromBytes(Buffer.from(path))).toBe(path);
      expect(onDisk(path)).toBe(path);
    }
  });

  it('of any bytes are different for different names', () => {
    let state = 1;
    const random = (below: number) => (state = (state * 48_271) % 2_147_483_647) % below;
    for (let i = 0; i < 2000; i++) {
      // Many of them halves of characters beside whole ones.
      const bytes = Buffer.concat(
        Array.from({ length: random(6) }, () =>
          random(2) ? Buffer.from(['é', '€', '𝒳', 'a'][random(4)]) : Buffer.of(128 + random(128)),
        ),
      );
      if (!bytesOf(pathFromBytes(bytes)).equals(bytes)) expect.fail(bytes.toString('hex'));
    }
  });
});
