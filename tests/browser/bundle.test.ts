// What a browser loads: dist/browser.js (`npm run build`).
import { readFileSync } from 'node:fs';
import { build } from 'esbuild';
import { globSync } from 'tinyglobby';
import { describe, expect, it } from 'vitest';
import { minifyWgsl, shortNames } from '../../minify-wgsl.mjs';

const bundle = new URL('../../dist/browser.js', import.meta.url);

describe('the browser bundle', () => {
  const bytes = readFileSync(bundle);

  it('is at most 150 kB', () => {
    console.log(`dist/browser.js: ${bytes.length} bytes`);
    expect(bytes.length).toBeLessThanOrEqual(150_000);
  });

  it('imports nothing and needs no Node', async () => {
    const { metafile } = await build({
      ...{ stdin: { contents: bytes.toString(), resolveDir: '/' }, format: 'esm', write: false, metafile: true },
    });
    const [{ imports, exports }] = Object.values(metafile.outputs);
    expect(imports).toEqual([]);
    expect(exports).toEqual(expect.arrayContaining(['requestGpu', 'loadModel', 'loadWeights', 'imageFrom', 'PanppError']));
    expect(bytes.toString()).not.toMatch(/\bprocess\.|\bBuffer\.|\brequire\(|node:/);
  });
});

/** Longest first, as WGSL reads them. */
const token = /[A-Za-z_]\w*|(?:0x[\da-fA-F]+|\d*\.?\d+(?:[eE][+-]?\d+)?\.?)[iufh]?|<<=|>>=|->|[+\-*/%&|^<>=!]=|&&|\|\||\+\+|--|<<|\S/g;

describe('WGSL made small', () => {
  it('drops comments and spaces that separate nothing', () => {
    expect(minifyWgsl('// what\nfn f(a : i32) -> i32 { // why\n  return a + 1;\n}\n')).toBe('fn f(a:i32)-> i32{return a+1;}\n');
    expect(minifyWgsl('let a: vec2<f32> = b; c = - -d; e = f & &g;')).toBe('let a:vec2<f32> = b;c=- -d;e=f & &g;\n');
    expect(() => minifyWgsl('/* what */')).toThrow('block comments');
  });

  it('calls what shaders declare by short names, and nothing else', () => {
    const common = 'struct Sizes { width: u32 } fn shared(width: u32) -> u32 { return width; }';
    const main = 'override LANES: u32; fn own(value: f32) -> f32 { let s$p_$c = value; let bits = own(min(value, 32f)); return shared(sizes.width) + input4(LANES) + bits; }';
    const names = shortNames([common, main]);
    expect(Object.fromEntries(names)).toEqual({ value: 'aA', bits: 'aB', own: 'aC', Sizes: 'aD' });
    expect(minifyWgsl(main, names)).toBe(
      'override LANES:u32;fn aC(aA:f32)-> f32{let s$p_$c=aA;let aB=aC(min(aA,32f));return shared(sizes.width)+input4(LANES)+aB;}\n',
    );
    // Not what another shader uses as WGSL's own.
    expect([...shortNames(['fn f() { let distance = 1; }', 'fn g() -> f32 { return distance(a, b); }']).keys()]).toEqual([]);
  });

  const paths = globSync('shaders/**/*.wgsl');
  const names = shortNames(paths.map((path) => readFileSync(path, 'utf8')));

  it('gives every name one that no shader has', () => {
    expect(names.size).toBeGreaterThan(100);
    expect(new Set(names.values()).size).toBe(names.size);
    const words = new Set(paths.flatMap((path) => readFileSync(path, 'utf8').replace(/\/\/.*/g, '').match(/\w+/g)!));
    expect([...names.values()].filter((name) => words.has(name))).toEqual([]);
  });

  it.each(paths)('keeps every token of %s, by its name', (path) => {
    const code = readFileSync(path, 'utf8');
    const tokens = code.replace(/\/\/.*/g, '').match(token)!;
    expect(tokens.length).toBeGreaterThan(20);
    const longNames = new Map([...names].map(([long, short]) => [short, long]));
    expect(minifyWgsl(code, names).match(token)!.map((word) => longNames.get(word) ?? word)).toEqual(tokens);
    expect(minifyWgsl(code).match(token)).toEqual(tokens);
  });
});
