// Text files of ICDAR 2015 (tasks 4.1 and 4.4), as the official scripts read them.
import type { Point } from '../../shapes/geometry.js';
import type { FileSet } from '../types.js';
import { corners, decimal, integer, placeOf, quoted, readLines, refuse } from './text.js';

/** A polygon with its word; ground truth that is marked `###` comes with that word. */
export interface WordRegion {
  readonly polygon: readonly Point[];
  readonly word: string;
  /** File and line, for messages. */
  readonly place: string;
}

/** An image's files: `key` is what ground truth and results have in common. */
export interface KeyedFile {
  readonly key: string;
  readonly name: string;
  readonly bytes: Uint8Array;
}

// A name counts if it begins like this; the dot stands for any character.
const GROUND_TRUTH_NAME = /^gt_img_([0-9]+).txt/;
const RESULT_NAME = /^res_img_([0-9]+).txt/;

/** The files named `gt_img_<digits>.txt` by their digits; others are ignored, of two with a key the last counts. */
export function groundTruthFiles(files: FileSet, notes: string[]): Map<string, KeyedFile> {
  const byKey = new Map<string, KeyedFile>();
  let ignored = 0;
  for (const [name, bytes] of files) {
    const key = GROUND_TRUTH_NAME.exec(name)?.[1];
    if (key === undefined) {
      ignored++;
      continue;
    }
    const other = byKey.get(key);
    if (other) notes.push(`ground truth: ${other.name} and ${name} are both for image ${key}; the latter is used`);
    byKey.set(key, { key, name, bytes });
  }
  if (byKey.size === 0) refuse('ground truth', `none of ${files.size} files is named gt_img_<number>.txt`);
  if (ignored > 0) notes.push(`ground truth: ${ignored} files are not named gt_img_<number>.txt and are ignored`);
  return byKey;
}

/** The result files by the digits of `res_img_<digits>.txt`; a file of another name is an error. */
export function resultFiles(files: FileSet, groundTruth: ReadonlyMap<string, unknown>): Map<string, KeyedFile> {
  const byKey = new Map<string, KeyedFile>();
  for (const [name, bytes] of files) {
    const key = RESULT_NAME.exec(name)?.[1];
    if (key === undefined)
      return refuse(`results: ${name}`, 'a result file is named res_img_<number>.txt, without folder');
    if (!groundTruth.has(key)) refuse(`results: ${name}`, `the ground truth has no gt_img_${key}.txt`);
    byKey.set(key, { key, name, bytes });
  }
  return byKey;
}

/** Ground truth of task 4.1: eight decimal numbers, and the word after the line's last comma. */
export function readDetectionGroundTruth({ name, bytes }: KeyedFile): WordRegion[] {
  return readLines(name, bytes, { dropBom: true, dropCr: true, skipEmpty: true }).map((line) => {
    const fields = line.text.split(',');
    if (fields.length < 8) refuse(line, `${fields.length} fields; eight coordinates and a word are needed`);
    const numbers = fields.slice(0, 8).map((field) => decimal(field, line));
    return { polygon: corners(numbers, line), word: withoutQuotes(fields[fields.length - 1]), place: placeOf(line) };
  });
}

/** Results of task 4.1: integers only, four corners or more. */
export function readDetectionResults({ name, bytes }: KeyedFile): WordRegion[] {
  return readLines(name, bytes, { dropBom: true, skipEmpty: true }).map((line) => {
    const numbers = line.text.split(',').map((field) => integer(field, line));
    return { polygon: corners(numbers, line, { least: 4 }), word: '', place: placeOf(line) };
  });
}

const INTEGER_THEN_COMMA = '[ \\t\\r\\f\\v]*(-?[0-9]+)[ \\t\\r\\f\\v]*,';
const EIGHT_INTEGERS_AND_WORD = new RegExp(`^${INTEGER_THEN_COMMA.repeat(8)}(.*)$`, 's');

/** Ground truth and results of task 4.4: eight integers, a comma, and all the rest is the word. */
export function readWords({ name, bytes }: KeyedFile): WordRegion[] {
  return readLines(name, bytes, { dropBom: true, dropCr: true, skipEmpty: true }).map((line) => {
    const parts = EIGHT_INTEGERS_AND_WORD.exec(line.text);
    if (!parts) return refuse(line, `not "x1,y1,x2,y2,x3,y3,x4,y4,word" with integers: ${quoted(line.text)}`);
    const polygon = corners(
      parts.slice(1, 9).map((field) => integer(field, line)),
      line,
    );
    if (turn(polygon) > 0) refuse(line, 'its corners run anticlockwise; list them clockwise');
    return { polygon, word: withoutQuotes(parts[9]), place: placeOf(line) };
  });
}

/** The sum that the official scripts judge orientation by: positive for corners that run anticlockwise as seen. */
export function turn(polygon: readonly Point[]): number {
  return polygon.reduce((sum, [x, y], i) => {
    const [nextX, nextY] = polygon[(i + 1) % polygon.length];
    return sum + (nextX - x) * (nextY + y);
  }, 0);
}

const QUOTED = /^[ \t\r\n\f\v]*"(.*)"[ \t\r\n\f\v]*$/s;

/** Takes off the double quotes that a word may be wrapped in, and the backslashes before quotes and backslashes. */
function withoutQuotes(word: string): string {
  const inner = QUOTED.exec(word)?.[1];
  return inner === undefined ? word : inner.replaceAll('\\\\', '\\').replaceAll('\\"', '"');
}

/** A word as it must be written to be read as itself: one that looks quoted gets quotes of its own. */
export function withQuotes(word: string): string {
  return QUOTED.test(word) ? `"${word.replaceAll('"', '\\"').replaceAll('\\', '\\\\')}"` : word;
}
