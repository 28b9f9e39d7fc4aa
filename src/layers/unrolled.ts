// Statements written out, so that a shader's sums are variables by name: arrays that are indexed in a loop stay in memory with compilers
// that do not unroll it (SwiftShader's).

/**
 * WGSL whose statements with a `$` and a letter stand once for every number from 0 up to that letter's count, the number in the place of both:
 * `let p$p = window(first + $pu);` with `{ p: 2 }` is `let p0 = window(first + 0u); let p1 = window(first + 1u);`. A statement with several
 * letters stands for every combination.
 */
export function unrolled(code: string, counts: Readonly<Record<string, number>>): string {
  const withoutComments = code.replace(/\/\/.*/g, '');
  return withoutComments.replace(/[^;{}]*\$[^;{}]*;/g, (statement) =>
    // The last letter first: combinations come in the order of loops within loops.
    Object.entries(counts).reduceRight((text, [letter, count]) => repeated(text, `$${letter}`, count), statement),
  );
}

function repeated(text: string, name: string, count: number): string {
  return text.includes(name) ? Array.from({ length: count }, (_, index) => text.replaceAll(name, String(index))).join('') : text;
}
