// Importing a .wgsl file gives its name and its text (`Source` in src/wgsl/assemble.ts). For
// esbuild, and with it for Vite.
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** The module that a WGSL file is. */
export function wgslModule(path, text) {
  return `export default ${JSON.stringify({ name: basename(path), text })};`;
}

/**
 * @param {{ minify?: boolean }} options `minify`: without comments and needless spaces, so that
 * every line is the first one
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

// It reads WGSL by the same tokens as the library, so it is written beside it, in TypeScript.
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
