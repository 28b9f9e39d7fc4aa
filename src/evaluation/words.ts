// How words are compared in ICDAR 2015's task 4.4 and in Total-Text end to end.
import { PanppError } from '../errors.js';
import { refuse } from './formats/text.js';
import type { Protocol } from './types.js';

/** Whether a protocol compares words, so that its results must be read. */
export function comparesWords(protocol: Protocol): boolean {
  return ['icdar2015-e2e', 'icdar2015-spotting', 'totaltext-e2e'].includes(protocol);
}

/** @throws PanppError `argument` if a protocol has no use for an option about words */
export function assertComparesWords(option: string, protocol: Protocol): void {
  if (!comparesWords(protocol))
    throw new PanppError(
      'argument',
      `${protocol} does not compare words, so ${option} can't be used with it`,
    );
}

/** Whether a detected word is correct. `place` locates the ground truth, for messages. */
export type IsCorrect = (gtWord: string, detWord: string, place: string) => boolean;

const SPECIAL = '!?.:,*"()·[]/\'';

/**
 * End to end: equal after upper-casing, also without one special character at either end of the
 * ground truth.
 * @throws PanppError `evaluation` for an empty ground-truth word paired with a detected word, which
 * the official script can't compare.
 */
export const isCorrectEndToEnd: IsCorrect = (gtWord, detWord, place) => {
  const gt = upperCaseOneToOne(gtWord);
  const det = upperCaseOneToOne(detWord);
  if (gt === det) return true;
  if (gt === '')
    return refuse(place, 'an empty word, which the official script fails to compare; mark it ###');
  const startsSpecial = SPECIAL.includes(gt[0]);
  const endsSpecial = SPECIAL.includes(gt[gt.length - 1]);
  return (
    (startsSpecial && gt.slice(1) === det) ||
    (endsSpecial && gt.slice(0, -1) === det) ||
    (startsSpecial && endsSpecial && gt.slice(1, -1) === det)
  );
};

/** Word spotting: equal after upper-casing. */
export const isCorrectSpotting: IsCorrect = (gtWord, detWord) =>
  gtWord.toUpperCase() === detWord.toUpperCase();

/** Upper case where that is one character, as in Python 2: ß stays ß. */
function upperCaseOneToOne(word: string): string {
  return Array.from(word, (character) => {
    const upper = character.toUpperCase();
    return Array.from(upper).length === 1 ? upper : character;
  }).join('');
}

const LEAST_SPOTTING_LENGTH = 3;
// Letters allowed in a spotted word, and the hyphen; the ranges include × ÷ and U+0387, which are
// not letters.
const SPOTTING_LETTERS = /^[a-zA-Z\u00C0-\u01BF\u01C4-\u027F\u0386-\u03FF-]*$/;
const SPOTTING_SIGNS = /[\u00D7\u00F7\u0387]/;

/** The word to be spotted in a ground-truth word; undefined for don't-care. */
export function spottingWord(word: string): string | undefined {
  let rest = word.replace(/'[sS]$/, '').replace(/^-+|(?<!-)-+$/g, '');
  for (const special of SPECIAL) rest = rest.replaceAll(special, ' ');
  rest = rest.trim();
  const isWord =
    rest.length >= LEAST_SPOTTING_LENGTH &&
    SPOTTING_LETTERS.test(rest) &&
    !SPOTTING_SIGNS.test(rest);
  return isWord ? rest : undefined;
}
