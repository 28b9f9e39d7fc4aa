// The WGSL tokenizer. All code that reads WGSL uses it: assembly, unrolling, struct layouts, the
// build's minifier, the linter (scripts/wgsl-rules.ts), and the tests' bounds check.

/** A word, a number or a symbol. Comments and white space are not tokens. */
export interface Token {
  readonly text: string;
  /** Index of its first character. */
  readonly at: number;
}

// Comments and spaces, or a token; longer tokens first, as in WGSL. `$` is part of words: see
// unroll.ts.
const pattern =
  /\/\/.*|\/\*[^]*?\*\/|\s+|([A-Za-z_$][\w$]*|(?:0[xX][\da-fA-F]*\.?[\da-fA-F]+(?:\.?[pP][+-]?\d+)?|\d*\.?\d+(?:[eE][+-]?\d+)?\.?)[iufh]?|<<=|>>=|->|[+\-*/%&|^<>=!]=|&&|\|\||\+\+|--|<<|>>|[^])/g;

export function* tokensOf(code: string): Generator<Token> {
  for (const { 1: text, index: at } of code.matchAll(pattern)) if (text) yield { text, at };
}
