// Names of files that are no UTF-8, as strings. Linux keeps names as bytes, and Node's own strings
// for those that are no UTF-8 are equal for unequal names. Here each byte that is no UTF-8 is a
// lone surrogate from U+DC80 to U+DCFF, as Python's `surrogateescape` has it: no other name becomes
// the same string, paths are joined and cut as usual, and JSON writes such a name as `\udce9`,
// which Python opens.
import { isUtf8 } from 'node:buffer';

const escapes = 0xdc00;

/** A name as the system gives it, as a string. */
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

/** Bytes of the character that begins there; 0 if none does. */
function characterAt(bytes: Buffer, from: number): number {
  for (let length = 1; length <= 4; length++) {
    if (isUtf8(bytes.subarray(from, from + length))) return length;
  }
  return 0;
}

/** A path as Node's functions for files want it. */
export function onDisk(path: string): string | Buffer {
  if (process.platform === 'win32' || !/[\udc80-\udcff]/u.test(path)) return path;
  // With `u` a lone surrogate is matched, the half of a pair is not.
  return Buffer.concat(
    path
      .split(/([\udc80-\udcff])/u)
      .map((part, index) =>
        index % 2 === 1 ? Buffer.of(part.charCodeAt(0) - escapes) : Buffer.from(part),
      ),
  );
}
