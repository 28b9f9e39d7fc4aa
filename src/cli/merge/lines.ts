// The JSON lines that detect and spot print, one per image. Lines are kept byte for byte; they stay
// bytes, because a large run's text may be longer than a string can be.
import { PanppError } from '../../errors.js';
import { jsonOf, parsedJson, textOf } from '../json.js';
import type { Part, PartResult } from './join.js';

const lineBreak = 0x0a;

/**
 * The lines of a file; none of an empty one.
 * @throws PanppError `file` that names the line
 */
export function readLines(bytes: Uint8Array, path: string): Part<Uint8Array> {
  const results: PartResult<Uint8Array>[] = [];
  let number = 0;
  for (let from = 0; from < bytes.length;) {
    const at = bytes.indexOf(lineBreak, from);
    const to = at < 0 ? bytes.length : at;
    const value = bytes.subarray(from, to);
    const result = resultIn(value, `${path}, line ${++number}`);
    if (result) results.push(result);
    from = to + 1;
  }
  return { path, results };
}

interface Line {
  readonly file: string;
  readonly error?: string;
  readonly regions?: readonly unknown[];
}

function resultIn(value: Uint8Array, where: string): PartResult<Uint8Array> | undefined {
  const text = textOf(value, where);
  if (text.trim() === '') return undefined;
  const line = parsedJson(text);
  if (line === undefined)
    throw new PanppError(
      'file',
      `${where}: not complete JSON; if its run was interrupted, run that shard again`,
    );
  const { file, error, regions } = Object(line) as Partial<Line>;
  if (typeof file !== 'string' || !(typeof error === 'string' || Array.isArray(regions)))
    throw new PanppError(
      'file',
      `${where}: not a result of panpp, which has "file" and "regions" or "error"`,
    );
  return { image: file, value, failed: error !== undefined };
}

/** Whether two lines hold the same result: time passes differently, and folders may be elsewhere. */
export function isSameLine(a: Uint8Array, b: Uint8Array): boolean {
  return comparable(a) === comparable(b);
}

function comparable(value: Uint8Array): string {
  const line = parsedJson(textOf(value, '')) as object;
  return jsonOf({ ...line, file: undefined, timings: undefined });
}

/** Lines as a file. */
export function linesOf(results: readonly PartResult<Uint8Array>[]): Uint8Array {
  const end = Uint8Array.of(lineBreak);
  return Buffer.concat(results.flatMap(({ value }) => [value, end]));
}
