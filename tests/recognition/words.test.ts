import { expect, it } from 'vitest';
import { maxTokens, wordFields } from '../../src/recognition/plan.js';
import { readWords } from '../../src/recognition/words.js';

/**
 * A word's bytes as the decoder writes them: length, then token, probability and position of each.
 */
function packed(
  ...words: (readonly [token: number, probability: number, position: number])[][]
): ArrayBuffer {
  const whole = new Uint32Array(words.length * wordFields).fill(0xdeadbeef);
  const floats = new Float32Array(whole.buffer);
  words.forEach((readings, index) => {
    whole[index * wordFields] = readings.length;
    readings.forEach(([token, probability, position], at) => {
      const start = index * wordFields + 1 + 3 * at;
      [whole[start], floats[start + 1], whole[start + 2]] = [token, probability, position];
    });
  });
  return whole.buffer;
}

// 三, 二 and a pair of letters as one class; then EOS 3, PAD 4, UNK 5.
const vocabulary = ['三', '二', 'ij'];

it('ends words at EOS and leaves PAD and UNK out of text and score', () => {
  const [word, empty] = readWords(
    packed(
      [
        [1, 0.5, 7],
        [4, 0.9, 1],
        [2, 0.75, 8],
        [5, 0.9, 2],
        [3, 1, 0],
      ],
      [[3, 0.8, 0]],
    ),
    vocabulary,
  );
  expect(word.text).toBe('二ij');
  expect(word.score).toBeCloseTo(1.25 / (2 + 1e-6), 12);
  expect(word.characters).toEqual([
    { character: '二', probability: 0.5, position: 7 },
    { character: 'ij', probability: 0.75, position: 8 },
  ]);
  expect(empty).toEqual({ text: '', score: 0, characters: [] });
});

it('reads words without EOS to their end, and stops at it even if more follows', () => {
  const long = Array.from({ length: maxTokens }, (_, at) => [at % 2, 0.25, at] as const);
  const [full, stopped] = readWords(
    packed(long, [
      [0, 0.5, 0],
      [3, 0.5, 0],
      [1, 0.5, 0],
    ]),
    vocabulary,
  );
  expect(full.text).toBe('三二'.repeat(maxTokens / 2));
  expect(stopped.text).toBe('三');
});

it('reports that the decoder found no token', () => {
  expect(() => readWords(packed([]), vocabulary)).toThrow(
    'the recognition head gives NaN or infinity',
  );
});
