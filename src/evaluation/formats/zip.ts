// ICDAR's ground truth and submissions come as zip archives.
import { unzipSync } from 'fflate';
import { PanppError } from '../../errors.js';
import type { FileSet } from './files.js';
import { quoted, refuse } from './text.js';

/**
 * More than any benchmark's archive holds, but small enough for memory; a limit against zip bombs.
 */
const MAX_TOTAL_BYTES = 2 ** 29;

/**
 * The files of a zip archive by their names in it, folders included.
 * @param name the archive's own name, for messages.
 * @throws PanppError `evaluation` if it can't be read or holds more than 512 MiB.
 */
export function fileSetFromZip(bytes: Uint8Array, name = 'zip archive'): FileSet {
  const sizes = new Map<string, number>();
  let room = MAX_TOTAL_BYTES;
  let files: Record<string, Uint8Array>;
  try {
    files = unzipSync(bytes, {
      filter: ({ name: entry, size, originalSize, compression }) => {
        room -= compression === 0 ? size : originalSize;
        if (room < 0) refuse(name, `unpacks to more than ${MAX_TOTAL_BYTES / 2 ** 20} MiB`);
        if (entry === '') refuse(name, 'damaged: its zip directory has a nameless entry');
        sizes.set(entry, originalSize);
        return true;
      },
    });
  } catch (error) {
    if (error instanceof PanppError) throw error;
    const reason = error instanceof Error ? error.message : 'unreadable';
    return refuse(name, `not a zip archive that can be read (${reason}); pack it again`);
  }
  for (const [entry, { length }] of Object.entries(files)) {
    if (length !== sizes.get(entry)) {
      refuse(
        name,
        `damaged: its entry ${quoted(entry)} has ${length} of ${sizes.get(entry)} bytes`,
      );
    }
  }
  // In the archive's order, which an object would not keep for names of digits.
  return new Map([...sizes.keys()].map((entry) => [entry, files[entry]]));
}
