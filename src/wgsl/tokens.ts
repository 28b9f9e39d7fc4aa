// WGSL as tokens. Whatever reads WGSL here (assembly, unrolling, struct layouts, the minifier of
// the build, the bounds check of the tests) reads these.

/** A word, a number or a symbol. Comments and white space are what lies between two tokens. */
export interface Token {
  readonly text: string;
  /** Index of its first character. */
  readonly at: number;
}

// Comments and spaces, or a token: longest first, as WGSL reads them. `$` belongs to words: see
// unroll.ts.
const pattern =
  /\/\/.*|\/\*[^]*?\*\/|\s+|([A-Za-z_$][\w$]*|(?:0[xX][\da-fA-F]+|\d*\.?\d+(?:[eE][+-]?\d+)?\.?)[iufh]?|<<=|>>=|->|[+\-*/%&|^<>=!]=|&&|\|\||\+\+|--|<<|>>|[^])/g;

export function* tokensOf(code: string): Generator<Token> {
  for (const { 1: text, index: at } of code.matchAll(pattern)) if (text) yield { text, at };
}
