// JSON from files that may be damaged.
import { PanppError } from '../errors.js';
import { errorLine } from './report.js';

const decoder = new TextDecoder('utf-8', { fatal: true });

/** @throws PanppError `file` if it is not UTF-8, or longer than a string can be */
export function textOf(bytes: Uint8Array, where: string): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    const isEncoding = cause instanceof TypeError;
    const reason = isEncoding ? 'not UTF-8 text' : `too long for a text (${bytes.length} bytes)`;
    throw new PanppError('file', `${where}: ${reason}`, { cause });
  }
}

/** @throws PanppError `file` for a value that is nested too deeply, or whose text is too long */
export function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (cause) {
    const isLength = /string length/.test(errorLine(cause));
    const reason = isLength ? 'are too long for one JSON text' : 'are nested too deeply';
    throw new PanppError('file', `the results ${reason}`, { cause });
  }
}

/** The value that JSON text stands for; undefined if it is not JSON. */
export function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
