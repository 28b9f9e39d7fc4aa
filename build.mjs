// Bundles src/ into dist/: browser.js by itself for browsers; index.js, node.js and cli.js, which share chunks, for Node;
// formats.js and tuning.js, which share them too and run anywhere.
// WGSL is inlined as text, so that a browser needs no second request; for browsers with short names, without comments and needless spaces. Only that file
// has a source map, for the rest is readable as it is.
import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { chmod, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { globSync } from 'tinyglobby';
import { minifyWgsl, shortNames } from './minify-wgsl.mjs';

const shared = {
  bundle: true,
  format: 'esm',
  target: 'es2022',
  loader: { '.wgsl': 'text' },
  logLevel: 'warning',
};

const shaders = await Promise.all(globSync('shaders/**/*.wgsl').sort().map((path) => readFile(path, 'utf8')));
const names = shortNames(shaders);

// What most shaders' `main` begins with is there once.
const mainParameters = minifyWgsl(
  '@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32',
  names,
).trim();
const smallWgsl = {
  name: 'small-wgsl',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^main-parameters$/ }, ({ path }) => ({ path, namespace: 'wgsl' }));
    // `let`, for the text of a `const` would be put wherever it is used.
    onLoad({ filter: /.*/, namespace: 'wgsl' }, () => ({ contents: `export let mainParameters = ${JSON.stringify(mainParameters)}` }));
    onLoad({ filter: /\.wgsl$/ }, async ({ path }) => {
      const parts = minifyWgsl(await readFile(path, 'utf8'), names).split(mainParameters);
      const text = parts.map((part) => JSON.stringify(part)).join('+mainParameters+');
      return { contents: `import { mainParameters } from 'main-parameters'; export default ${text}`, loader: 'js' };
    });
  },
};

await rm('dist', { recursive: true, force: true });
await Promise.all([
  // No dependency is left outside.
  build({
    ...shared,
    entryPoints: ['src/index.ts'],
    outfile: 'dist/browser.js',
    platform: 'browser',
    minify: true,
    charset: 'utf8',
    sourcemap: 'external',
    plugins: [smallWgsl],
  }),
  build({
    ...shared,
    entryPoints: { index: 'src/index.ts', node: 'src/node.ts', formats: 'src/formats/index.ts', tuning: 'src/tuning/index.ts', cli: 'src/cli/main.ts' },
    outdir: 'dist',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
  }),
]);
await chmod('dist/cli.js', 0o755);

const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
execFileSync(process.execPath, [tsc, '-p', 'tsconfig.types.json'], { stdio: 'inherit' });
