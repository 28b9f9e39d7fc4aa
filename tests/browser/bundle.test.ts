// What a browser loads: dist/browser.js (`npm run build`).
import { readFileSync } from 'node:fs';
import { build } from 'esbuild';
import { globSync } from 'tinyglobby';
import { describe, expect, it } from 'vitest';
import { minifyWgsl } from '../../minify-wgsl.mjs';

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

  it.each(globSync('shaders/**/*.wgsl'))('keeps every token of %s', (path) => {
    const code = readFileSync(path, 'utf8');
    const tokens = code.replace(/\/\/.*/g, '').match(token)!;
    expect(tokens.length).toBeGreaterThan(20);
    expect(minifyWgsl(code).match(token)).toEqual(tokens);
  });
});
