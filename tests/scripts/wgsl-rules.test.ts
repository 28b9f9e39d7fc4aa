import { readFileSync } from 'node:fs';
import { globSync } from 'tinyglobby';
import { describe, expect, it } from 'vitest';
import { wgslProblems } from '../../scripts/wgsl-rules.js';

const problemsOf = (...texts: string[]) =>
  wgslProblems(texts.map((text, index) => ({ path: `${index + 1}.wgsl`, text })));
const inMain = (body: string) => `fn main() { ${body} }`;

describe('the rules for WGSL', () => {
  it.each([
    ['a line of 101 columns', `fn main() {}\n// ${'×'.repeat(98)}`, '2: 101 columns; at most 100'],
    [
      'a function’s name',
      'fn main() { do_it(); }\nfn do_it() {}',
      '2: function do_it is not lowerCamelCase',
    ],
    [
      'a parameter’s name',
      'fn main() { f(1u); } fn f(The: u32) { g(The); }',
      '1: parameter The is not lowerCamelCase',
    ],
    [
      'a variable’s name',
      inMain('let at_x = 1u; g(at_x);'),
      '1: variable at_x is not lowerCamelCase',
    ],
    [
      'the name of a variable in workgroup memory',
      `var<workgroup> Sums: array<vec2<f32>, 4>; ${inMain('g(Sums[0]);')}`,
      '1: variable Sums is not lowerCamelCase',
    ],
    [
      'a member’s name',
      `struct S { at: u32,\n inX: u32, in_y: u32 } ${inMain('g(S());')}`,
      '2: member in_y is not lowerCamelCase',
    ],
    [
      'a struct’s name',
      `struct sizes { at: u32 } ${inMain('g(sizes());')}`,
      '1: struct sizes is not UpperCamelCase',
    ],
    [
      'an alias’s name',
      `alias value = f32; ${inMain('g(value());')}`,
      '1: alias value is not UpperCamelCase',
    ],
    [
      'a constant’s name',
      `const mean = 1.0; ${inMain('g(mean);')}`,
      '1: constant mean is not UPPER_SNAKE_CASE',
    ],
    [
      'an override’s name',
      `override Lanes: u32; ${inMain('g(Lanes);')}`,
      '1: override Lanes is not UPPER_SNAKE_CASE',
    ],
    ['a function that is not used', 'fn main() {} fn f() {}', '1: function f is not used'],
    [
      'a parameter that is not used',
      'fn main() { f(1u); } fn f(x: u32) { g(v.x); }',
      '1: parameter x is not used',
    ],
    [
      'a variable that is not used',
      `${inMain('let x = 1u;')} fn other(x: u32) { other(x); }`,
      '1: variable x is not used',
    ],
    [
      'an unrolled variable that is not used',
      inMain('let p$i = 1u; let q$i_$j = p0; g(q$i);'),
      '1: variable q$i_$j is not used',
    ],
    [
      'a binding that is not used',
      '@group(0) @binding(0) var<storage, read_write> output: array<u32>; fn main() {}',
      '1: variable output is not used',
    ],
  ])('report %s', (_, text, problem) => {
    expect(problemsOf(text)).toEqual([`1.wgsl:${problem}`]);
  });

  it('accept names that are used in other files, after unrolling, or are marked as not used', () => {
    expect(
      problemsOf(
        'override TILE_SIZE: u32; fn place(x: u32, _lane: u32) -> u32 { return x * TILE_SIZE; }',
        `// ${'x'.repeat(97)}\n${inMain('const twice = 2u; let w$r_$c = place($ru, twice); g(w0_$c, w1_$c);')}`,
      ),
    ).toEqual([]);
  });

  it('hold for all shaders', () => {
    const files = globSync('shaders/**/*.wgsl').map((path) => ({
      path,
      text: readFileSync(path, 'utf8'),
    }));
    expect(files.length).toBeGreaterThan(30);
    expect(wgslProblems(files)).toEqual([]);
  });
});
