// Reads the command line. Names that are not UTF-8 are encoded as in paths.ts: Node's own `argv`
// has lost their bytes.
import { readFileSync } from 'node:fs';
import { pathFromBytes } from '../node/paths.js';

/** The arguments after the program's name. */
export function commandLine(): string[] {
  const given = process.argv.slice(2);
  if (!given.some((argument) => argument.includes('\ufffd'))) return given;
  const bytes = argumentBytes().slice(-given.length);
  const isSame =
    bytes.length === given.length && bytes.every((one, index) => one.toString() === given[index]);
  return isSame ? bytes.map(pathFromBytes) : given;
}

/** Linux gives a process the bytes of its command line; other systems don't. */
function argumentBytes(): Buffer[] {
  try {
    // In latin1 each byte is one character.
    const all = readFileSync('/proc/self/cmdline', 'latin1').split('\0').slice(0, -1);
    return all.map((argument) => Buffer.from(argument, 'latin1'));
  } catch {
    return [];
  }
}
