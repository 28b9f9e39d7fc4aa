import { describe, expect, it } from 'vitest';
import {
  Lexicon,
  correctWord,
  defaultCorrection,
  editDistance,
  parseLexicon,
} from '../../src/recognition/lexicon.js';

const bytes = (text: string) => new TextEncoder().encode(text);

describe('edit distance', () => {
  it.each([
    ['', '', 0],
    ['abc', '', 3],
    ['kitten', 'sitting', 3],
    ['flaw', 'lawn', 2],
    ['intention', 'execution', 5],
    ['same', 'same', 0],
    ['ab', 'ba', 2],
  ])('of %s and %s is %i', (a, b, distance) => {
    expect(editDistance([...a], [...b])).toBe(distance);
    expect(editDistance([...b], [...a])).toBe(distance);
  });

  it('stops above its limit', () => {
    expect(editDistance([...'intention'], [...'execution'], 2)).toBeGreaterThan(2);
    expect(editDistance([...'intention'], [...'execution'], 5)).toBe(5);
  });
});

describe('a lexicon file', () => {
  it('has one word a line, with a byte order mark, CRLF and empty lines or without', () => {
    expect(parseLexicon(bytes('\uFEFFCafé\r\nEXIT\r\n\r\n  Main St \n')).words).toEqual([
      'Café',
      'EXIT',
      'Main St',
    ]);
    expect(parseLexicon(bytes('一\n二')).words).toEqual(['一', '二']);
  });

  it('is refused in one line if it is not text or empty', () => {
    expect(() => parseLexicon(Uint8Array.of(0xff, 0xfe, 0x41, 0), 'words.txt')).toThrow(
      'words.txt is not UTF-8 text',
    );
    expect(() => parseLexicon(bytes('\uFEFF\r\n \n'), 'words.txt')).toThrow(
      'words.txt holds no word',
    );
  });
});

describe('the nearest word', () => {
  it('has the least edit distance, without regard to case', () => {
    const lexicon = new Lexicon(['HOUSE', 'MOUSE', 'Horse']);
    expect(lexicon.nearest('horsse', 2)).toEqual({ word: 'Horse', distance: 1 });
    expect(lexicon.nearest('MOUSE', 2)).toEqual({ word: 'MOUSE', distance: 0 });
    expect(lexicon.nearest('airport', 2)).toBeUndefined();
  });

  it('agrees in early places where distances are equal, and else comes first in the lexicon', () => {
    // Agreement with "cart": xart 1/2 + 1/3 + 1/4, carx 1 + 1/2 + 1/3, care the same.
    expect(new Lexicon(['xart', 'carx', 'care']).nearest('cart', 2)).toEqual({
      word: 'carx',
      distance: 1,
    });
    expect(new Lexicon(['care', 'carx', 'xart']).nearest('cart', 2)).toEqual({
      word: 'care',
      distance: 1,
    });
    expect(new Lexicon(['xcart', 'cartx']).nearest('cart', 2)).toEqual({
      word: 'cartx',
      distance: 1,
    });
  });

  it('is found among many as by looking at every one', () => {
    const letters = 'abcd';
    const word = (n: number) =>
      Array.from(
        { length: 2 + (n % 5) },
        (_, at) => letters[Math.floor((n * 7919) / 3 ** at) % 4],
      ).join('');
    const words = [...new Set(Array.from({ length: 300 }, (_, n) => word(n)))];
    const lexicon = new Lexicon(words);
    for (let n = 1000; n < 1060; n++) {
      const distances = words.map((other) => editDistance([...word(n)], [...other]));
      const least = Math.min(...distances);
      const found = lexicon.nearest(word(n), 3);
      if (least < 3) expect(found?.distance).toBe(least);
      else expect(found).toBeUndefined();
    }
  });
});

describe('the correction rule', () => {
  const lexicon = new Lexicon(['PARKING', 'EXIT', 'Straße']);

  // In the rule's order; each case is just over or just under one threshold.
  it.each([
    ['ab', 0.99, undefined],
    ['abc', 0.951, 'abc'],
    ['abcdef', 0.95, undefined],
    ['exit5', 0.91, 'exit5'],
    ['exit5', 0.9, undefined],
    ['exit', 0.88, 'EXIT'],
    ['exit', 0.879, undefined],
    ['parkinq', 0.9, 'PARKING'],
    ['barkinq', 0.9, undefined],
    ['strasse', 0.9, undefined],
    ['straße', 0.9, 'Straße'],
  ])('makes %s with score %f of ICDAR 2015’s thresholds %s', (text, score, expected) => {
    expect(correctWord(text, score, lexicon)).toBe(expected);
  });

  it('keeps words without a lexicon', () => {
    expect(correctWord('abcdef', 0.9)).toBe('abcdef');
    expect(correctWord('abcdef', 0.87)).toBeUndefined();
    expect(correctWord('地铁站', 0.9)).toBe('地铁站');
    expect(correctWord('地铁', 0.9)).toBeUndefined();
  });

  it('takes every threshold as a setting', () => {
    expect(correctWord('ab', 0.99, lexicon, { lengthThreshold: 2 })).toBe('ab');
    expect(correctWord('abcdef', 0.94, lexicon, { scoreThreshold: 0.9 })).toBe('abcdef');
    expect(correctWord('exit5', 0.85, lexicon, { nonAlphaScoreThreshold: 0.8 })).toBe('exit5');
    expect(correctWord('exit', 0.89, lexicon, { ignoreScoreThreshold: 0.9 })).toBeUndefined();
    expect(correctWord('barkinq', 0.9, lexicon, { editDistanceThreshold: 3 })).toBe('PARKING');
    expect(defaultCorrection).toEqual({
      lengthThreshold: 3,
      scoreThreshold: 0.95,
      nonAlphaScoreThreshold: 0.9,
      ignoreScoreThreshold: 0.88,
      editDistanceThreshold: 2,
    });
  });
});
