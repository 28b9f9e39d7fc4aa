// Words in pictures: where a word stands beside its region, and letters as lines, since there may be
// no font. The letters are A. V. Hershey's "simplex roman" (glyphs.ts).
import type { Box, Point } from '../shapes/geometry.js';
import { GLYPHS } from './glyphs.js';

interface Size {
  readonly width: number;
  readonly height: number;
}

/** Where a word stands, in pixels from the image's top left corner. */
export interface WordPlace {
  /** The word's left end, or its right end if `anchor` is `end`. */
  readonly x: number;
  readonly baseline: number;
  readonly anchor: 'start' | 'end';
}

/** A letter of a word. */
export interface Letter {
  /** As in glyphs.ts. */
  readonly glyph: string;
  /** Pixels from the word's left end to the letter's. */
  readonly start: number;
  /** Pixels. */
  readonly width: number;
}

/** The font size in pixels for words in a picture. */
export function fontSizeOf({ width, height }: Size): number {
  return Math.max(10, Math.min(width, height) / 40);
}

/**
 * Places a word above its region if there is room, else below, else inside at the top. It begins
 * at the region's left side. If it would leave the image, it ends at the region's right side
 * instead, or moves as far to the right as it needs to begin in the image. The beginning of a word
 * that is wider than the image stays visible.
 * @param width the word's width in pixels
 */
export function placeWord(box: Box, image: Size, fontSize: number, width: number): WordPlace {
  const baseline = baselineOf(box, image.height, fontSize);
  const left = Math.max(0, box.left);
  const right = Math.max(Math.min(image.width, box.right), width);
  if (left + width <= image.width) return { x: left, baseline, anchor: 'start' };
  if (right <= image.width) return { x: right, baseline, anchor: 'end' };
  return { x: 0, baseline, anchor: 'start' };
}

function baselineOf({ top, bottom }: Box, height: number, fontSize: number): number {
  const gap = fontSize * 0.4;
  if (top - gap >= fontSize) return top - gap;
  return bottom + gap + fontSize <= height ? bottom + fontSize : Math.max(0, top) + fontSize;
}

// Units of the glyphs: capitals stand on 9 and are 21 high, 0.7 of the font size as in most fonts.
const BASELINE = 9;
const UNITS_PER_FONT_SIZE = 30;

/** How far glyphs go above and below the baseline, as parts of the font size. */
export const ASCENT = 25 / UNITS_PER_FONT_SIZE;
export const DESCENT = 7 / UNITS_PER_FONT_SIZE;

/** A word of so many letters is wider than most images; the model's own words are much shorter. */
const MOST_CHARACTERS = 1000;

/** Stands for all characters that the font lacks: a box as high as a capital. */
const UNKNOWN = 'I[LFXFX[L[LF';

/**
 * The letters of a word, and its width in pixels. Letters with accents lose them; other characters
 * that are not printable ASCII become boxes.
 * @param fontSize pixels
 */
export function lettersOf(text: string, fontSize: number): { width: number; letters: Letter[] } {
  let end = 0;
  // By grapheme clusters, so that what looks like one character becomes one letter or one box. More
  // than an image can show is left out, since segmentation takes quadratic time.
  const shown = text.slice(0, MOST_CHARACTERS);
  const letters = Array.from(new Intl.Segmenter().segment(shown), ({ segment }) => {
    const glyph = GLYPHS[segment.normalize('NFD').charCodeAt(0) - 32] ?? UNKNOWN;
    const start = end;
    const width = ((unitsAt(glyph, 1) - unitsAt(glyph, 0)) * fontSize) / UNITS_PER_FONT_SIZE;
    end += width;
    return { glyph, start, width };
  });
  return { width: end, letters };
}

/**
 * The lines of a letter, in pixels from the left end of its baseline, x to the right, y down.
 * @param fontSize pixels
 */
export function glyphLines(glyph: string, fontSize: number): Point[][] {
  const scale = fontSize / UNITS_PER_FONT_SIZE;
  const left = unitsAt(glyph, 0);
  const lines: Point[][] = [[]];
  for (let i = 2; i < glyph.length; i += 2) {
    if (glyph[i] === ' ') lines.push([]);
    else
      lines
        .at(-1)!
        .push([(unitsAt(glyph, i) - left) * scale, (unitsAt(glyph, i + 1) - BASELINE) * scale]);
  }
  return lines;
}

function unitsAt(glyph: string, index: number): number {
  return glyph.charCodeAt(index) - 82; // R is 0
}
