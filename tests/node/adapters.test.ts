// Every way to an adapter, each in a process of its own: environment and loaded libraries belong to
// a process.
import { execFile } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { wgslPlugin } from '../../scripts/wgsl-plugin.mjs';

import { openGpu } from '../../src/node.js';
import {
  defaultToggles,
  parseAdapterList,
  parseToggles,
  togglesOf,
} from '../../src/node/adapters.js';
import { checkToggles } from '../../src/node/dawn-toggles.js';
import { describeDiagnosis } from '../../src/node/doctor.js';
import { isEmbeddedPlatform } from '../../src/node/embedded-driver.js';
import type { ProbeResult, ProbeTask } from './probe.js';

const project = fileURLToPath(new URL('../..', import.meta.url));
const modules = join(project, 'node_modules');
// Inside node_modules, so that the bundle's imports are found.
const bundle = join(modules, `.panpp-probe-${process.pid}`, 'probe.mjs');
const scratch = mkdtempSync(join(tmpdir(), 'panpp-adapters-'));
const cache = join(scratch, 'cache');

interface ProbeSettings {
  readonly environment?: Record<string, string>;
  readonly script?: string;
  readonly flags?: string[];
  readonly folder?: string;
}

/** Runs the probe; fails if the process does not end by itself with exit code 0. */
function probe(
  task: ProbeTask,
  { environment = {}, script = bundle, flags = [], folder = project }: ProbeSettings = {},
) {
  const env: NodeJS.ProcessEnv = { ...process.env, XDG_CACHE_HOME: cache, ...environment };
  return new Promise<ProbeResult>((resolve, reject) => {
    const options = { env, cwd: folder, timeout: 60_000 };
    execFile(
      process.execPath,
      [...flags, script, JSON.stringify(task)],
      options,
      (error, stdout, stderr) => {
        if (error) reject(new Error(`${error.message}\n${stderr}`));
        else resolve(JSON.parse(stdout) as ProbeResult);
      },
    );
  });
}

beforeAll(() =>
  build({
    entryPoints: [fileURLToPath(new URL('probe.ts', import.meta.url))],
    outfile: bundle,
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    plugins: [wgslPlugin()],
  }),
);

afterAll(() => {
  rmSync(dirname(bundle), { recursive: true, force: true });
  rmSync(scratch, { recursive: true, force: true });
});

const echo = [1, 2, 3, 4];
const swiftShader = {
  software: true,
  embedded: true,
  description: expect.stringContaining('SwiftShader'),
};
const noDriver = {
  VK_DRIVER_FILES: join(scratch, 'no-such-driver.json'),
  VK_ICD_FILENAMES: join(scratch, 'no-such-driver.json'),
};

describe('parseAdapterList', () => {
  it("reads Dawn's list, names with commas and quotes included", () => {
    const message =
      'no suitable backends found\nAvailable adapters:\n' +
      " * backend: 'vulkan', name: 'llvmpipe (LLVM 15.0.6, 256 bits)'\n" +
      " * backend: 'd3d12', name: 'Bob's GPU'\n";
    expect(parseAdapterList(message)).toEqual([
      { backend: 'vulkan', name: 'llvmpipe (LLVM 15.0.6, 256 bits)' },
      { backend: 'd3d12', name: "Bob's GPU" },
    ]);
  });

  it('finds no adapter if Dawn lists none', () => {
    expect(parseAdapterList('no suitable backends found\nAvailable adapters:\n')).toEqual([]);
  });
});

