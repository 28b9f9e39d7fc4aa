// Imports TypeScript into a script, for code that the library or the tests use too.
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/**
 * @param {string} path the module, relative to this folder
 * @returns its exports
 */
export async function importTs(path) {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(path, import.meta.url))],
    bundle: true,
    format: 'esm',
    write: false,
  });
  return import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);
}
