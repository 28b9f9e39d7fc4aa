// WGSL in fewer bytes, the same tokens: no comments, and spaces only where two tokens would become one, or others. For the build.
import { tokensOf } from './tokens.js';

export function minifyWgsl(code: string): string {
  let result = '';
  let last = '';
  for (const { text } of tokensOf(code)) {
    const [first, ...more] = tokensOf(last + text);
    result += last && (first.text !== last || more.length !== 1) ? ` ${text}` : text;
    last = text;
  }
  return result;
}
