// Options and results of reading: words, their characters, and their correction.
import type { Size } from '../images/size.js';
import type { ModelConfig } from '../network/config.js';
import type { NetworkWeights } from '../network/weights.js';
import { checkInteger } from '../options.js';
import type { Point } from '../shapes/geometry.js';
import { type CorrectionSettings, Lexicon, checkCorrection, correctWord } from './lexicon.js';
import { type DecodingPlan, greedy, maxBeam } from './plan.js';
import { type Roi, pointOfPosition } from './roi.js';
import type { RecognitionWeights } from './weights.js';
import type { Word } from './words.js';

/** How words are read. */
export interface ReadOptions {
  /** Number of beam-search hypotheses: 1 … 32; default: 1, which is greedy decoding. */
  readonly beam?: number;
  /** Return each word's characters with their probabilities and attention positions. */
  readonly characters?: boolean;
  /**
   * Read each region a second time, sampled from the image along its centreline so that the word
   * stands level, and keep the reading with the higher score; default: true. Without it, a region
   * is read once, in its axis-aligned box, as in the paper. A rectified word stands on a page with
   * others of the call, which may change its reading a little, as neighbours in an image do.
   */
  readonly rectify?: boolean;
}

/** A word that was read, and where its characters are. */
export interface LocatedWord {
  readonly word: Word;
  /** The point in the image, in its pixels, of one of the 8 × 32 positions. */
  readonly locate: (position: number) => Point;
}

/** One character of a text. */
export interface TextCharacter {
  /** An entry of the model's vocabulary. */
  readonly character: string;
  /** Softmax of the decoder's logits, 0 … 1. */
  readonly probability: number;
  /**
   * Point of the decoder's strongest attention, in image pixels; one of the 8 × 32 positions of the
   * reading that was kept.
   */
  readonly attention: Point;
}

/** The text read in a region. */
export interface TextReading {
  /** The word, corrected if requested; empty if the decoder found no characters. */
  readonly text: string;
  /** Mean probability of the characters before correction, 0 … 1. */
  readonly textScore: number;
  /** The characters before correction; only if requested. */
  readonly characters?: readonly TextCharacter[];
}

/** How words are corrected; default: no correction. */
export interface CorrectionOptions {
  /** Allowed words. */
  readonly lexicon?: Lexicon | readonly string[];
  /**
   * Thresholds of the correction rule; defaults: `defaultCorrection`. The rule applies if this or a
   * lexicon is given.
   */
  readonly correction?: Partial<CorrectionSettings>;
}

/** A model's recognition head. */
export interface RecognitionHead {
  readonly weights: RecognitionWeights;
  readonly vocabulary: readonly string[];
}

/** What a pass needs for reading text in any image. */
export interface ReadingSetup {
  readonly config: ModelConfig;
  readonly weights: NetworkWeights;
  readonly head: RecognitionHead;
  readonly decoding: DecodingPlan;
}

/** @throws PanppError `argument` for a beam out of range */
export function decodingOf({ beam = 1 }: ReadOptions): DecodingPlan {
  checkInteger('beam', beam, 1, maxBeam);
  return { ...greedy, beam };
}

/**
 * Checks the correction options and prepares the lexicon.
 * @throws PanppError `argument` for an invalid lexicon or invalid thresholds
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

/** Words read in their axis-aligned boxes. @param size of the resized image */
export function locatedWords(
  words: readonly Word[],
  rois: readonly Roi[],
  size: Size,
  original: Size,
): LocatedWord[] {
  return words.map((word, index) => ({
    word,
    locate: (position) => pointOfPosition(rois[index], position, size, original),
  }));
}

/** The reading with the highest score, the first of several. */
export function bestOf(first: LocatedWord, others: readonly LocatedWord[]): LocatedWord {
  return others.reduce((best, other) => (other.word.score > best.word.score ? other : best), first);
}

/** Converts a word to the public result, with its characters' positions in image pixels. */
export function readingOf(
  { word: { text, score, characters }, locate }: LocatedWord,
  options: ReadOptions,
): TextReading {
  if (!options.characters) return { text, textScore: score };
  const located = characters.map(({ character, probability, position }) => ({
    character,
    probability,
    attention: locate(position),
  }));
  return { text, textScore: score, characters: located };
}

/** Corrects words according to the options; dropped words are left out. */
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
