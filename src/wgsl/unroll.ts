// Statements written out, so that a shader's sums are variables by name: arrays that are indexed in
// a loop stay in memory with compilers that do not unroll it (SwiftShader's).
import { tokensOf } from './tokens.js';

/**
 * WGSL whose statements with a `$` and a letter stand once for every number from 0 up to that
 * letter's count, the number in the place of both: `let p$p = window(first + $pu);` with `{ p: 2 }`
 * is `let p0 = window(first + 0u); let p1 = window(first + 1u);`. A statement with several letters
 * stands for every combination, in the order of loops within loops. Every line keeps its number.
 */
export function unrolled(code: string, counts: Readonly<Record<string, number>>): string {
  let result = '';
  let copied = 0;
  let begin = -1;
  let statement = '';
  for (const { text, at } of tokensOf(code)) {
    if (begin < 0) begin = at;
    statement += statement && ' ';
    statement += text;
    if (!/[;{}]/.test(text)) continue;
    const end = at + text.length;
    if (text === ';' && statement.includes('$')) {
      const lines = code.slice(begin, end).split('\n').length - 1;
      result += code.slice(copied, begin) + repeated(statement, counts) + '\n'.repeat(lines);
      copied = end;
    }
    begin = -1;
    statement = '';
  }
  return result + code.slice(copied);
}

function repeated(statement: string, counts: Readonly<Record<string, number>>): string {
  // The last letter first.
  return Object.entries(counts).reduceRight((text, [letter, count]) => {
    const name = `$${letter}`;
    return text.includes(name)
      ? Array.from({ length: count }, (_, index) => text.replaceAll(name, String(index))).join(' ')
      : text;
  }, statement);
}
