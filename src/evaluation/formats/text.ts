// Lines and numbers of ground-truth and result files. Each benchmark's script parses text files
// differently; the differences are options here, because they decide what is refused.
import { PanppError, quoted } from '../../errors.js';
import type { Point } from '../../shapes/geometry.js';

/** One line of a file; `number` counts from 1. */
export interface Line {
  readonly file: string;
  readonly number: number;
  readonly text: string;
}

export interface LineRules {
  /** Drops one leading byte order mark. If kept, it makes the first number unreadable. */
  readonly dropBom?: boolean;
  /** Removes every carriage return. If kept, one at the end of a line counts as a space. */
  readonly dropCr?: boolean;
  /** Skips empty lines; if false they are kept, except the one after the last newline. */
  readonly skipEmpty?: boolean;
}

export function placeOf(line: Line): string {
  return `${line.file}, line ${line.number}`;
}

/** Raises an `evaluation` error that names the file and, for a line, its number. */
export function refuse(where: Line | string, problem: string): never {
  throw new PanppError(
    'evaluation',
    `${typeof where === 'string' ? where : placeOf(where)}: ${problem}`,
  );
}

/**
 * The lines of a file, split at line feeds. Bytes that are not UTF-8 become replacement characters.
 */
export function readLines(file: string, bytes: Uint8Array, rules: LineRules): Line[] {
  let text = new TextDecoder('utf-8', { ignoreBOM: !rules.dropBom }).decode(bytes);
  if (rules.dropCr) text = text.replaceAll('\r', '');
  const lines = text.split('\n').map((line, i): Line => ({ file, number: i + 1, text: line }));
  if (lines[lines.length - 1].text === '') lines.pop();
  return rules.skipEmpty ? lines.filter((line) => line.text !== '') : lines;
}

// Only ASCII spaces: JavaScript's \s and trim() would also accept a byte order mark.
const INTEGER = /^[ \t\r\f\v]*([+-]?[0-9]+)[ \t\r\f\v]*$/;
const DECIMAL =
  /^[ \t\r\f\v]*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)[ \t\r\f\v]*$/;

/** An integer with an optional sign and spaces around it. */
export function integer(field: string, line: Line): number {
  const value = Number(INTEGER.exec(field)?.[1] ?? NaN);
  if (!Number.isSafeInteger(value)) refuse(line, `${quoted(field)} is not an integer coordinate`);
  return value;
}

/** A decimal number: a fraction, an exponent and surrounding spaces are allowed. */
export function decimal(field: string, line: Line): number {
  const value = Number(DECIMAL.exec(field)?.[1] ?? NaN);
  if (!Number.isFinite(value)) refuse(line, `${quoted(field)} is not a number`);
  return value;
}

/** Corners from numbers in the order x, y; `yFirst` for y, x. */
export function corners(
  numbers: readonly number[],
  line: Line,
  { yFirst = false, least = 1 } = {},
): Point[] {
  if (numbers.length % 2 !== 0)
    refuse(line, `${numbers.length} coordinates: an even count is needed, two a corner`);
  if (numbers.length < 2 * least)
    refuse(line, `${numbers.length} coordinates: ${2 * least} or more are needed`);
  const points: Point[] = [];
  for (let i = 0; i < numbers.length; i += 2) {
    points.push(yFirst ? [numbers[i + 1], numbers[i]] : [numbers[i], numbers[i + 1]]);
  }
  return points;
}
