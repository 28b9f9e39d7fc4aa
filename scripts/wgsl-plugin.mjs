// Makes an imported .wgsl file a module with its name and text (`Source` in src/wgsl/assemble.ts).
// For esbuild; Vite uses `wgslModule`.
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { importTs } from './import-ts.mjs';

/** The JavaScript module for a WGSL file. */
export function wgslModule(path, text) {
  return `export default ${JSON.stringify({ name: basename(path), text })};`;
}

/**
 * @param {{ minify?: boolean }} options `minify`: removes comments and needless spaces, so that
 * each file becomes one line
 */
export function wgslPlugin({ minify = false } = {}) {
  return {
    name: 'wgsl',
    async setup({ onLoad }) {
      // The minifier uses the library's tokenizer, which is TypeScript.
      const { minifyWgsl } = await importTs('../src/wgsl/minify.ts');
      const change = minify ? minifyWgsl : (text) => text;
      onLoad({ filter: /\.wgsl$/ }, async ({ path }) => ({
        contents: wgslModule(path, change(await readFile(path, 'utf8'))),
        loader: 'js',
      }));
    },
  };
}
