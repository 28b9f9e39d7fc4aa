// What is asked of the reader and what it gives: words, their characters, and their correction.
import { PanppError } from '../errors.js';
import type { ImageInput } from '../images/input.js';
import type { Point } from '../shapes/geometry.js';
import { type CorrectionSettings, Lexicon, checkCorrection, correctWord } from './lexicon.js';
import { type DecodingPlan, greedy, maxBeam } from './plan.js';
import { type Roi, pointOfPosition } from './roi.js';
import type { RecognitionWeights } from './weights.js';
import type { Word } from './words.js';

/** How words are read. */
export interface ReadOptions {
  /** Hypotheses that the search keeps: 1 … 32; 1, the default, is greedy decoding. */
  readonly beam?: number;
  /** Give each word's characters with their probabilities and where the decoder looked. */
  readonly characters?: boolean;
}

/** One character of a text. */
export interface TextCharacter {
  /** An entry of the model's vocabulary. */
  readonly character: string;
  /** Softmax of the decoder's logits, 0 … 1. */
  readonly probability: number;
  /**
   * Where the decoder's attention was largest, in pixels of the image; one of the region's 8 × 32
   * positions.
   */
  readonly attention: Point;
}

/** What was read in a region. */
export interface TextReading {
  /** The word, after correction if one was asked for; empty if the decoder ended at once. */
  readonly text: string;
  /** Mean probability of the characters as they were read, 0 … 1. */
  readonly textScore: number;
  /** As they were read, before any correction; only if asked for. */
  readonly characters?: readonly TextCharacter[];
}

/** How words are corrected; without any of this they stay as they were read. */
export interface CorrectionOptions {
  /** Words to choose from. */
  readonly lexicon?: Lexicon | readonly string[];
  /**
   * Thresholds of the rule, the authors' where left out; the rule applies if these or a lexicon are
   * given.
   */
  readonly correction?: Partial<CorrectionSettings>;
}

/** A model's recognition head. */
export interface RecognitionHead {
  readonly weights: RecognitionWeights;
  readonly vocabulary: readonly string[];
}

/** @throws PanppError `argument` for a beam out of range */
export function decodingOf({ beam = 1 }: ReadOptions): DecodingPlan {
  if (!Number.isInteger(beam) || beam < 1 || beam > maxBeam) {
    throw new PanppError(
      'argument',
      `beam is ${beam}; it must be a whole number from 1 to ${maxBeam}`,
    );
  }
  return { ...greedy, beam };
}

/**
 * What to correct by, checked. @throws PanppError `argument` for a lexicon or thresholds that are
 * none
 */
export function correctionOf({ lexicon, correction }: CorrectionOptions): {
  lexicon: Lexicon | undefined;
  correction: Partial<CorrectionSettings> | undefined;
} {
  if (correction !== undefined) checkCorrection(correction);
  return {
    lexicon: lexicon === undefined || lexicon instanceof Lexicon ? lexicon : new Lexicon(lexicon),
    correction,
  };
}

/** A word as it is given to the caller, its characters placed in the image. */
export function readingOf(
  { text, score, characters }: Word,
  roi: Roi,
  { size, original }: ImageInput,
  options: ReadOptions,
): TextReading {
  if (!options.characters) return { text, textScore: score };
  const located = characters.map(({ character, probability, position }) => ({
    character,
    probability,
    attention: pointOfPosition(roi, position, size, original),
  }));
  return { text, textScore: score, characters: located };
}

/** Corrects words as the options ask; those that the rule drops are left out. */
export function correctAll<T extends TextReading>(
  readings: readonly T[],
  { lexicon, correction }: ReturnType<typeof correctionOf>,
): T[] {
  if (!lexicon && !correction) return [...readings];
  return readings.flatMap((reading) => {
    const text = correctWord(reading.text, reading.textScore, lexicon, correction);
    return text === undefined ? [] : [{ ...reading, text }];
  });
}
