// Reads the parts of a run, of whatever kind they are.
import { stat } from 'node:fs/promises';
import { PanppError } from '../../errors.js';
import { onDisk } from '../../node/paths.js';
import { fileError, readBytes } from '../files.js';
import { parsedJson, textOf } from '../json.js';
import { isRunFolder } from '../run-folder.js';
import { type CocoPart, isCocoText, readCocoText } from './coco-text.js';
import { type RunPart, readFilesPart, readRunPart } from './folders.js';
import type { Part } from './join.js';
import { readLines } from './lines.js';

/** Parts of one kind. */
export type Parts =
  | { readonly kind: 'JSON lines'; readonly parts: readonly Part<Uint8Array>[] }
  | { readonly kind: 'coco-text'; readonly parts: readonly CocoPart[] }
  | { readonly kind: 'a run'; readonly parts: readonly RunPart[] }
  | { readonly kind: 'result files'; readonly parts: readonly Part<Uint8Array>[] };

/** @throws PanppError `file` for parts that can't be read, or of different kinds */
export async function readParts(paths: readonly string[]): Promise<Parts> {
  const all: Parts[] = [];
  for (const path of paths) all.push(await readPart(path));
  const [{ kind }] = all;
  const other = all.findIndex((one) => one.kind !== kind);
  if (other >= 0)
    throw new PanppError(
      'file',
      `${paths[0]} is ${kind}, ${paths[other]} is ${all[other].kind}; join each kind by itself`,
    );
  return { kind, parts: all.flatMap(({ parts }) => parts as Part<unknown>[]) } as Parts;
}

async function readPart(path: string): Promise<Parts> {
  const info = await stat(onDisk(path)).catch((cause: unknown) => {
    throw fileError(path, '', cause);
  });
  if (info.isDirectory())
    return (await isRunFolder(path))
      ? { kind: 'a run', parts: [await readRunPart(path)] }
      : { kind: 'result files', parts: [await readFilesPart(path)] };
  const bytes = await readBytes(path);
  if (Buffer.from(bytes.subarray(0, 2)).toString('latin1') === 'PK')
    return { kind: 'result files', parts: [await readFilesPart(path)] };
  return readText(bytes, path);
}

/** JSON lines or a coco-text file. @throws PanppError `file` */
export function readText(bytes: Uint8Array, path: string): Parts {
  const document = wholeDocument(bytes, path);
  return isCocoText(document)
    ? { kind: 'coco-text', parts: [readCocoText(document, path)] }
    : { kind: 'JSON lines', parts: [readLines(bytes, path)] };
}

/** A file's JSON document, if it has just one; lines are read one at a time. */
function wholeDocument(bytes: Uint8Array, path: string): unknown {
  const end = bytes.indexOf(0x0a) + 1;
  const first = parsedJson(textOf(end > 0 ? bytes.subarray(0, end) : bytes, path));
  if (first !== undefined) return first;
  return end > 0 && end < bytes.length ? parsedJson(textOf(bytes, path)) : undefined;
}
