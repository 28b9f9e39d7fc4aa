// Reads Total-Text's ground truth in MATLAB form (`poly_gt_<name>.mat`), in the distributed text
// form (`poly_gt_<name>.txt`, wrapped arrays in Python's notation) and as lines (`<name>.txt`);
// also its results.
import { quoted } from '../../errors.js';
import type { Point } from '../../shapes/geometry.js';
import type { FileSet } from './files.js';
import type { KeyedFile, WordRegion } from './icdar.js';
import { type MatArray, readMatVariable } from './matlab.js';
import { corners, decimal, integer, placeOf, readLines, refuse } from './text.js';

export interface TotalTextRegion extends WordRegion {
  /** Marked as don't-care in the orientation column of the MATLAB form; DetEval uses this. */
  readonly isMarkedByOrientation: boolean;
  /** Marked as don't-care by its word: `#` in the MATLAB form, `###` in the text form. */
  readonly isMarkedByWord: boolean;
}

/** How results list their numbers; Total-Text's own formats list y first. */
export interface ResultRules {
  readonly yFirst: boolean;
  /** Whether a word follows the line's last comma. */
  readonly withWord: boolean;
}

/**
 * Where the image's name is in `poly_gt_<name>.mat`: DetEval's script and the end-to-end script
 * differ.
 */
type MatKey = 'after poly_gt_' | 'after the last underscore';

const MAT_PREFIX = 'poly_gt_';

/**
 * The ground-truth files by their images' names; for a text file, its name up to the first dot,
 * without `poly_gt_`.
 */
export function groundTruthFiles(files: FileSet, matKey: MatKey): Map<string, KeyedFile> {
  if (files.size === 0) refuse('ground truth', 'no files');
  return filesByKey('ground truth', files, (name) => {
    if (name.endsWith('.txt')) return textKey(name);
    if (!name.startsWith(MAT_PREFIX) || !name.endsWith('.mat')) return undefined;
    if (matKey === 'after poly_gt_') return name.slice(MAT_PREFIX.length, -'.mat'.length);
    return name.slice(name.lastIndexOf('_') + 1).split('.')[0];
  });
}

/** The result files by their names up to the first dot. */
export function resultFiles(files: FileSet): Map<string, KeyedFile> {
  return filesByKey('results', files, (name) =>
    name.endsWith('.txt') ? textKey(name) : undefined,
  );
}

function textKey(name: string): string {
  return name.split('.')[0].replace(new RegExp(`^${MAT_PREFIX}(?=.)`), '');
}

/** Both kinds may have the same names, so messages name the kind. */
function filesByKey(
  kind: 'ground truth' | 'results',
  files: FileSet,
  keyOf: (name: string) => string | undefined,
): Map<string, KeyedFile> {
  const byKey = new Map<string, KeyedFile>();
  for (const [fileName, bytes] of files) {
    const name = `${kind}: ${fileName}`;
    const forms =
      kind === 'results'
        ? '<image>.txt'
        : 'poly_gt_<image>.mat, poly_gt_<image>.txt or <image>.txt';
    const key = keyOf(fileName) ?? refuse(name, `a file's name here is ${forms}`);
    const other = byKey.get(key);
    if (other) refuse(name, `image ${key} has another file, ${other.name}`);
    byKey.set(key, { key, name, bytes });
  }
  return byKey;
}

/** All texts of an image, in any form; adds the form to `forms`. */
export function readGroundTruth(file: KeyedFile, forms: Set<string>): TotalTextRegion[] {
  if (file.name.endsWith('.mat')) return readMatGroundTruth(file, forms);
  const text = new TextDecoder().decode(file.bytes);
  if (/^\s*x:/.test(text)) {
    forms.add('Total-Text as text');
    return readDistributedText(file.name, text);
  }
  forms.add('lines of polygons');
  return readLinesGroundTruth(file);
}

const COLUMNS = 6;

/**
 * The variable `polygt` or, in a newer edition, `gt`; one row per text: a label, x, a label, y, the
 * word, the orientation.
 */
function readMatGroundTruth({ name, bytes }: KeyedFile, forms: Set<string>): TotalTextRegion[] {
  const { name: variable, value: table } = readMatVariable(name, bytes, 'polygt', 'gt');
  forms.add(`Total-Text as MATLAB ${variable}`);
  if (table.kind !== 'cells' || table.shape.length !== 2 || table.shape[1] !== COLUMNS) {
    return refuse(name, `${variable} is not a cell array of ${COLUMNS} columns`);
  }
  const rows = table.shape[0];
  return Array.from({ length: rows }, (_, row) => {
    const place = `${name}, row ${row + 1}`;
    const at = (column: number): MatArray => table.cells[column * rows + row];
    const xs = numbersOf(at(1), place);
    const ys = numbersOf(at(3), place);
    if (xs.length !== ys.length || xs.length === 0)
      refuse(place, `${xs.length} x and ${ys.length} y coordinates`);
    const word = textOf(at(4), place);
    return {
      polygon: xs.map((x, i): Point => [x, ys[i]]),
      word,
      place,
      isMarkedByOrientation: textOf(at(5), place) === '#',
      isMarkedByWord: word === '#',
    };
  });
}

