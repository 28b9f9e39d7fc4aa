// Bundles src/ into dist/: browser.js for browsers, self-contained; index.js, node.js and cli.js
// for Node; formats.js and tuning.js, which run anywhere. All except browser.js share chunks.
// WGSL is inlined as text, so that a browser needs no second request; in browser.js it is minified.
// Only browser.js has a source map, because the other files are not minified.
import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { chmod, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { globSync } from 'tinyglobby';
import { wgslPlugin } from './scripts/wgsl-plugin.mjs';

const shared = {
  bundle: true,
  format: 'esm',
  target: 'es2022',
  logLevel: 'warning',
};

// All WGSL is placed together at the beginning, because shaders resemble one another and
// compressors look back only a limited distance.
const shaders = globSync('shaders/**/*.wgsl').sort(
  (a, b) => a.split('/').length - b.split('/').length || (a < b ? 1 : -1),
);
const browser = [
  ...shaders.map((path) => `import './${path}';`),
  "export * from './src/index.ts';",
].join('\n');

await rm('dist', { recursive: true, force: true });
await Promise.all([
  // Every dependency is bundled.
  build({
    ...shared,
    stdin: { contents: browser, resolveDir: '.', sourcefile: 'browser.js' },
    outfile: 'dist/browser.js',
    platform: 'browser',
    minify: true,
    charset: 'utf8',
    sourcemap: 'external',
    plugins: [wgslPlugin({ minify: true })],
  }),
  build({
    ...shared,
    entryPoints: {
      index: 'src/index.ts',
      node: 'src/node.ts',
      formats: 'src/formats/index.ts',
      tuning: 'src/tuning/index.ts',
      cli: 'src/cli/main.ts',
    },
    outdir: 'dist',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    plugins: [wgslPlugin()],
  }),
]);
await chmod('dist/cli.js', 0o755);

const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
execFileSync(process.execPath, [tsc, '-p', 'tsconfig.types.json'], { stdio: 'inherit' });