describe('findAdapter', () => {
  it('prefers a hardware adapter to a software one, the embedded one last', async () => {
    const { all = [] } = await probe({ list: true });
    const installed = all.filter(({ embedded }) => !embedded);
    const found = await probe({ find: {} });
    expect(found.echo).toEqual(echo);
    expect(found.embedded).toBe(installed.length === 0);
    expect(found.software).toBe(all.every(({ software }) => software));
  });

  it('keeps Dawn alive while a device works, even after garbage collection', async () => {
    expect((await probe({ find: {} }, { flags: ['--expose-gc'] })).echo).toEqual(echo);
  });

  it('gives only a hardware adapter if requested', async () => {
    const { all = [] } = await probe({ list: true });
    const found = await probe({ find: { adapter: 'hardware' } });
    if (all.some(({ software }) => !software)) expect(found.software).toBe(false);
    else
      expect(found.error).toMatchObject({
        code: 'adapter',
        message: expect.stringContaining('"hardware"'),
      });
  });

  it('gives a software adapter if requested', async () => {
    const { all = [] } = await probe({ list: true });
    const found = await probe({ find: { adapter: 'software' } });
    const installed = all.filter(({ software, embedded }) => software && !embedded);
    expect(found).toMatchObject({ software: true, embedded: installed.length === 0, echo });
  });

  it.each([
    ['electron', "Electron can't run Dawn's bindings for Node; use `panpp` instead"],
    [
      'bun',
      "Bun can't load the embedded software adapter by itself; start it with LD_LIBRARY_PATH=",
    ],
    ['deno', "Deno can't load the embedded software adapter by itself; start it with "],
  ])('says what to do instead in %s', async (runtime, todo) => {
    const versions = { ...process.versions, [runtime]: '1.0.0' };
    vi.stubGlobal('process', Object.create(process, { versions: { value: versions } }));
    try {
      const expected = { code: 'adapter', message: expect.stringContaining(todo) as string };
      await expect(openGpu({ adapter: 'swiftshader' })).rejects.toMatchObject(expected);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it('says in one line which adapters there are if none has the name', async () => {
    for (const adapter of ['no such adapter', '']) {
      const { error } = await probe({ find: { adapter } });
      expect(error?.code).toBe('adapter');
      expect(error?.message).toMatch(
        new RegExp(`^no WebGPU adapter matches "${adapter}".*there (are|is)[^\\n]*$`),
      );
    }
  });
});

describe('toggles', () => {
  it('come as names with commas, those to switch off with a minus', () => {
    expect(parseToggles('')).toEqual({ toggles: [], disabledToggles: [] });
    expect(parseToggles('a, -b,c')).toEqual({ toggles: ['a', 'c'], disabledToggles: ['b'] });
  });

  it('leave clamps around indices out, and clearing, unless the caller wants them', async () => {
    expect(togglesOf({})).toEqual(defaultToggles);
    expect(togglesOf({ toggles: ['allow_unsafe_apis', 'disable_robustness'] })).toEqual([
      ...defaultToggles,
      'allow_unsafe_apis',
    ]);
    const disabledToggles = ['disable_robustness', 'disable_workgroup_init'];
    expect(togglesOf({ disabledToggles })).toEqual(['vulkan_enable_f16_on_nvidia']);
    for (const [options, toggles] of [
      [{}, defaultToggles],
      [{ disabledToggles }, ['vulkan_enable_f16_on_nvidia']],
    ] as const) {
      const gpu = await openGpu(options);
      expect(gpu.profile.toggles).toEqual(toggles);
      gpu.dispose();
    }
  });
});

describe('the names of toggles', () => {
  it('are checked against Dawn’s list', async () => {
    await checkToggles([
      ...defaultToggles,
      'allow_unsafe_apis',
      'timestamp_quantization',
      'dump_shaders',
      'use_dxc',
    ]);
    for (const name of [
      'disable_robustnes',
      'isable_robustness',
      'allow-unsafe-apis',
      'vulkan',
      'Allow_Unsafe_Apis',
      '',
    ]) {
      await expect(checkToggles(['dump_shaders', name])).rejects.toMatchObject({
        code: 'argument',
        message: expect.stringContaining(`Dawn has no toggle "${name}";`),
      });
    }
    await expect(openGpu({ disabledToggles: ['timestamp_quantisation'] })).rejects.toThrow(
      'no toggle "timestamp_quantisation"',
    );
  });
});

describe.runIf(isEmbeddedPlatform)('the embedded driver', () => {
  it('is found by name although others are installed, and leaves the environment as it was', async () => {
    const found = await probe({
      find: { adapter: 'SwiftShader', toggles: ['allow_unsafe_apis', 'disable_robustness'] },
    });
    expect(found).toMatchObject({ ...swiftShader, echo });
    expect(found.driverFiles).toBe(process.env.VK_DRIVER_FILES);
  });

  it('is used if no driver works', async () => {
    const found = await probe({ find: {} }, { environment: noDriver });
    expect(found).toMatchObject({ ...swiftShader, echo, driverFiles: noDriver.VK_DRIVER_FILES });
  });

  it("is used only if the user has no driver's own choice", async () => {
    const { all = [] } = await probe({ list: true });
    const manifest = join(
      cache,
      'panpp',
      readdirSync(join(cache, 'panpp'))[0],
      'vk_swiftshader_icd.json',
    );
    const environment = { VK_DRIVER_FILES: manifest, VK_ICD_FILENAMES: manifest };
    const found = await probe({ find: {} }, { environment });
    // Without a Vulkan loader on the system the embedded one brings its own driver.
    expect(found).toMatchObject({
      ...swiftShader,
      embedded: all.every(({ embedded }) => embedded),
    });
  });

  it('is unpacked whole by six processes at once', async () => {
    const environment = { ...noDriver, XDG_CACHE_HOME: join(scratch, 'race') };
    const found = await Promise.all(
      Array.from({ length: 6 }, () => probe({ find: {} }, { environment })),
    );
    for (const each of found) expect(each).toMatchObject({ ...swiftShader, echo });
    const folders = readdirSync(join(scratch, 'race', 'panpp'));
    expect(folders).toHaveLength(1);
    expect(folders[0]).toMatch(/^swiftshader-[\d.]+$/);
  });

  it('is unpacked again where a file is missing', async () => {
    const environment = { ...noDriver, XDG_CACHE_HOME: join(scratch, 'repair') };
    await probe({ find: {} }, { environment });
    const folder = join(
      scratch,
      'repair',
      'panpp',
      readdirSync(join(scratch, 'repair', 'panpp'))[0],
    );
    rmSync(join(folder, 'libvulkan.so.1'));
    expect(await probe({ find: {} }, { environment })).toMatchObject(swiftShader);
    expect(existsSync(join(folder, 'libvulkan.so.1'))).toBe(true);
  });

  it('names the folder to delete if the unpacked driver is damaged', async () => {
    const environment = { ...noDriver, XDG_CACHE_HOME: join(scratch, 'damage') };
    await probe({ find: {} }, { environment });
    const folder = join(
      scratch,
      'damage',
      'panpp',
      readdirSync(join(scratch, 'damage', 'panpp'))[0],
    );
    writeFileSync(join(folder, 'libvk_swiftshader.so'), 'damaged');
    const { error } = await probe({ find: {} }, { environment });
    expect(error).toEqual({
      code: 'adapter',
      message: `the embedded software adapter does not start; delete ${folder} and try again`,
    });
  });

  it("goes to the temporary folder where the cache can't be written, and else fails in one line", async () => {
    const file = join(scratch, 'a-file');
    writeFileSync(file, '');
    const temporary = join(scratch, 'temporary');
    mkdirSync(temporary);
    const environment = { ...noDriver, XDG_CACHE_HOME: file, TMPDIR: temporary };
    expect(await probe({ find: {} }, { environment })).toMatchObject(swiftShader);
    const [folder] = readdirSync(temporary).filter((name) => name.startsWith('panpp-'));

    // Where others may write, they may have put a library of theirs.
    chmodSync(join(temporary, folder), 0o777);
    const { error } = await probe({ find: {} }, { environment });
    expect(error?.code).toBe('adapter');
    expect(error?.message).toMatch(
      /^the embedded software adapter can't be unpacked and loaded [^\n]*others may write[^\n]*XDG_CACHE_HOME[^\n]*$/,
    );
  });

  it('works in a worker thread that shares the environment, and says so in one that does not', async () => {
    const find = { adapter: 'swiftshader' };
    expect(await probe({ find, worker: 'shared environment' })).toMatchObject({
      ...swiftShader,
      echo,
    });
    const { error } = await probe({ find, worker: 'own environment' });
    expect(error).toMatchObject({ code: 'adapter', message: expect.stringContaining('SHARE_ENV') });
  });
});

describe.runIf(isEmbeddedPlatform)('as a dependency of another package', () => {
  const app = join(scratch, 'app');
  const installed = join(app, 'node_modules', 'panpp', 'dist', 'probe.mjs');
  const elsewhere = join(scratch, 'elsewhere', 'dist', 'probe.mjs');

  beforeAll(() => {
    for (const script of [installed, elsewhere]) {
      mkdirSync(dirname(script), { recursive: true });
      copyFileSync(bundle, script);
      const own = join(dirname(script), '..', 'node_modules');
      mkdirSync(own);
      for (const name of ['webgpu', 'nanotar']) symlinkSync(join(modules, name), join(own, name));
    }
  });

  it('says what to install where there is neither an adapter nor the package', async () => {
    const { error } = await probe(
      { find: {} },
      { environment: noDriver, script: elsewhere, folder: scratch },
    );
    expect(error?.code).toBe('adapter');
    expect(error?.message).toMatch(
      /^no WebGPU adapter found[^\n]*npm install @sparticuz\/chromium[^\n]*lavapipe[^\n]*$/,
    );
    const { diagnosis } = await probe(
      { doctor: true },
      { environment: noDriver, script: elsewhere, folder: scratch },
    );
    expect(diagnosis).toMatchObject({ usable: false, adapters: [] });
    expect(diagnosis!.advice[0]).toContain('npm install @sparticuz/chromium');
  });

  it('finds the package beside itself and in the current folder', async () => {
    mkdirSync(join(app, 'node_modules', '@sparticuz'));
    symlinkSync(
      join(modules, '@sparticuz', 'chromium'),
      join(app, 'node_modules', '@sparticuz', 'chromium'),
    );
    const beside = await probe(
      { find: {} },
      { environment: noDriver, script: installed, folder: scratch },
    );
    expect(beside).toMatchObject({ ...swiftShader, echo });
    const current = await probe(
      { find: {} },
      { environment: noDriver, script: elsewhere, folder: app },
    );
    expect(current).toMatchObject({ ...swiftShader, echo });
  });
});

describe('diagnose', () => {
  it('reports what every adapter supports', async () => {
    const { diagnosis } = await probe({ doctor: true });
    const { all } = await probe({ list: true });
    expect(diagnosis!.adapters.map(({ description }) => description)).toEqual(
      all!.map(({ description }) => description),
    );
    expect(diagnosis!.webgpu).toMatch(/^\d+\.\d+\.\d+/);
    for (const adapter of diagnosis!.adapters) {
      expect(adapter.features).toContain('core-features-and-limits');
      expect(adapter.limits.maxStorageBufferBindingSize).toBeGreaterThanOrEqual(2 ** 27);
      expect(adapter.f16).toBe(adapter.features.includes('shader-f16'));
    }
    const used = await probe({ find: {} });
    expect(diagnosis).toMatchObject({ usable: true, preferred: used.description });

    const text = describeDiagnosis(diagnosis!);
    expect(text).toContain(`toggles    ${defaultToggles.join(' ')}`);
    for (const { description } of diagnosis!.adapters) expect(text).toContain(description);
    for (const line of diagnosis!.advice) expect(text).toContain(`! ${line}`);
  });
});
