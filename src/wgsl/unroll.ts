// Unrolls statements, so that a shader's sums are named variables: compilers that do not unroll
// loops (SwiftShader's) keep arrays indexed in a loop in memory, not in registers.
import { tokensOf } from './tokens.js';

/**
 * Repeats every statement that contains `$` and a letter, once for each number from 0 to that
 * letter's count − 1. The number replaces `$` and the letter: `let p$p = window(first + $pu);` with
 * `{ p: 2 }` becomes `let p0 = window(first + 0u); let p1 = window(first + 1u);`. A statement with
 * several letters is repeated for every combination, in the order of nested loops. Line numbers do
 * not change.
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
  // The last letter is the innermost loop.
  return Object.entries(counts).reduceRight((text, [letter, count]) => {
    const name = `$${letter}`;
    return text.includes(name)
      ? Array.from({ length: count }, (_, index) => text.replaceAll(name, String(index))).join(' ')
      : text;
  }, statement);
}
