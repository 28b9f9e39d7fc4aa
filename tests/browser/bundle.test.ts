// What a browser loads: dist/browser.js (`npm run build`).
import { readFileSync } from 'node:fs';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';

const bundle = new URL('../../dist/browser.js', import.meta.url);

describe('the browser bundle', () => {
  const bytes = readFileSync(bundle);

  // What a browser waits for, as servers send it.
  it('is at most 67.2 kB with gzip', () => {
    const [gzip, brotli] = [gzipSync(bytes, { level: 9 }).length, brotliCompressSync(bytes).length];
    console.log(`dist/browser.js: ${bytes.length} bytes, ${gzip} with gzip, ${brotli} with Brotli`);
    expect(gzip).toBeLessThanOrEqual(67_200);
  });

  it('keeps the notice of the letters', () => {
    expect(bytes.toString()).toContain('originally created by Dr. A. V. Hershey');
  });

  it('imports nothing and needs no Node', async () => {
    const { metafile } = await build({
      stdin: { contents: bytes.toString(), resolveDir: '/' },
      format: 'esm',
      write: false,
      metafile: true,
    });
    const [{ imports, exports }] = Object.values(metafile.outputs);
    expect(imports).toEqual([]);
    expect(exports).toEqual(
      expect.arrayContaining(['requestGpu', 'loadModel', 'loadWeights', 'imageFrom', 'PanppError']),
    );
    expect(bytes.toString()).not.toMatch(/\bprocess\.|\bBuffer\.|\brequire\(|node:/);
  });
});
