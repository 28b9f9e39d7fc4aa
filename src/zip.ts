// Reads untrusted zip archives: sizes are checked before memory is allocated, and unpacking stops
// when an entry exceeds its declared size. fflate decompresses the data; its own zip reader returns
// entries that are cut to their declared size, and encrypted ones, without an error. Source:
// PKWARE's APPNOTE.TXT, sections 4.3 and 4.5.3 (zip64).
import { Inflate } from 'fflate';

/** An entry as the archive's directory describes it. */
export interface ZipEntry {
  /** Its path in the archive. */
  readonly name: string;
  /** Bytes in the archive. */
  readonly packedSize: number;
  /** Bytes when unpacked. */
  readonly size: number;
  /** Unpacks the entry. @throws ZipError if it is damaged or its size is wrong */
  read(): Uint8Array;
}

/** Why an archive or an entry can't be read; callers turn it into an error of their own. */
export class ZipError extends Error {}

const endOfDirectory = 0x06054b50;
const endOfDirectoryBytes = 22;
const maxCommentBytes = 0xffff;
const directory64Locator = 0x07064b50;
const directory64 = 0x06064b50;
const directoryEntry = 0x02014b50;
const directoryEntryBytes = 46;
const localHeader = 0x04034b50;
const localHeaderBytes = 30;
const zip64Field = 1;
/** In a 32-bit field: the value is in the zip64 field instead. */
const elsewhere = 0xffffffff;
const utf8Flag = 0x800;
const encryptedFlag = 1;
const stored = 0;
const deflated = 8;
/** Highest compression ratio of deflate: 258 bytes from 2 bits. */
const maxRatio = 1032;
/** Packed bytes to decompress at a time; they hold about 16 MiB at most. */
const step = 2 ** 14;

/**
 * The entries of an archive, in directory order. Each is unpacked only when it is read.
 * @throws ZipError for bytes that are not an archive or whose directory is damaged
 */
export function* zipEntries(bytes: Uint8Array): Generator<ZipEntry> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { count, start } = directoryOf(view);
  let at = start;
  for (let index = 0; index < count; index++) {
    const limit = at + directoryEntryBytes;
    if (limit > bytes.length || view.getUint32(at, true) !== directoryEntry)
      throw new ZipError('invalid zip data');
    const flags = view.getUint16(at + 8, true);
    const method = view.getUint16(at + 10, true);
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) =>
      view.getUint16(at + field, true),
    );
    const extra = limit + nameLength;
    const end = extra + extraLength + commentLength;
    if (end > bytes.length) throw new ZipError('invalid zip data');
    const [size, packedSize, header] = wideFields(view, extra, extra + extraLength, [
      view.getUint32(at + 24, true),
      view.getUint32(at + 20, true),
      view.getUint32(at + 42, true),
    ]);
    const decoder = new TextDecoder(flags & utf8Flag ? 'utf-8' : 'latin1', { ignoreBOM: true });
    yield {
      name: decoder.decode(bytes.subarray(limit, extra)),
      packedSize,
      size,
      read: () => {
        if (flags & encryptedFlag) throw new ZipError('an entry is encrypted');
        return contentOf(packedData(bytes, header, packedSize), method, size);
      },
    };
    at = end;
  }
}

function directoryOf(view: DataView): { count: number; start: number } {
  const last = view.byteLength - endOfDirectoryBytes;
  for (let at = last; at >= Math.max(0, last - maxCommentBytes); at--) {
    if (view.getUint32(at, true) !== endOfDirectory) continue;
    const locator = at - 20;
    if (locator >= 0 && view.getUint32(locator, true) === directory64Locator) {
      const wide = uint64(view, locator + 8);
      if (wide + 56 <= view.byteLength && view.getUint32(wide, true) === directory64)
        return { count: uint64(view, wide + 32), start: uint64(view, wide + 48) };
    }
    return { count: view.getUint16(at + 10, true), start: view.getUint32(at + 16, true) };
  }
  throw new ZipError('invalid zip data');
}

/** Replaces each value that is `elsewhere` with the next value of the zip64 field. */
function wideFields(view: DataView, from: number, to: number, narrow: readonly number[]): number[] {
  let at = from;
  while (at + 4 <= to && view.getUint16(at, true) !== zip64Field)
    at += 4 + view.getUint16(at + 2, true);
  at += 4;
  return narrow.map((value) => {
    if (value !== elsewhere) return value;
    if (at + 8 > to) throw new ZipError('invalid zip data');
    at += 8;
    return uint64(view, at - 8);
  });
}

function uint64(view: DataView, at: number): number {
  return Number(view.getBigUint64(at, true));
}

function packedData(bytes: Uint8Array, header: number, length: number): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (header + localHeaderBytes > bytes.length || view.getUint32(header, true) !== localHeader)
    throw new ZipError('invalid zip data');
  const start =
    header +
    localHeaderBytes +
    view.getUint16(header + 26, true) +
    view.getUint16(header + 28, true);
  if (start + length > bytes.length) throw new ZipError('unexpected EOF');
  return bytes.subarray(start, start + length);
}

function allocated(size: number): Uint8Array {
  try {
    return new Uint8Array(size);
  } catch (cause) {
    throw new ZipError(`needs ${size} bytes of memory, more than there are`, { cause });
  }
}

function contentOf(packed: Uint8Array, method: number, size: number): Uint8Array {
  if (method === stored) {
    if (packed.length !== size) throw new ZipError(`has ${packed.length} of ${size} bytes`);
    return packed.slice();
  }
  if (method !== deflated) throw new ZipError(`unknown compression type ${method}`);
  if (size > packed.length * maxRatio)
    throw new ZipError(`claims ${size} bytes, and ${packed.length} packed ones can't hold these`);
  const content = allocated(size);
  let filled = 0;
  const inflate = new Inflate((part) => {
    if (filled + part.length > size) throw new ZipError(`holds more than its ${size} bytes`);
    content.set(part, filled);
    filled += part.length;
  });
  try {
    for (let at = 0; at === 0 || at < packed.length; at += step)
      inflate.push(packed.subarray(at, at + step), at + step >= packed.length);
  } catch (error) {
    if (error instanceof ZipError) throw error;
    throw new ZipError(error instanceof Error ? error.message : 'unreadable', { cause: error });
  }
  if (filled !== size) throw new ZipError(`has ${filled} of ${size} bytes`);
  return content;
}
