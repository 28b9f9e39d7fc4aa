import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { zipEntries, ZipError } from '../src/zip.js';

const utf8 = (text: string) => new TextEncoder().encode(text);

function contents(bytes: Uint8Array): [string, string][] {
  return [...zipEntries(bytes)].map((entry) => [
    entry.name,
    new TextDecoder().decode(entry.read()),
  ]);
}

/** Where a number of the only entry is in the directory, from its beginning. */
const inDirectory = { packedSize: 20, size: 24, header: 42 };

/** An archive of one entry `a` whose directory holds another number. */
function lying(field: keyof typeof inDirectory, value: number, content: Uint8Array): Uint8Array {
  const bytes = zipSync({ a: content }, { level: 9 });
  const view = new DataView(bytes.buffer);
  const directory = view.getUint32(bytes.length - 6, true);
  view.setUint32(directory + inDirectory[field], value, true);
  return bytes;
}

describe('zipEntries', () => {
  it('reads stored and packed entries, empty ones, and names in any script', () => {
    const files = { 'a/b.txt': utf8('b'.repeat(500)), 'é日.txt': utf8('x'), empty: utf8('') };
    for (const level of [0, 9] as const) {
      expect(contents(zipSync(files, { level }))).toEqual([
        ['a/b.txt', 'b'.repeat(500)],
        ['é日.txt', 'x'],
        ['empty', ''],
      ]);
    }
    expect(contents(zipSync({}))).toEqual([]);
  });

  it('finds the directory before a comment, in a part of a buffer', () => {
    const bytes = zipSync({ a: utf8('x') });
    const longer = new Uint8Array(bytes.length + 8);
    longer.set(bytes, 3);
    longer.set(utf8('hello'), 3 + bytes.length);
    new DataView(longer.buffer).setUint16(3 + bytes.length - 2, 5, true);
    expect(contents(longer.subarray(3))).toEqual([['a', 'x']]);
  });

  it('reads numbers of zip64', () => {
    const bytes = zipSync({ a: [utf8('x'.repeat(100)), { extra: { 1: new Uint8Array(8) } }] });
    const view = new DataView(bytes.buffer);
    const directory = view.getUint32(bytes.length - 6, true);
    view.setUint32(directory + inDirectory.size, 0xffffffff, true);
    view.setBigUint64(directory + 46 + 1 + 4, 100n, true);
    expect(contents(bytes)).toEqual([['a', 'x'.repeat(100)]]);
    view.setBigUint64(directory + 46 + 1 + 4, 2n ** 60n, true);
    expect([...zipEntries(bytes)][0].size).toBe(2 ** 60);
    expect(() => contents(bytes)).toThrow(/claims 1152921504606847000 bytes/);
  });

  const zeros = new Uint8Array(2 ** 20);
  it.each([
    // Before memory is taken: a deflate stream can't hold that much.
    ['claims too much', lying('size', 0x7fffffff, zeros), /claims 2147483647 bytes, and 1\d{3} /],
    // In time: what is unpacked beyond the claim is not looked at.
    ['claims too little', lying('size', 1000, zeros), /holds more than its 1000 bytes/],
    ['claims a little too much', lying('size', 2 ** 20 + 1, zeros), /has 1048576 of 1048577 bytes/],
    ['ends outside the file', lying('packedSize', 1e6, zeros), /unexpected EOF/],
    ['begins outside the file', lying('header', 0xfffffff0, zeros), /invalid zip data/],
    ['begins in its content', lying('header', 50, zeros), /invalid zip data/],
    ['is packed in an unknown way', unknownMethod(), /unknown compression type 9/],
  ])('refuses an entry that %s', (_, bytes, message) => {
    const start = process.cpuUsage();
    expect(() => contents(bytes)).toThrow(ZipError);
    expect(() => contents(bytes)).toThrow(message);
    // Other work on the machine doesn't count.
    const { user, system } = process.cpuUsage(start);
    expect(user + system).toBeLessThan(1_000_000);
  });

  it('refuses what has no directory, or half of one', () => {
    const bytes = zipSync({ a: utf8('x'), b: utf8('y') });
    for (let length = 0; length < bytes.length; length++)
      expect(() => contents(bytes.subarray(0, length)), String(length)).toThrow(ZipError);
    const view = new DataView(bytes.buffer);
    view.setUint16(bytes.length - 12, 3, true);
    expect(() => contents(bytes)).toThrow('invalid zip data');
  });
});

function unknownMethod(): Uint8Array {
  const bytes = zipSync({ a: utf8('x') });
  const view = new DataView(bytes.buffer);
  view.setUint16(view.getUint32(bytes.length - 6, true) + 10, 9, true);
  return bytes;
}
