import { describe, expect, it } from 'vitest';
import { isCorrectEndToEnd, isCorrectSpotting, spottingWord } from '../../src/evaluation/words.js';

describe('end to end', () => {
  const isCorrect = (gt: string, det: string): boolean =>
    isCorrectEndToEnd(gt, det, 'gt.txt, line 1');

  it('ignores case and one special character at either end of the ground truth', () => {
    expect(isCorrect('Word', 'wORD')).toBe(true);
    expect(isCorrect('"word"', 'word')).toBe(true);
    expect(isCorrect('"word"', 'word"')).toBe(true);
    expect(isCorrect('"word"', '"word')).toBe(true);
    expect(isCorrect('word!', 'word')).toBe(true);
    expect(isCorrect('·word', 'WORD')).toBe(true);
    expect(isCorrect('word!!', 'word')).toBe(false);
    expect(isCorrect('word!!', 'word!')).toBe(true);
    expect(isCorrect('word', 'word!')).toBe(false);
    expect(isCorrect('word$', 'word')).toBe(false);
    expect(isCorrect('wo.rd', 'word')).toBe(false);
    expect(isCorrect('!', '')).toBe(true);
  });

  it('upper-cases one character to one', () => {
    expect(isCorrect('straße', 'STRASSE')).toBe(false);
    expect(isCorrect('straße', 'STRAßE')).toBe(true);
    expect(isCorrect('é', 'É')).toBe(true);
  });

  it('takes an empty word for an empty word only', () => {
    expect(isCorrect('', '')).toBe(true);
    expect(() => isCorrect('', 'a')).toThrow(/^gt\.txt, line 1: an empty word/);
  });
});

describe('word spotting', () => {
  it('upper-cases fully', () => {
    expect(isCorrectSpotting('straße', 'STRASSE', '')).toBe(true);
    expect(isCorrectSpotting('word!', 'word', '')).toBe(false);
  });

  it.each([
    ['Joe’s', undefined], // not the apostrophe that is meant
    ["Joe's", 'Joe'],
    ["JOE'S", 'JOE'],
    ['--Word-', 'Word'],
    ['(word)', 'word'],
    ['well-known', 'well-known'],
    ['two.words', undefined],
    ['at', undefined],
    ["at's", undefined],
    ['', undefined],
    ['---', undefined],
    ['abc1', undefined],
    ['US$', undefined],
    ['Ünü', 'Ünü'],
    ['a×b', undefined],
    ['a÷b', undefined],
    ['Αθήνα', 'Αθήνα'],
    ['a\u0387b', undefined],
    ['字字字', undefined],
    ['-!abc!-', 'abc'],
  ])('%s → %s', (word, expected) => expect(spottingWord(word)).toBe(expected));
});