function numbersOf(value: MatArray, place: string): readonly number[] {
  if (value.kind !== 'numbers') return refuse(place, 'coordinates that are not numbers');
  if (!value.values.every(Number.isFinite)) refuse(place, 'a coordinate is not a finite number');
  return value.values;
}

/** A text; an empty array of any class is an empty text. */
function textOf(value: MatArray, place: string): string {
  if (value.kind === 'text') return value.text;
  if (value.kind === 'numbers' && value.values.length === 0) return '';
  return refuse(place, 'a word or an orientation that is not a text');
}

const STRING = /[uUbB]?(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")/;
const ARRAY = String.raw`\[\[([^\]]*)\]\]`;
const STRINGS = String.raw`\[((?:\s*(?:,\s*)?${STRING.source.replaceAll(/\((?!\?)/g, '(?:')})*)\s*\]`;
/** One text; it may be wrapped over several lines between numbers. */
const RECORD = new RegExp(
  String.raw`\s*x:\s*${ARRAY}\s*,\s*y:\s*${ARRAY}\s*,\s*ornt:\s*${STRINGS}\s*,\s*transcriptions:\s*${STRINGS}`,
  'suy',
);

/**
 * `x: [[2 8 10]], y: [[10 8 12]], ornt: [u'c'], transcriptions: [u'OPEN']`; `#` for either marks
 * don't-care.
 */
function readDistributedText(name: string, text: string): TotalTextRegion[] {
  const regions: TotalTextRegion[] = [];
  const end = text.trimEnd().length;
  RECORD.lastIndex = 0;
  // Lines are counted from one text to the next: recounting from the start would be quadratic.
  let [number, counted] = [1, 0];
  for (let at = 0; at < end; at = RECORD.lastIndex) {
    const start = at + text.slice(at).search(/\S/);
    number += text.slice(counted, start).split('\n').length - 1;
    counted = start;
    const line = { file: name, number, text: '' };
    const match = RECORD.exec(text);
    if (!match) {
      const rest = quoted(text.slice(at).trim());
      return refuse(
        line,
        `not "x: [[…]], y: [[…]], ornt: [u'…'], transcriptions: [u'…']": ${rest}`,
      );
    }
    const [xs, ys] = [match[1], match[2]].map((numbers) =>
      numbers.split(/[\s,]+/).flatMap((field) => (field === '' ? [] : [decimal(field, line)])),
    );
    if (xs.length !== ys.length || xs.length === 0)
      refuse(line, `${xs.length} x and ${ys.length} y coordinates`);
    const orientation = stringsOf(match[3]).join(',');
    // A text without a transcription is illegible.
    const word = stringsOf(match[4]).join(',') || '#';
    regions.push({
      polygon: xs.map((x, i): Point => [x, ys[i]]),
      word,
      place: placeOf(line),
      isMarkedByOrientation: orientation === '#',
      isMarkedByWord: word === '#',
    });
  }
  return regions;
}

/** Strings in Python's notation. */
function stringsOf(list: string): string[] {
  return [...list.matchAll(new RegExp(STRING, 'gs'))].map(([, single, double]) =>
    (single ?? double).replace(
      /\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))/gs,
      (_, unicode?: string, byte?: string, other?: string) =>
        other ?? String.fromCharCode(parseInt(unicode ?? byte!, 16)),
    ),
  );
}

const WORD_MARK = ',####';
const DONT_CARE = '###';

/** Lines `x1,y1,…,xn,yn,####word`; the word `###` marks don't-care. */
function readLinesGroundTruth({ name, bytes }: KeyedFile): TotalTextRegion[] {
  return readLines(name, bytes, { dropBom: true, dropCr: true, skipEmpty: true }).map((line) => {
    const mark = line.text.indexOf(WORD_MARK);
    if (mark < 0) return refuse(line, `not "x1,y1,…,xn,yn,####word": ${quoted(line.text)}`);
    const fields = line.text.slice(0, mark).split(',');
    const numbers = fields.map((field) => decimal(field, line));
    const word = line.text.slice(mark + WORD_MARK.length);
    const isMarked = word === DONT_CARE;
    return {
      polygon: corners(numbers, line, { least: 3 }),
      word,
      place: placeOf(line),
      isMarkedByOrientation: isMarked,
      isMarkedByWord: isMarked,
    };
  });
}

/**
 * Detections of an image, one line of integers each. Line ends are LF or, without words, CR LF;
 * empty lines are not allowed.
 */
export function readResults(
  { name, bytes }: KeyedFile,
  { yFirst, withWord }: ResultRules,
): WordRegion[] {
  return readLines(name, bytes, {}).map((line) => {
    const fields = line.text.split(',');
    if (withWord && line.text.endsWith('\r')) refuse(line, 'ends with CR LF; write LF line ends');
    if (withWord && fields.length < 2)
      refuse(line, `not "y1,x1,…,yn,xn,word": ${quoted(line.text)}`);
    const word = withWord ? fields.pop()! : '';
    const numbers = fields.map((field) => integer(field, line));
    return { polygon: corners(numbers, line, { yFirst }), word, place: placeOf(line) };
  });
}
