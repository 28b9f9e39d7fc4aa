// The package as npm would publish it: packed from the built tree (`npm run build`), then looked
// at, installed and used as a stranger would.
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseTarGzip } from 'nanotar';
import { build } from 'esbuild';
import { publint } from 'publint';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'panpp-package-'));
const installed = join(folder, 'node_modules', 'panpp');
let tarball: Uint8Array<ArrayBuffer>;
/** Contents by path in the package. */
let files: Map<string, Uint8Array>;

beforeAll(async () => {
  const environment = {
    ...process.env,
    npm_config_offline: 'true',
    npm_config_update_notifier: 'false',
  };
  // Without `prepare`, which would build in the middle of other tests.
  execFileSync('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], {
    cwd: root,
    env: environment,
    shell: process.platform === 'win32',
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const [name] = readdirSync(folder).filter((file) => file.endsWith('.tgz'));
  tarball = new Uint8Array(readFileSync(join(folder, name)));
  const entries = await parseTarGzip(tarball);
  files = new Map(entries.map((entry) => [entry.name.replace(/^package\//, ''), entry.data!]));
  install();
});

afterAll(() => rmSync(folder, { recursive: true }));

/**
 * Puts the package where a project has it, beside the packages that it says it needs and no others.
 */
function install(): void {
  for (const [path, data] of files) {
    mkdirSync(dirname(join(installed, path)), { recursive: true });
    writeFileSync(join(installed, path), data);
  }
  for (const name of Object.keys(manifest().dependencies)) {
    mkdirSync(dirname(join(folder, 'node_modules', name)), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name), 'junction');
  }
}

function manifest(): {
  dependencies: Record<string, string>;
  exports: Record<string, unknown>;
  version: string;
} {
  return JSON.parse(text('package.json'));
}

function text(path: string): string {
  return new TextDecoder().decode(files.get(path));
}

/** Files that programs import, with the programs; `imports` finds the names in their text. */
function reachedFrom(programs: readonly string[], imports: RegExp): string[] {
  const reached = new Set<string>();
  const follow = (path: string) => {
    if (reached.has(path)) return;
    reached.add(path);
    for (const [, file] of text(path).matchAll(imports)) follow(join(dirname(path), file));
  };
  programs.forEach(follow);
  return [...reached].sort();
}

/** The programs that `exports` and `bin` name. */
const programs = [
  'dist/browser.js',
  'dist/cli.js',
  'dist/formats.js',
  'dist/index.js',
  'dist/node.js',
  'dist/tuning.js',
];

/** Bundled packages: those of all commands, and those of `panpp serve` and of the queue. */
const vendored = ['dist/cli-progress.cjs', 'dist/commander.cjs', 'dist/pngjs.js'];
const vendoredForServices = [
  'dist/bullmq.js',
  'dist/fastify-multipart.cjs',
  'dist/fastify-swagger.cjs',
  'dist/fastify.cjs',
  'dist/negotiator.cjs',
  'dist/prom-client.cjs',
];

describe('what is packed', () => {
  it('is the files needed at run time, and no others', () => {
    const generated = /^dist\/((chunk|service|redis|image-worker)-\w+\.js|types\/.+\.d\.ts)$/;
    expect([...files.keys()].filter((path) => !generated.test(path)).sort()).toEqual([
      ...['CHANGELOG.md', 'LICENSE', 'README.md'],
      // The one program that is not readable as it is has a map.
      ...[
        ...programs,
        ...vendored,
        ...vendoredForServices,
        'dist/browser.js.map',
        'dist/THIRD-PARTY-LICENSES.txt',
      ].sort(),
      'package.json',
      'weights/README.md',
      'weights/pan-pp-resnet18.safetensors',
    ]);
  });

  it('has the chunks that its programs import, and no left-over ones', () => {
    const reached = reachedFrom(programs, /(?:from|import\()\s*"(\.[^"]+)"/g);
    expect(reached).toEqual(
      [...files.keys()].filter((path) => /^dist\/.*\.c?js$/.test(path)).sort(),
    );
  });

  it('loads the service only when it is started', () => {
    const loaded = reachedFrom(['dist/cli.js'], /from\s*"(\.[^"]+)"/g);
    expect(loaded).toEqual(expect.arrayContaining(vendored));
    expect(loaded.filter((path) => /service|fastify|prom|negotiator|bullmq/.test(path))).toEqual(
      [],
    );
  });

  it('has declarations of the API, and none of the command line or of other files', () => {
    const declarations = [...files.keys()].filter((path) => path.endsWith('.d.ts'));
    expect(declarations).toEqual(
      expect.arrayContaining([
        'dist/types/index.d.ts',
        'dist/types/node.d.ts',
        'dist/types/formats/index.d.ts',
      ]),
    );
    const rooms = new Set(declarations.map((path) => path.split('/')[2]));
    expect(
      [...rooms].filter((room) => ['cli', 'evaluation', 'export', 'serve'].includes(room)),
    ).toEqual([]);
  });

  it('is little more than its weights', () => {
    const sizes = [...files].map(([path, data]) => [path.split('/')[0], data.length] as const);
    const bytes = (part: string) =>
      sizes.reduce((sum, [first, size]) => sum + (first === part ? size : 0), 0);
    console.log(
      `packed ${tarball.length} bytes; weights ${bytes('weights')}, dist ${bytes('dist')}`,
    );
    // Its own programs, their types and map, and the packages that they bundle.
    expect(bytes('dist')).toBeLessThan(4_840_000);
    expect(tarball.length).toBeLessThan(26_000_000);
  });
});

describe('how it is packed', () => {
  it('has nothing that publint would change', async () => {
    const { messages } = await publint({ strict: true, pack: { tarball: tarball.buffer } });
    expect(messages).toEqual([]);
  });

  it('has types wherever the package can be imported (are the types wrong?)', async () => {
    const analysis = await checkPackage(createPackageFromTarballData(tarball));
    if (analysis.types === false) throw new Error('the package has no types');
    const files = ['./package.json', './weights/*'];
    const entries = Object.keys(manifest().exports).filter((name) => !files.includes(name));
    // Where `exports` is unknown (TypeScript's `node10`) there is no package, and CommonJS gets ES
    // modules, which Node's require can load.
    const expected = entries.flatMap((entrypoint) => [
      { kind: 'NoResolution', entrypoint, resolutionKind: 'node10' },
      { kind: 'CJSResolvesToESM', entrypoint, resolutionKind: 'node16-cjs' },
    ]);
    expect(analysis.problems).toEqual(expected);
    for (const entry of entries) {
      for (const kind of ['node16-esm', 'bundler'] as const) {
        const { resolution } = analysis.entrypoints[entry].resolutions[kind];
        expect(resolution?.fileName, `${entry} under ${kind}`).toMatch(/\.d\.ts$/);
      }
    }
  });
});

const program = `
import { type Detection, type Gpu, loadModel, requestGpu } from 'panpp';
import { decodeImage, openGpu, packagedWeights } from 'panpp/node';
import { formatSvg } from 'panpp/formats';
const gpu: Gpu = await requestGpu();
export const device: GPUDevice = gpu.device;
const model = await loadModel(await openGpu({ adapter: packagedWeights() }), new Uint8Array());
export const found: Detection = await model.detect(await decodeImage(new Uint8Array(), 'a.png'), { bbox: 'poly' });
export const drawing: string = formatSvg({ path: 'a.png', width: found.width, height: found.height }, found.regions);
// @ts-expect-error: a device is not just anything
export const wrong: string = gpu.device;
// @ts-expect-error: there is no such shape
await model.detect(document.createElement('canvas'), { bbox: 'circle' });
`;

const programForNode = `
import { type Detection, decodeImage, loadModel, openGpu } from 'panpp/node';
import { tune } from 'panpp/tuning';
const gpu = await openGpu();
const model = await loadModel(gpu, new Uint8Array());
export const found: Detection = await model.detect(await decodeImage(new Uint8Array(), 'a.png'));
export { tune };
// @ts-expect-error: a device is not just anything
export const wrong: string = gpu.device;
`;

describe.each([
  ['5.9', 'typescript'],
  ['7', 'typescript-7'],
])('the types, with TypeScript %s,', (_, compiler) => {
  // Declarations are checked too: `skipLibCheck` would turn a type that is not there into `any`.
  const problems = (code: string, options: Record<string, unknown>) => {
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(folder, 'program.ts'), code);
    const compilerOptions = { target: 'es2022', strict: true, noEmit: true, types: [], ...options };
    const configuration = { compilerOptions, files: ['program.ts'] };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(configuration));
    return spawnSync(process.execPath, [join(root, 'node_modules', compiler, 'bin/tsc')], {
      cwd: folder,
      encoding: 'utf8',
    }).stdout;
  };

  it.each([
    ['node16', 'node16'],
    ['esnext', 'bundler'],
  ])('are whole and say what they should under %s', (module, moduleResolution) => {
    const lib = ['es2023', 'dom', 'dom.iterable'];
    expect(problems(program, { module, moduleResolution, lib })).toBe('');
  });

  it('are whole in a project for Node, without the DOM library', () => {
    expect(problems(programForNode, { module: 'node16', lib: ['es2023'] })).toBe('');
  });
});

describe('once installed', () => {
  const run = (...parameters: string[]) =>
    execFileSync(process.execPath, parameters, {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, NODE_OPTIONS: '' },
    });

  it('can be imported without development dependencies', () => {
    const code = `
      const [core, node, formats, tuning] = await Promise.all(['panpp', 'panpp/node', 'panpp/formats', 'panpp/tuning'].map((name) => import(name)));
      const { statSync } = await import('node:fs');
      console.log(typeof core.loadModel, typeof node.openGpu, typeof formats.formatSvg, typeof tuning.tune, statSync(node.packagedWeights()).size);
      console.log(import.meta.resolve('panpp/weights/pan-pp-resnet18.safetensors').endsWith(node.packagedWeights()));`;
    const weights = files.get('weights/pan-pp-resnet18.safetensors')!.length;
    expect(run('--input-type=module', '--eval', code)).toBe(
      `function function function function ${weights}\ntrue\n`,
    );
  });

  it('says what to install in Node', () => {
    const program = join(installed, 'dist/cli.js');
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, 'detect', 'a.png'], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    expect({ status, stdout, stderr }).toEqual({
      status: 2,
      stdout: '',
      stderr:
        'panpp: in Node panpp needs the packages webgpu and sharp: run `npm install webgpu sharp`\n',
    });
  });

  it.each(['esm', 'cjs'] as const)('says to keep it external in a bundle (%s)', async (format) => {
    const code = `
      import { openGpu, packagedWeights } from 'panpp/node';
      const message = ({ name, code, message }) => console.log(name, code, message);
      Promise.resolve().then(() => openGpu()).catch(message).then(packagedWeights).catch(message);`;
    const modules = join(folder, 'bundled', 'node_modules');
    mkdirSync(modules, { recursive: true });
    for (const [name, path] of [
      ['panpp', installed],
      ['webgpu', join(root, 'node_modules', 'webgpu')],
    ])
      if (!existsSync(join(modules, name))) symlinkSync(path, join(modules, name), 'junction');
    const elsewhere = mkdtempSync(join(tmpdir(), 'panpp-bundled-'));
    const outfile = join(elsewhere, format === 'esm' ? 'program.mjs' : 'program.cjs');
    await build({
      stdin: { contents: code, resolveDir: join(folder, 'bundled') },
      bundle: true,
      preserveSymlinks: true,
      platform: 'node',
      format,
      outfile,
      external: ['sharp', '@sparticuz/chromium'],
      logLevel: 'error',
    });
    const printed = run(outfile).split('\n');
    rmSync(elsewhere, { recursive: true });
    const todo = 'if a bundler made this program, keep panpp and webgpu external';
    expect(printed[0]).toMatch(/^PanppError adapter Dawn \(npm webgpu\) can't be loaded/);
    expect(printed[0]).toContain(todo);
    expect(printed[1]).toContain(`PanppError file panpp/package.json is not there; ${todo}`);
  });

  it('brings no package but types', () => {
    expect(Object.keys(manifest().dependencies)).toEqual(['@webgpu/types']);
    expect(text('dist/THIRD-PARTY-LICENSES.txt')).toMatch(
      /^commander \d[^]*^fastify \d[^]*^hershey \d[^]*Dr\. A\. V\. Hershey/m,
    );
  });

  it('has a command', () => {
    expect(run(join(installed, 'dist/cli.js'), '--version')).toBe(`${manifest().version}\n`);
    expect(text('dist/cli.js')).toMatch(/^#!\/usr\/bin\/env node\n/);
  });
});
