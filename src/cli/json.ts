// JSON from files that may be damaged.
import { PanppError } from '../errors.js';

const decoder = new TextDecoder('utf-8', { fatal: true });

/** @throws PanppError `file` if it is not UTF-8, or longer than a string can be */
export function textOf(bytes: Uint8Array, where: string): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new PanppError('file', `${where}: not UTF-8 text, as results of panpp are`, { cause });
  }
}

/** @throws PanppError `file` for a value that is nested too deeply */
export function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (cause) {
    throw new PanppError('file', `a result is nested too deeply, unlike any of panpp`, { cause });
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
