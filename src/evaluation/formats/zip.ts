// ICDAR's ground truth and submissions come as zip archives.
import { quoted } from '../../errors.js';
import { zipEntries, ZipError } from '../../zip.js';
import type { FileSet } from './files.js';
import { refuse } from './text.js';

/** More than any benchmark's archive holds, but small enough for memory. */
const MAX_BYTES = 2 ** 29;

/**
 * The files of a zip archive by their paths in it.
 * @param name the archive's own name, for messages.
 * @param maxBytes limit for the total size of all files.
 * @throws PanppError `evaluation` if it can't be read or holds more than that.
 */
export function fileSetFromZip(
  bytes: Uint8Array,
  name = 'zip archive',
  { maxBytes = MAX_BYTES }: { readonly maxBytes?: number } = {},
): FileSet {
  const files = new Map<string, Uint8Array>();
  let room = maxBytes;
  try {
    for (const entry of zipEntries(bytes)) {
      room -= entry.size;
      if (room < 0) refuse(name, `unpacks to more than ${maxBytes / 2 ** 20} MiB`);
      if (entry.name === '') refuse(name, 'damaged: its zip directory has a nameless entry');
      if (files.has(entry.name)) refuse(name, `damaged: it has ${quoted(entry.name)} twice`);
      files.set(entry.name, entry.read());
    }
  } catch (error) {
    if (!(error instanceof ZipError)) throw error;
    return refuse(name, `not a zip archive that can be read (${error.message}); pack it again`);
  }
  return files;
}
