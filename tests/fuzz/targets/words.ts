// Lexicons and the correction of words by them.
import fc from 'fast-check';
import { correctWord, parseLexicon } from '../../../src/recognition/lexicon.js';
import { damaged } from '../mutations.js';
import { target } from '../target.js';

const seeds = [
  'street\r\nbread\r\nopen\r\n',
  '\ufeffcafé\nnaïve\n\n  spaces  \n',
  'İstanbul\nstraße\nﬁ\n日本語\n👍🏽\n',
].map((text) => new TextEncoder().encode(text));

function readLexicon([bytes, text, score]: readonly [Uint8Array, string, number]): void {
  const lexicon = parseLexicon(bytes, 'a.txt');
  if (lexicon.words.some((word) => word.trim() === '')) throw new Error('an empty word was read');
  const word = correctWord(text, score, lexicon);
  if (word !== undefined && word !== text && !lexicon.words.includes(word))
    throw new Error(`${word} is not in the lexicon`);
}

export const wordTargets = [
  target({
    name: 'lexicon',
    inputs: fc.tuple(
      damaged(seeds),
      fc.string({ unit: 'grapheme' }),
      fc.double({ min: 0, max: 1, noNaN: true }),
    ),
    read: readLexicon,
    inSuite: 1000,
  }),
];
