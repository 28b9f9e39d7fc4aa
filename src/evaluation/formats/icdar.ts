// Text files of ICDAR 2015 (tasks 4.1 and 4.4), as the official scripts read them; also ground
// truth of ICDAR 2013 (boxes with quoted words) and of MLT 2017 and 2019 (with the script's name
// before the word), which those scripts don't read.
import { quoted } from '../../errors.js';
import type { Point } from '../../shapes/geometry.js';
import type { FileSet } from './files.js';
import { type Line, corners, decimal, integer, placeOf, readLines, refuse } from './text.js';

/** A polygon with its word; ground truth marked don't-care has the word `###`. */
export interface WordRegion {
  readonly polygon: readonly Point[];
  readonly word: string;
  /** File and line, for messages. */
  readonly place: string;
}

/** An image's file; `key` pairs ground truth with results. */
export interface KeyedFile {
  readonly key: string;
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** How a data set names its files; the first group is the key. */
export interface FileNames {
  readonly groundTruth: RegExp;
  readonly result: RegExp;
  readonly resultForm: string;
}

// Only the beginning of a name must match. As in the scripts, the dot matches any character.
const ICDAR2015: FileNames = {
  groundTruth: /^gt_img_([0-9]+).txt/,
  result: /^res_img_([0-9]+).txt/,
  resultForm: 'res_img_<number>.txt',
};
/** ICDAR 2013's training images are named by number only, MLT 2019's files have no gt_. */
const OTHERS: FileNames = {
  groundTruth: /^(?:gt_(?=.)|(?=tr_img_))(.+)\.txt$/,
  result: /^res_(.+)\.txt$/,
  resultForm: 'res_<image>.txt',
};

/**
 * The ground-truth files by the digits of `gt_img_<digits>.txt`; others are ignored; of two with
 * the same key the last counts.
 */
export function groundTruthFiles(
  files: FileSet,
  notes: string[],
): { files: Map<string, KeyedFile>; names: FileNames } {
  const names = [ICDAR2015, OTHERS].find(({ groundTruth }) =>
    [...files.keys()].some((name) => groundTruth.test(name)),
  );
  if (!names)
    return refuse(
      'ground truth',
      `none of ${files.size} files is named gt_img_<number>.txt or gt_<image>.txt`,
    );
  const byKey = new Map<string, KeyedFile>();
  let ignored = 0;
  for (const [name, bytes] of files) {
    const key = names.groundTruth.exec(name)?.[1];
    if (key === undefined) {
      ignored++;
      continue;
    }
    const other = byKey.get(key);
    if (other)
      notes.push(
        `ground truth: ${other.name} and ${name} are both for image ${key}; the latter is used`,
      );
    byKey.set(key, { key, name, bytes });
  }
  const form = names === ICDAR2015 ? 'gt_img_<number>.txt' : 'gt_<image>.txt';
  if (ignored > 0)
    notes.push(`ground truth: ${ignored} files are not named ${form} and are ignored`);
  return { files: byKey, names };
}

/** The result files by their keys; `extra` are those with other names or without ground truth. */
export function resultFiles(
  files: FileSet,
  groundTruth: ReadonlyMap<string, KeyedFile>,
  { result, resultForm }: FileNames,
): { files: Map<string, KeyedFile>; extra: { name: string; lacks: string }[] } {
  const byKey = new Map<string, KeyedFile>();
  const extra: { name: string; lacks: string }[] = [];
  for (const [name, bytes] of files) {
    const key = result.exec(name)?.[1];
    if (key === undefined)
      extra.push({ name, lacks: `a result file is named ${resultForm}, without folder` });
    else if (!groundTruth.has(key))
      extra.push({ name, lacks: `the ground truth has no ${name.replace(/^res_/, 'gt_')}` });
    else byKey.set(key, { key, name, bytes });
  }
  return { files: byKey, extra };
}

/** The form of the ground truth. */
export interface TruthForms {
  /** Whether all lines of all files have the script's name before the word (MLT). */
  readonly isMlt: boolean;
  /** Forms that were found. */
  readonly found: Set<string>;
}

const GROUND_TRUTH_LINES = { dropBom: true, dropCr: true, skipEmpty: true };
const MLT_LINE =
  /^(?:[^,]*,){8}(?:Arabic|Latin|Chinese|Japanese|Korean|Bangla|Hindi|Symbols|Mixed|None),/;

/** Whether all lines are MLT's; a single line may be ICDAR 2015's with a word such as `Latin,`. */
export function areMltLines(files: Iterable<KeyedFile>): boolean {
  const lines = [...files].flatMap(({ name, bytes }) => readLines(name, bytes, GROUND_TRUTH_LINES));
  return lines.length > 0 && lines.every(({ text }) => MLT_LINE.test(text));
}

/** ICDAR 2013: left, top, right, bottom and a word in quotes, between commas or spaces. */
const BOX_LINE =
  /^\s*(-?\d+)(?:\s*,\s*|\s+)(-?\d+)(?:\s*,\s*|\s+)(-?\d+)(?:\s*,\s*|\s+)(-?\d+)(?:\s*,\s*|\s+)(".*")\s*$/;

/** Parses a line of ICDAR 2013 or MLT; undefined for ICDAR 2015. */
function otherRegion(line: Line, { isMlt, found }: TruthForms): WordRegion | undefined {
  const place = placeOf(line);
  const box = BOX_LINE.exec(line.text);
  if (box) {
    found.add('ICDAR 2013 boxes');
    const [left, top, right, bottom] = box.slice(1, 5).map(Number);
    return {
      polygon: [
        [left, top],
        [right, top],
        [right, bottom],
        [left, bottom],
      ],
      word: withoutQuotes(box[5]),
      place,
    };
  }
  if (!isMlt) {
    found.add('ICDAR 2015 lines');
    return undefined;
  }
  found.add('MLT lines');
  const fields = line.text.split(',');
  const numbers = fields.slice(0, 8).map((field) => decimal(field, line));
  return { polygon: corners(numbers, line), word: fields.slice(9).join(','), place };
}

/** Ground truth of task 4.1: eight decimal numbers, then the word after the last comma. */
export function readDetectionGroundTruth(
  { name, bytes }: KeyedFile,
  forms: TruthForms,
): WordRegion[] {
  return readLines(name, bytes, GROUND_TRUTH_LINES).map((line) => {
    const other = otherRegion(line, forms);
    if (other) return other;
    const fields = line.text.split(',');
    if (fields.length < 8)
      refuse(line, `${fields.length} fields; eight coordinates and a word are needed`);
    const numbers = fields.slice(0, 8).map((field) => decimal(field, line));
    return {
      polygon: corners(numbers, line),
      word: withoutQuotes(fields[fields.length - 1]),
      place: placeOf(line),
    };
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

/** Results of task 4.4: eight integers, a comma, then the word. */
export function readWords({ name, bytes }: KeyedFile): WordRegion[] {
  return readLines(name, bytes, GROUND_TRUTH_LINES).map(wordRegion);
}

/** Ground truth of task 4.4, in the format of its results. */
export function readWordGroundTruth({ name, bytes }: KeyedFile, forms: TruthForms): WordRegion[] {
  return readLines(name, bytes, GROUND_TRUTH_LINES).map(
    (line) => otherRegion(line, forms) ?? wordRegion(line),
  );
}

function wordRegion(line: Line): WordRegion {
  const parts = EIGHT_INTEGERS_AND_WORD.exec(line.text);
  if (!parts)
    return refuse(line, `not "x1,y1,x2,y2,x3,y3,x4,y4,word" with integers: ${quoted(line.text)}`);
  const polygon = corners(
    parts.slice(1, 9).map((field) => integer(field, line)),
    line,
  );
  if (turn(polygon) > 0) refuse(line, 'its corners run anticlockwise; list them clockwise');
  return { polygon, word: withoutQuotes(parts[9]), place: placeOf(line) };
}

/**
 * The sum from which the official scripts derive the orientation: positive if the corners are
 * anticlockwise on the screen.
 */
export function turn(polygon: readonly Point[]): number {
  return polygon.reduce((sum, [x, y], i) => {
    const [nextX, nextY] = polygon[(i + 1) % polygon.length];
    return sum + (nextX - x) * (nextY + y);
  }, 0);
}

const QUOTED = /^[ \t\r\n\f\v]*"(.*)"[ \t\r\n\f\v]*$/s;

/** Removes enclosing double quotes from a word, and unescapes quotes and backslashes. */
function withoutQuotes(word: string): string {
  const inner = QUOTED.exec(word)?.[1];
  return inner === undefined ? word : inner.replaceAll('\\\\', '\\').replaceAll('\\"', '"');
}

/**
 * A word as it must be written to be read back unchanged: one that looks quoted is quoted again.
 */
export function withQuotes(word: string): string {
  return QUOTED.test(word) ? `"${word.replaceAll('"', '\\"').replaceAll('\\', '\\\\')}"` : word;
}
