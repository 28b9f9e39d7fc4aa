// Minifies WGSL for the build. The tokens stay the same: comments are removed, and a space is kept
// only where two tokens would otherwise merge.
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
