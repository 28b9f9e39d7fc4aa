// Corrects recognised words with the authors' rule and thresholds; a lexicon is optional.
// Source: spec, Recognition 6.
import { PanppError } from '../errors.js';
import { checkNumber, checkOptions, withoutUndefined } from '../options.js';

/** When a word is kept, dropped or looked up. A score is a word's mean probability, 0 … 1. */
export interface CorrectionSettings {
  /** Words with fewer characters are dropped. */
  readonly lengthThreshold: number;
  /** Words with a higher score are kept as they are. */
  readonly scoreThreshold: number;
  /** Words that are not all letters are kept if their score is higher, else dropped. */
  readonly nonAlphaScoreThreshold: number;
  /** Words with a lower score are dropped. */
  readonly ignoreScoreThreshold: number;
  /**
   * The nearest lexicon word replaces a word if their edit distance is below this; otherwise the
   * word is dropped.
   */
  readonly editDistanceThreshold: number;
}

/**
 * The authors' thresholds for ICDAR 2015 with ResNet-18; for ResNet-50 `ignoreScoreThreshold` is
 * 0.9.
 */
export const defaultCorrection: CorrectionSettings = {
  lengthThreshold: 3,
  scoreThreshold: 0.95,
  nonAlphaScoreThreshold: 0.9,
  ignoreScoreThreshold: 0.88,
  editDistanceThreshold: 2,
};

interface Entry {
  readonly word: string;
  /** Characters in lower case, for comparison. */
  readonly characters: readonly string[];
  /** Index in the lexicon. */
  readonly index: number;
}

interface Match extends Entry {
  readonly distance: number;
  /** Σ 1/(i + 1) over the positions i where it matches the recognised word. */
  readonly agreement: number;
}

/** Allowed words, in any script; comparison ignores case. */
export class Lexicon {
  /** The words as given. */
  readonly words: readonly string[];
  readonly #byLength = new Map<number, Entry[]>();

  /**
   * @throws PanppError `argument` if `words` is not a list of words; a single string is rejected
   * because it would be read as letters
   */
  constructor(words: Iterable<string>) {
    this.words =
      typeof words === 'object' && words !== null && Symbol.iterator in words
        ? [...words]
        : [undefined as never];
    if (!this.words.every((word) => typeof word === 'string'))
      throw new PanppError(
        'argument',
        'a lexicon is a list of words, for example an array of strings',
      );
    this.words.forEach((word, index) => {
      const characters = [...word.toLowerCase()];
      const entries = this.#byLength.get(characters.length) ?? [];
      entries.push({ word, characters, index });
      this.#byLength.set(characters.length, entries);
    });
  }

  /**
   * Finds the word with the smallest edit distance, if that is below `limit`. Ties go to the word
   * that matches `text` in more positions (early ones weigh more), then to the first in the
   * lexicon. Source: spec, Recognition 6.
   * @returns the word as written in the lexicon, and its edit distance
   */
  nearest(text: string, limit: number): { word: string; distance: number } | undefined {
    const wanted = [...text.toLowerCase()];
    let best: Match | undefined;
    // The edit distance between two words is at least the difference between their lengths.
    for (const [length, entries] of this.#byLength) {
      if (Math.abs(length - wanted.length) >= limit) continue;
      for (const entry of entries) {
        const distance = editDistance(wanted, entry.characters, best?.distance ?? limit);
        if (distance >= limit) continue;
        const match = { ...entry, distance, agreement: agreementOf(wanted, entry.characters) };
        if (!best || compareMatches(match, best) < 0) best = match;
      }
    }
    return best && { word: best.word, distance: best.distance };
  }
}

function compareMatches(a: Match, b: Match): number {
  return a.distance - b.distance || b.agreement - a.agreement || a.index - b.index;
}

/**
 * Reads a lexicon with one word per line. A byte order mark, CRLF, spaces around a word and empty
 * lines are ignored.
 * @param source name used in error messages
 * @throws PanppError `file` if it is not UTF-8 or contains no words
 */
export function parseLexicon(bytes: Uint8Array, source = 'lexicon'): Lexicon {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new PanppError('file', `${source} is not UTF-8 text; a lexicon has one word a line`, {
      cause,
    });
  }
  const words = text
    .split(/\r\n|\r|\n/)
    .map((line) => line.trim())
    .filter(Boolean);
  if (words.length === 0)
    throw new PanppError('file', `${source} holds no word; a lexicon has one word a line`);
  return new Lexicon(words);
}

/** @throws PanppError `argument` for a threshold that is unknown or not a number */
export function checkCorrection(settings: Partial<CorrectionSettings>): void {
  checkOptions('correction', settings, Object.keys(defaultCorrection));
  for (const [name, value] of Object.entries(settings))
    if (value !== undefined) checkNumber(name, value, 0, Infinity);
}

/**
 * Corrects a recognised word. Returns the word itself, a word of the lexicon, or undefined if the
 * word is dropped. Source: spec, Recognition 6.
 * @param score the word's mean probability, 0 … 1
 * @param settings thresholds; defaults: `defaultCorrection`
 * @throws PanppError `argument` for a threshold that is unknown or not a number
 */
export function correctWord(
  text: string,
  score: number,
  lexicon?: Lexicon,
  settings: Partial<CorrectionSettings> = {},
): string | undefined {
  checkCorrection(settings);
  const limits = { ...defaultCorrection, ...withoutUndefined(settings) };
  if ([...text].length < limits.lengthThreshold) return undefined;
  if (score > limits.scoreThreshold) return text;
  if (!/^\p{L}+$/u.test(text)) return score > limits.nonAlphaScoreThreshold ? text : undefined;
  if (score < limits.ignoreScoreThreshold) return undefined;
  return lexicon ? lexicon.nearest(text, limits.editDistanceThreshold)?.word : text;
}

/**
 * Levenshtein distance between two words: each insertion, deletion or substitution counts as one.
 * For a distance above `limit`, the result may be any number above `limit`.
 */
export function editDistance(a: readonly string[], b: readonly string[], limit = Infinity): number {
  const row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    let diagonal = row[0];
    let least = (row[0] = i);
    for (let j = 1; j <= b.length; j++) {
      const edits = Math.min(row[j] + 1, row[j - 1] + 1, diagonal + Number(a[i - 1] !== b[j - 1]));
      diagonal = row[j];
      row[j] = edits;
      least = Math.min(least, edits);
    }
    // The minimum of a row never decreases from row to row.
    if (least > limit) return least;
  }
  return row[b.length];
}

function agreementOf(a: readonly string[], b: readonly string[]): number {
  let sum = 0;
  for (let at = 0; at < Math.min(a.length, b.length); at++)
    if (a[at] === b[at]) sum += 1 / (at + 1);
  return sum;
}
