// Bundles src/ into dist/: browser.js for browsers, self-contained; index.js, node.js and cli.js
// for Node; formats.js and tuning.js, which run anywhere. All except browser.js share chunks.
// Packages with native code stay outside, so that a project for browsers does not install them.
// The others are bundled, with their licences beside them.
// WGSL is inlined as text, so that a browser needs no second request; in browser.js it is minified.
// Only browser.js has a source map, because our other files are not minified.
import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, relative } from 'node:path';
import { globSync } from 'tinyglobby';
import { wgslPlugin } from './wgsl-plugin.mjs';

const shared = {
  bundle: true,
  format: 'esm',
  target: 'es2022',
  logLevel: 'warning',
};

// All WGSL is placed together at the beginning: shaders are similar, and compressors look back only
// a limited distance.
const shaders = globSync('shaders/**/*.wgsl').sort(
  (a, b) => a.split('/').length - b.split('/').length || (a < b ? 1 : -1),
);
const browser = [
  ...shaders.map((path) => `import './${path}';`),
  "export * from './src/index.ts';",
].join('\n');

/** Optional peer dependencies: they have native code. */
const peers = ['webgpu', 'sharp', '@sparticuz/chromium'];

/**
 * CommonJS packages of the command line, by the names of their files. Bundled into ES modules they
 * could not require Node's own modules, so each becomes a file of its own.
 */
const commonJs = {
  'cli-progress': 'cli-progress',
  commander: 'commander',
  fastify: 'fastify',
  'fastify-multipart': '@fastify/multipart',
  'fastify-swagger': '@fastify/swagger',
  negotiator: 'negotiator',
  'prom-client': 'prom-client',
};

/** Imports of those packages become imports of their files in dist/. */
const vendored = {
  name: 'vendored',
  setup({ onResolve }) {
    const external = (path) => () => ({ path, external: true });
    for (const [file, name] of Object.entries(commonJs))
      onResolve({ filter: new RegExp(`^${name}$`) }, external(`./${file}.cjs`));
    for (const [file, { names }] of Object.entries(asModules))
      onResolve({ filter: new RegExp(`^(${names.join('|')})$`) }, external(`./${file}.js`));
  },
};

/**
 * Packages that become ES modules with a `require` of their own, by the names of their files: pngjs
 * is part of `panpp/node`, which programs bundle, and the packages of the queue share code.
 */
const asModules = {
  pngjs: { names: ['pngjs'], contents: "export { PNG } from 'pngjs';" },
  bullmq: {
    names: ['bullmq', 'ioredis'],
    contents: [
      "export { Queue, UnrecoverableError, WaitingError, Worker } from 'bullmq';",
      "export { Redis } from 'ioredis';",
    ].join('\n'),
  },
};

/** Drivers of other databases, and a faster decoder: the queue works without them. */
const otherDrivers = ['pg', 'redis', 'bullmq-otel', 'msgpackr-extract'];

const moduleOf = ([file, { contents }]) =>
  build({
    ...shared,
    stdin: { contents, resolveDir: '.' },
    outfile: `dist/${file}.js`,
    platform: 'node',
    target: 'node20',
    external: otherDrivers,
    minify: true,
    banner: {
      // Bundled as CommonJS by a program, there is no `import.meta.url`.
      js: [
        "import { createRequire } from 'node:module';",
        'const require = createRequire(import.meta.url ?? __filename);',
      ].join('\n'),
    },
    metafile: true,
  });

await rm('dist', { recursive: true, force: true });
const built = await Promise.all([
  build({
    ...shared,
    entryPoints: commonJs,
    outdir: 'dist',
    outExtension: { '.js': '.cjs' },
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    // They are not ours to read.
    minify: true,
    metafile: true,
  }),
  ...Object.entries(asModules).map(moduleOf),
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
    external: peers,
    splitting: true,
    // Beside the files that they import.
    chunkNames: '[name]-[hash]',
    plugins: [wgslPlugin(), vendored],
    metafile: true,
  }),
]);
await chmod('dist/cli.js', 0o755);
await writeFile('dist/THIRD-PARTY-LICENSES.txt', await licences(built));

/** The licences of all packages that were bundled, and of the letters in src/images/glyphs.ts. */
async function licences(results) {
  const inputs = results.flatMap(({ metafile }) => Object.keys(metafile?.inputs ?? {}));
  const folders = inputs.map((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0]);
  folders.push('node_modules/hershey');
  const texts = [...new Set(folders.filter(Boolean))].sort().map(async (folder) => {
    const { name, version, ...rest } = JSON.parse(await readFile(`${folder}/package.json`, 'utf8'));
    // The package hershey has a licence for its code, too, which is not used.
    const [file] = (await readdir(folder)).filter((entry) => /^(hershey-)?licen[cs]e/i.test(entry));
    const text = file ? await readFile(`${folder}/${file}`, 'utf8') : statement(name, rest);
    return `${name} ${version}\n\n${text.trim()}\n`;
  });
  return (await Promise.all(texts)).join(`\n${'-'.repeat(78)}\n\n`);
}

/** What a package without a licence file says of its licence. */
function statement(name, { license, author }) {
  if (!license || !author) throw new Error(`${name} is bundled and names no licence or author`);
  return `${license} licence, by ${author.name ?? author}`;
}

const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
execFileSync(process.execPath, [tsc, '-p', 'tsconfig.types.json'], { stdio: 'inherit' });

// TypeScript 5 has no WebGPU types; since 6 those of `@webgpu/types` would be there twice. So
// `exports` names other declarations for 5, which add that package to the same ones.
const { exports } = JSON.parse(await readFile('package.json', 'utf8'));
for (const { types, 'types@<6': forTypeScript5 } of Object.values(exports)) {
  if (!forTypeScript5) continue;
  await mkdir(dirname(forTypeScript5), { recursive: true });
  const same = relative(dirname(forTypeScript5), types).replace(/\.d\.ts$/, '.js');
  await writeFile(
    forTypeScript5,
    `/// <reference types="@webgpu/types" />\nexport * from '${same}';\n`,
  );
}
