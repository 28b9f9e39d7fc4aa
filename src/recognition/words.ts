// Reads words from the decoder's output.
import { PanppError } from '../errors.js';
import { maxTokens, wordFields } from './plan.js';

/** One character of a word. */
export interface ReadCharacter {
  readonly character: string;
  /** Softmax of the decoder's logits. */
  readonly probability: number;
  /** Row-major index of the strongest attention among the region's 8 × 32 positions. */
  readonly position: number;
}

/** A recognised word. */
export interface Word {
  readonly text: string;
  /** Sum of the characters' probabilities / (number of characters + 1e-6). */
  readonly score: number;
  readonly characters: readonly ReadCharacter[];
}

/** Of a region that can't be read. */
export const unread: Word = { text: '', score: 0, characters: [] };

/**
 * Reads words from the bytes of a plan's `words`. Tokens after EOS, and PAD and UNK, are skipped.
 * @throws PanppError `weights` if the decoder chose no token, which only NaN or infinity can cause
 */
export function readWords(bytes: ArrayBuffer, vocabulary: readonly string[]): Word[] {
  const whole = new Uint32Array(bytes);
  const probabilities = new Float32Array(bytes);
  return Array.from({ length: whole.length / wordFields }, (_, index) => {
    const start = index * wordFields;
    if (whole[start] === 0)
      throw new PanppError(
        'weights',
        'the recognition head gives NaN or infinity: its weights are damaged, convert them again; or, with precision f16, values are too large for it, load the model with precision f32',
      );
    const characters: ReadCharacter[] = [];
    for (let at = start + 1; at < start + 1 + 3 * Math.min(whole[start], maxTokens); at += 3) {
      const token = whole[at];
      if (token === vocabulary.length) break;
      if (token > vocabulary.length) continue;
      characters.push({
        character: vocabulary[token],
        probability: probabilities[at + 1],
        position: whole[at + 2],
      });
    }
    return {
      text: characters.map(({ character }) => character).join(''),
      score:
        characters.reduce((sum, { probability }) => sum + probability, 0) /
        (characters.length + 1e-6),
      characters,
    };
  });
}
