// File names that are not UTF-8, as strings. Linux stores names as bytes, and Node decodes
// different names that are not UTF-8 to the same string. Here each byte that is not UTF-8 becomes a
// lone surrogate from U+DC80 to U+DCFF, as in Python's `surrogateescape`: names stay distinct,
// paths are joined and split as usual, and JSON writes such a name as `\udce9`, which Python can
// open.
import { isUtf8 } from 'node:buffer';

const escapes = 0xdc00;

/** Decodes a name from the system's bytes. */
export function pathFromBytes(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString();
  let path = '';
  for (let i = 0; i < bytes.length;) {
    const length = characterAt(bytes, i);
    path +=
      length > 0 ? bytes.toString('utf8', i, i + length) : String.fromCharCode(escapes + bytes[i]);
    i += Math.max(length, 1);
  }
  return path;
}

/** Length in bytes of the UTF-8 character at `from`; 0 if there is none. */
function characterAt(bytes: Buffer, from: number): number {
  for (let length = 1; length <= 4; length++) {
    if (isUtf8(bytes.subarray(from, from + length))) return length;
  }
  return 0;
}

/** A path for Node's file functions. */
export function onDisk(path: string): string | Buffer {
  if (process.platform === 'win32' || !/[\udc80-\udcff]/u.test(path)) return path;
  // With the `u` flag a lone surrogate matches, half of a pair does not.
  return Buffer.concat(
    path
      .split(/([\udc80-\udcff])/u)
      .map((part, index) =>
        index % 2 === 1 ? Buffer.of(part.charCodeAt(0) - escapes) : Buffer.from(part),
      ),
  );
}
