// Makes an imported .wgsl file a module with its name and text (`Source` in src/wgsl/assemble.ts).
// For esbuild; Vite uses `wgslModule`.
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

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
      const change = minify ? await loadMinifier() : (text) => text;
      onLoad({ filter: /\.wgsl$/ }, async ({ path }) => ({
        contents: wgslModule(path, change(await readFile(path, 'utf8'))),
        loader: 'js',
      }));
    },
  };
}

// The minifier shares the library's tokenizer, so it is TypeScript in src/ and bundled here first.
async function loadMinifier() {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('../src/wgsl/minify.ts', import.meta.url))],
    bundle: true,
    format: 'esm',
    write: false,
  });
  const { minifyWgsl } = await import(
    `data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`
  );
  return minifyWgsl;
}
