import { readFileSync } from 'node:fs';
import { globSync } from 'tinyglobby';
import { afterAll, describe, expect, it } from 'vitest';
import { requestGpu } from '../../src/gpu/context.js';
import { pipelineOf } from '../../src/gpu/dispatch.js';
import { shaderOf } from '../../src/wgsl/assemble.js';
import type { Source } from '../../src/wgsl/source.js';
import { minifyWgsl } from '../../src/wgsl/minify.js';
import { tokensOf } from '../../src/wgsl/tokens.js';
import { unrolled } from '../../src/wgsl/unroll.js';
import { nullAdapter } from '../support/null-adapter.js';

const paths = globSync('shaders/**/*.wgsl').sort();

/** Longest first, as WGSL reads them; by itself, not src/wgsl/tokens.ts. */
const token =
  /[A-Za-z_$][\w$]*|(?:0x[\da-fA-F.]+(?:p[+-]?\d+)?|\d*\.?\d+(?:[eE][+-]?\d+)?\.?)[iufh]?|<<=|>>=|->|[+\-*/%&|^<>=!]=|&&|\|\||\+\+|--|<<|>>|\S/g;

describe('tokens', () => {
  it('are words, numbers and symbols, without comments and spaces', () => {
    const code = 'let s$p_$c = a.x+0x1Fu*0x1.8p-32f /* what */ >>= -1.5e-3f; // why\n@binding(0)';
    const texts = [
      'let',
      's$p_$c',
      '=',
      'a',
      '.',
      'x',
      '+',
      '0x1Fu',
      '*',
      '0x1.8p-32f',
      '>>=',
      '-',
      '1.5e-3f',
      ';',
      '@',
      'binding',
      '(',
      '0',
      ')',
    ];
    expect(Array.from(tokensOf(code), ({ text }) => text)).toEqual(texts);
    for (const { text, at } of tokensOf(code)) expect(code.slice(at, at + text.length)).toBe(text);
  });
});

describe('WGSL made small', () => {
  it('drops comments and spaces that separate nothing', () => {
    expect(minifyWgsl('// what\nfn f(a : i32) -> i32 { /* why */\n  return a + 1;\n}\n')).toBe(
      'fn f(a:i32)->i32{return a+1;}',
    );
    expect(minifyWgsl('let a: vec2<f32> = b; c = - -d; e = f & &g; h = 1 . x;')).toBe(
      'let a:vec2<f32> =b;c=- -d;e=f& &g;h=1 .x;',
    );
  });

  it.each(paths)('keeps every token of %s', (path) => {
    const code = readFileSync(path, 'utf8');
    const tokens = code.replace(/\/\/.*/g, '').match(token)!;
    expect(tokens.length).toBeGreaterThan(20);
    expect(minifyWgsl(code).match(token)).toEqual(tokens);
    expect(minifyWgsl(code)).not.toMatch(/\/\/|\n/);
  });
});

describe('unrolled statements', () => {
  it('stand once for every number', () => {
    expect(unrolled('let a$p = f($pu); b();', { p: 2 })).toBe(
      'let a0 = f ( 0u ) ; let a1 = f ( 1u ) ; b();',
    );
  });

  it('stand for every combination, within their block, without comments', () => {
    const code = 'if (x) { // $p; $q\n s$p_$q = $q; }';
    expect(unrolled(code, { p: 2, q: 2 }).replace(/\/\/.*|\s/g, '')).toBe(
      'if(x){s0_0=0;s0_1=1;s1_0=0;s1_1=1;}',
    );
  });

  it('leave every line at its place', () => {
    const code = 'a();\nb($p, // one\n  $pu\n);\nc();\n';
    const lines = unrolled(code, { p: 3 }).split('\n');
    expect(lines).toHaveLength(code.split('\n').length);
    expect(lines[4]).toBe('c();');
    expect(lines[1]).toBe('b ( 0 , 0u ) ; b ( 1 , 1u ) ; b ( 2 , 2u ) ;');
  });
});

