// What can't be read as text or written as JSON is refused for its true reason.
import { expect, it } from 'vitest';
import { jsonOf, textOf } from '../../src/cli/json.js';

it('text in another encoding, or too long for a string, is refused', () => {
  expect(() => textOf(new Uint8Array([0xe9]), 'a.txt')).toThrow(/^a\.txt: not UTF-8 text$/);
  const long = new Uint8Array(2 ** 29).fill(97);
  expect(() => textOf(long, 'a.txt')).toThrow(/^a\.txt: too long for a text \(536870912 bytes\)$/);
});

it('values that are nested too deeply, or whose text is too long, are refused', () => {
  let nested: unknown[] = [];
  for (let depth = 0; depth < 1e5; depth++) nested = [nested];
  expect(() => jsonOf(nested)).toThrow('the results are nested too deeply');
  const long = 'x'.repeat(2 ** 28);
  expect(() => jsonOf([long, long])).toThrow('the results are too long for one JSON text');
});
