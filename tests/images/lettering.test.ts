import { describe, expect, it } from 'vitest';
import {
  ASCENT,
  DESCENT,
  fontSizeOf,
  glyphLines,
  lettersOf,
  placeWord,
} from '../../src/images/lettering.js';

const ascii = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join('');
const glyphsOf = (text: string) => lettersOf(text, 10).letters.map(({ glyph }) => glyph);

describe('fontSizeOf', () => {
  it('is a fortieth of the shorter side, and at least 10', () => {
    expect(fontSizeOf({ width: 5000, height: 800 })).toBe(20);
    expect(fontSizeOf({ width: 300, height: 5000 })).toBe(10);
  });
});

describe('placeWord', () => {
  const image = { width: 200, height: 100 };
  const place = (left: number, top: number, right: number, bottom: number, width = 40) =>
    placeWord({ left, top, right, bottom }, image, 10, width);

  it('is above the region, else below, else inside', () => {
    expect(place(20, 14, 60, 30)).toEqual({ x: 20, baseline: 10, anchor: 'start' });
    expect(place(20, 13, 60, 86)).toEqual({ x: 20, baseline: 96, anchor: 'start' });
    expect(place(20, 13, 60, 87)).toEqual({ x: 20, baseline: 23, anchor: 'start' });
    expect(place(20, -30, 60, 140)).toEqual({ x: 20, baseline: 10, anchor: 'start' });
  });

  it('stays in the image at the left and the right', () => {
    expect(place(-7, 50, 30, 60)).toMatchObject({ x: 0, anchor: 'start' });
    expect(place(160, 50, 199, 60)).toMatchObject({ x: 160, anchor: 'start' });
    expect(place(161, 50, 199, 60)).toMatchObject({ x: 199, anchor: 'end' });
    expect(place(190, 50, 230, 60)).toMatchObject({ x: 200, anchor: 'end' });
  });

  it('moves a long word only as far as needed, and shows the beginning of one that is too long', () => {
    expect(place(50, 50, 90, 60, 180)).toMatchObject({ x: 180, anchor: 'end' });
    expect(place(50, 50, 90, 60, 200)).toMatchObject({ x: 200, anchor: 'end' });
    expect(place(50, 50, 90, 60, 201)).toMatchObject({ x: 0, anchor: 'start' });
  });
});

describe('lettersOf', () => {
  it('has a glyph for each printable ASCII character; only I and l look the same', () => {
    const glyphs = glyphsOf(ascii);
    expect(new Set(glyphs).size).toBe(94);
    expect(glyphsOf('I')).toEqual(glyphsOf('l'));
    expect(glyphs.filter((glyph) => glyph === glyphsOf('語')[0])).toEqual([]);
  });

  it('puts letters side by side', () => {
    // In units, 30 to the font size.
    const { width, letters } = lettersOf(' "i', 30);
    expect(letters.map(({ start, width }) => [start, width])).toEqual([
      [0, 16],
      [16, 16],
      [32, 8],
    ]);
    expect(width).toBe(40);
    expect(lettersOf('', 30)).toEqual({ width: 0, letters: [] });
  });

  it('takes accents off, written as one character or two', () => {
    expect(glyphsOf('Ünïcôdé')).toEqual(glyphsOf('Unicode'));
    expect(glyphsOf('e\u0301')).toEqual(glyphsOf('e'));
    expect(glyphsOf('ệ')).toEqual(glyphsOf('e'));
  });

  it('has one box for each character that it lacks', () => {
    const box = glyphsOf('語')[0];
    for (const text of [
      '한',
      '한'.normalize('NFD'),
      'я',
      'ß',
      '👨‍👩‍👧',
      '\t',
      '\r\n',
      '\u007f',
      '\ud800',
    ])
      expect(glyphsOf(`a${text}b`), JSON.stringify(text)).toEqual([
        ...glyphsOf('a'),
        box,
        ...glyphsOf('b'),
      ]);
  });
});

describe('glyphLines', () => {
  it('stand on the baseline', () => {
    const scaled = (text: string) =>
      glyphLines(glyphsOf(text)[0], 30).map((line) => line.map((point) => point.join(' ')));
    expect(scaled('H')).toEqual([
      ['4 -21', '4 0'],
      ['18 -21', '18 0'],
      ['4 -11', '18 -11'],
    ]);
    expect(scaled('語')).toEqual([['3 -21', '15 -21', '15 0', '3 0', '3 -21']]);
    expect(scaled(' ').flat()).toEqual([]);
  });

  it('keep within their width, ascent and descent, and need all of them', () => {
    const points = lettersOf(`${ascii}語`, 1).letters.flatMap(({ glyph, width }) =>
      glyphLines(glyph, 1)
        .flat()
        .map(([x, y]) => ({ left: x, right: width - x, y })),
    );
    const least = (values: number[]) => Math.min(...values);
    expect(least(points.map(({ left }) => left))).toBeCloseTo(0);
    expect(least(points.map(({ right }) => right))).toBeCloseTo(0);
    expect(least(points.map(({ y }) => y))).toBeCloseTo(-ASCENT);
    expect(least(points.map(({ y }) => -y))).toBeCloseTo(-DESCENT);
  });
});