describe('a shader', () => {
  const common: Source = {
    name: 'common.wgsl',
    text: '// Shared.\nfn twice(x: f32) -> f32 {\n  return 2.0 * x;\n}\n',
  };
  const main: Source = {
    name: 'main.wgsl',
    text: [
      '// Comes first.',
      'enable subgroups;',
      'diagnostic(off, subgroup_uniformity);',
      '@group(0) @binding(0) var<storage, read_write> output: array<output4>;',
      '@compute @workgroup_size(1) fn main() {',
      '  let a$p = twice(f32($pu +',
      '    COUNT));',
      '  output[0] = output4(vec4f(a0, a1, FAULT, 0.0));',
      '}',
    ].join('\n'),
  };
  const counts = { p: 2 };

  it('has its directives first, then what a variant adds, then its files', () => {
    const { code } = shaderOf(main, common)({ types: { output: 'f16' }, constants: { COUNT: 3 } });
    expect(code.split('\n')[0]).toBe(
      'enable f16;enable subgroups;diagnostic(off, subgroup_uniformity);const COUNT=3u;alias output1=f16;alias output4=vec4<f16>;',
    );
    expect(code.match(/enable|diagnostic/g)).toHaveLength(3);
  });

  it('is made once a variant', () => {
    const shader = shaderOf(main, common);
    const types = { output: 'f32' } as const;
    expect(shader({ types, counts })).toBe(shader({ types, counts: { p: 2 } }));
    expect(shader({ types, counts })).not.toBe(shader({ types, counts: { p: 3 } }));
  });

  it('can be made for subgroups of one size, with the same lines', () => {
    const shader = shaderOf(main, common)({ types: { output: 'f32' }, constants: { COUNT: 1 } });
    const lines = shader.code.split('\n');
    const pinned = shader.pinned(8).split('\n');
    expect(pinned[0]).toBe(`enable subgroups;enable subgroup_size_control;${lines[0]}`);
    expect(pinned.slice(1)).toEqual(
      lines.slice(1).map((line) => line.replace('@compute', '@compute @subgroup_size(8)')),
    );
  });

  it('knows its width from a number or an override', () => {
    const withSize = (size: string) =>
      shaderOf({ name: 'main.wgsl', text: `@compute @workgroup_size(${size}) fn main() {}` })();
    expect(withSize('64').width()).toBe(64);
    expect(withSize('LANES, ROWS').width({ LANES: 16, ROWS: 4 })).toBe(16);
    expect(withSize('COUNT').width({ LANES: 16 })).toBeUndefined();
  });

  it('finds the place that a line comes from', () => {
    const shader = shaderOf(
      main,
      common,
    )({ counts, types: { output: 'f32' }, constants: { COUNT: 1 } });
    const lines = shader.code.split('\n');
    const placeOf = (text: string) =>
      shader.place(lines.findIndex((line) => line.includes(text)) + 1);
    expect(placeOf('FAULT')).toBe('main.wgsl:8');
    expect(placeOf('return 2.0')).toBe('common.wgsl:3');
    expect(placeOf('alias')).toBe('code added to main.wgsl');
  });

  describe('that does not compile', async () => {
    const gpu = await requestGpu({ adapter: await nullAdapter() });
    afterAll(() => gpu.dispose());
    const compiled = (fault: string, inCommon = '2.0 * x') => {
      const sources = [
        { ...main, text: main.text.replace('FAULT', fault) },
        { ...common, text: common.text.replace('2.0 * x', inCommon) },
      ];
      const shader = shaderOf(...sources)({
        counts,
        types: { output: 'f32' },
        constants: { COUNT: 1 },
      });
      return pipelineOf(gpu, { label: 'test', shader });
    };

    it('names file and line', async () => {
      await expect(compiled('twice(1.0)')).resolves.toBeDefined();
      const message = (line: string) =>
        expect.stringMatching(
          new RegExp(`^the shader of test does not compile: ${line}: `),
        ) as string;
      await expect(compiled('missing')).rejects.toMatchObject({
        code: 'shader',
        message: message('main\\.wgsl:8'),
      });
      await expect(compiled('1.0', 'y')).rejects.toMatchObject({
        code: 'shader',
        message: message('common\\.wgsl:3'),
      });
    });
  });
});
