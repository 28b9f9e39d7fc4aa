// What `panpp/formats` is once it is built (`npm run build`).
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { image, read } from './example.js';

const entry = fileURLToPath(new URL('../../dist/formats.js', import.meta.url));

describe('panpp/formats', () => {
  it('runs anywhere: it imports nothing but its own files, and no Node', async () => {
    const { outputFiles, metafile } = await build({
      entryPoints: [entry],
      bundle: true,
      format: 'esm',
      write: false,
      metafile: true,
      platform: 'neutral',
    });
    expect(Object.values(metafile.outputs)[0].imports).toEqual([]);
    expect(outputFiles[0].text).not.toMatch(/\bprocess\.|\bBuffer\.|\brequire\(|node:|GPU/);
    expect(outputFiles[0].text.length).toBeLessThan(30_000);
  });

  it('is found by its name, and not part of the browser bundle', async () => {
    const name = 'panpp/formats';
    const formats = (await import(name)) as typeof import('../../src/formats/index.js');
    expect(Object.keys(formats).sort()).toEqual([
      'PanppError',
      'formatCocoText',
      'formatHocr',
      'formatLabelme',
      'formatSvg',
    ]);
    expect(formats.formatHocr(image, read)).toContain('>daily</span>');
    expect(readFileSync(new URL('../../dist/browser.js', import.meta.url), 'utf8')).not.toMatch(
      /ocrx_word|imgToAnns/,
    );
  });
});
