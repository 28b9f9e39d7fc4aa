// What the command line says, with names that are no UTF-8 as paths.ts has them: Node's own `argv`
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

/** Linux tells a process's command line as it was; elsewhere there is nothing to be read. */
function argumentBytes(): Buffer[] {
  try {
    // By latin1 a byte is a character.
    const all = readFileSync('/proc/self/cmdline', 'latin1').split('\0').slice(0, -1);
    return all.map((argument) => Buffer.from(argument, 'latin1'));
  } catch {
    return [];
  }
}
