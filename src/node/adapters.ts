// Finds a WebGPU adapter in Node with Dawn's bindings (npm `webgpu`). In order: the adapter that
// the user names; a hardware adapter; an installed software adapter; the embedded one. Only the
// adapter is chosen here; the device is requested elsewhere.
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';

import { PanppError, firstLine } from '../errors.js';
import { checkToggles, dawnFolder } from './dawn-toggles.js';
import {
  type EmbeddedDriver,
  DRIVER_VARIABLES,
  EMBEDDED_PACKAGE,
  embeddedDriverHint,
  findEmbeddedPackage,
  isEmbeddedPlatform,
  loadEmbeddedDriver,
  openLibrary,
  withOnlyEmbeddedDriver,
} from './embedded-driver.js';
import { KEEP_EXTERNAL } from './packages.js';
import { inTurn } from './thread-turns.js';

/** Which adapter to use, and how to set up Dawn. */
export interface AdapterOptions {
  /**
   * Part of the adapter's name in any case (`nvidia`, `a770`), `lavapipe`, `swiftshader` (an
   * installed one, else the embedded one), `hardware` (no software adapter) or `software` (no
   * hardware). Default: the best one available.
   */
  readonly adapter?: string;
  /**
   * Dawn toggles to switch on besides the default ones, such as `allow_unsafe_apis`, without which
   * there are no subgroup matrices.
   */
  readonly toggles?: readonly string[];
  /**
   * Dawn toggles to switch off: `timestamp_quantization` for exact timings; if your own shaders run
   * on the device too, `disable_robustness` if they may index out of bounds, and
   * `disable_workgroup_init` if they expect zeros in workgroup memory.
   */
  readonly disabledToggles?: readonly string[];
}

/**
 * Parses toggles from a command line: names separated by commas, with a leading minus to switch one
 * off.
 */
export function parseToggles(
  list: string,
): Required<Pick<AdapterOptions, 'toggles' | 'disabledToggles'>> {
  const names = list
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean);
  const isOff = (name: string) => name.startsWith('-');
  return {
    toggles: names.filter((name) => !isOff(name)),
    disabledToggles: names.filter(isOff).map((name) => name.slice(1)),
  };
}

export interface FoundAdapter {
  readonly adapter: GPUAdapter;
  /** Name and driver, for display. */
  readonly description: string;
  /** Whether it computes on the CPU. */
  readonly software: boolean;
  /** Whether it is the driver unpacked from an npm package. */
  readonly embedded: boolean;
}

/** An adapter that Dawn lists. */
export interface AdapterName {
  readonly name: string;
  readonly backend: string;
}

/**
 * Switched on unless the caller switches them off. The first makes Dawn report half floats on
 * NVIDIA's Vulkan driver; elsewhere it does nothing. The second omits Dawn's bounds clamps on every
 * index: our indices are in bounds. The third omits the clearing of workgroup memory, which our
 * shaders write before they read it: SwiftShader compiles it to a store for each word, so the
 * decoder took 5 s instead of 1 (tests/gpu/bounds.test.ts watches both).
 */
export const defaultToggles: readonly string[] = [
  'vulkan_enable_f16_on_nvidia',
  'disable_robustness',
  'disable_workgroup_init',
];

/** The toggles that are switched on for a request. */
export function togglesOf({ toggles = [], disabledToggles = [] }: AdapterOptions): string[] {
  return [...new Set([...defaultToggles, ...toggles])].filter(
    (name) => !disabledToggles.includes(name),
  );
}

const LAVAPIPE = 'llvmpipe'; // the name by which lavapipe lists itself
const SWIFTSHADER = 'SwiftShader Device (Subzero)';

/** What to install for a fast software adapter. */
export const LAVAPIPE_PACKAGES =
  "Mesa's lavapipe 25 or newer (Debian: mesa-vulkan-drivers and libvulkan1, on Debian 12 from bookworm-backports)";

/**
 * Dawn aborts the process if an instance is garbage-collected before its objects, so instances are
 * kept for the life of the process, one for each set of flags.
 */
const instances = new Map<string, GPU>();

/**
 * Finds an adapter. It does not keep the Node process alive.
 * @throws PanppError `adapter`: there is none, or none that matches; the message says what to
 * install. `argument`: a toggle that Dawn does not have
 */
export async function findAdapter(options: AdapterOptions = {}): Promise<FoundAdapter> {
  const search = await startSearch(options);
  const wanted = options.adapter?.trim().toLowerCase();
  const found = await (wanted === undefined ? anyAdapter(search) : wantedAdapter(search, wanted));
  if (found) return found;
  throw new PanppError(
    'adapter',
    wanted === undefined ? noAdapterMessage() : await noSuchAdapterMessage(search, wanted),
  );
}

/** Yields every adapter, the embedded one last. @throws as findAdapter */
export async function* eachAdapter(): AsyncGenerator<FoundAdapter> {
  const search = await startSearch({});
  for (const listed of await listAdapters(search)) {
    const found = await openListed(search, listed);
    if (found) yield found;
  }
  const embedded = await embeddedAdapter(search);
  if (embedded) yield embedded;
}

/**
 * Reads lines like ` * backend: 'vulkan', name: 'llvmpipe (LLVM 15.0.6, 256 bits)'` of Dawn's error
 * message.
 */
export function parseAdapterList(message: string): AdapterName[] {
  return [...message.matchAll(/^ \* backend: '(.*?)', name: '(.*)'$/gm)].map(
    ([, backend, name]) => ({
      backend,
      name,
    }),
  );
}

// ---- the order of preference ----

async function anyAdapter(search: Search): Promise<FoundAdapter | undefined> {
  const best = await requestInstalled(search, [], { powerPreference: 'high-performance' });
  if (best) return best.software ? preferLavapipe(search, best) : best;
  return embeddedAdapter(search);
}

async function wantedAdapter(search: Search, wanted: string): Promise<FoundAdapter | undefined> {
  switch (wanted) {
    case 'hardware':
      return hardwareAdapter(search);
    case 'software':
      return softwareAdapter(search);
    case 'lavapipe':
      return namedAdapter(search, LAVAPIPE);
    default:
      return namedAdapter(search, wanted);
  }
}

async function hardwareAdapter(search: Search): Promise<FoundAdapter | undefined> {
  const best = await requestInstalled(search, [], { powerPreference: 'high-performance' });
  return best?.software ? undefined : best;
}

/** Dawn's forceFallbackAdapter misses lavapipe, so the adapter list is searched. */
async function softwareAdapter(search: Search): Promise<FoundAdapter | undefined> {
  for (const listed of await listAdapters(search)) {
    const found = await openListed(search, listed);
    if (found?.software) return preferLavapipe(search, found);
  }
  return embeddedAdapter(search);
}

async function namedAdapter(search: Search, part: string): Promise<FoundAdapter | undefined> {
  if (part === '') return undefined;
  const listed = (await listAdapters(search)).find(({ name }) => name.toLowerCase().includes(part));
  if (listed) return openListed(search, listed);
  return SWIFTSHADER.toLowerCase().includes(part) ? embeddedAdapter(search) : undefined;
}

/** Mesa's lavapipe is about three times as fast as an installed SwiftShader. */
async function preferLavapipe(search: Search, found: FoundAdapter): Promise<FoundAdapter> {
  if (!/swiftshader/i.test(found.description)) return found;
  const lavapipe = await namedAdapter(search, LAVAPIPE);
  if (!lavapipe) return found;
  return lavapipe;
}

/**
 * The adapter of the embedded driver; undefined if the platform has none or its package isn't
 * installed.
 */
async function embeddedAdapter(search: Search): Promise<FoundAdapter | undefined> {
  if (!isEmbeddedPlatform || !findEmbeddedPackage()) return undefined;
  const driver = await loadEmbeddedDriver();
  const found = await request(search, ['backend=vulkan'], {}, driver);
  // If the environment does not reach the loader (see withOnlyEmbeddedDriver), another driver may
  // have answered.
  if (found?.adapter.info.architecture === 'swiftshader') return { ...found, embedded: true };
  throw new PanppError(
    'adapter',
    `the embedded software adapter does not start; ${embeddedDriverHint(driver)}`,
  );
}

// ---- asking Dawn ----

interface Search {
  readonly create: (flags: string[]) => GPU;
  readonly toggleFlags: readonly string[];
}

async function startSearch(options: AdapterOptions): Promise<Search> {
  const { toggles = [], disabledToggles = [] } = options;
  const create = await loadDawn();
  await checkToggles(
    [...toggles, ...disabledToggles].filter((name) => !defaultToggles.includes(name)),
  );
  const toggleFlags = [`enable-dawn-features=${togglesOf(options).join(',')}`];
  if (disabledToggles.length > 0)
    toggleFlags.push(`disable-dawn-features=${disabledToggles.join(',')}`);
  return { create, toggleFlags };
}

async function loadDawn(): Promise<Search['create']> {
  if (process.versions.electron) {
    // Its V8 forbids buffers outside of its own memory, which Dawn's bindings make for mapped ones.
    throw new PanppError(
      'adapter',
      "Electron can't run Dawn's bindings for Node; use `panpp` instead of `panpp/node` in a window, " +
        'which has WebGPU as in Chrome',
    );
  }
  try {
    return (await import('webgpu')).create;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ERR_MODULE_NOT_FOUND') {
      throw new PanppError(
        'adapter',
        'in Node panpp needs the packages webgpu and sharp: run `npm install webgpu sharp`',
        { cause: error },
      );
    }
    const platform = `${process.platform} ${process.arch}`;
    const why = firstLine(error);
    const todo =
      code === 'ERR_DLOPEN_FAILED'
        ? 'it needs Linux with glibc 2.34 or newer, macOS, or Windows; if this is one, run `npm install` again'
        : KEEP_EXTERNAL;
    throw new PanppError(
      'adapter',
      `Dawn (npm webgpu) can't be loaded on ${platform} (${why}); ${todo}`,
      {
        cause: error,
      },
    );
  }
}

/** The adapters that Dawn finds, in its order, without the embedded one. */
async function listAdapters({ create }: Search): Promise<AdapterName[]> {
  if (!hasVulkanLoader()) return [];
  try {
    // Dawn lists its adapters only in the error for an unknown name.
    await lookForAdapter(create(['adapter=(list the adapters)']));
    return [];
  } catch (error) {
    return parseAdapterList((error as Error).message);
  }
}

async function openListed(
  search: Search,
  { name, backend }: AdapterName,
): Promise<FoundAdapter | undefined> {
  return request(search, [`adapter=${name}`, `backend=${backend}`]);
}

async function requestInstalled(
  search: Search,
  flags: readonly string[],
  options: GPURequestAdapterOptions,
): Promise<FoundAdapter | undefined> {
  return hasVulkanLoader() ? request(search, flags, options) : undefined;
}

async function request(
  { create, toggleFlags }: Search,
  flags: readonly string[],
  options: GPURequestAdapterOptions = {},
  onlyDriver?: EmbeddedDriver,
): Promise<FoundAdapter | undefined> {
  const allFlags = [...toggleFlags, ...flags];
  const key = allFlags.join(' ');
  const gpu = instances.get(key) ?? create(allFlags);
  const adapter = await lookForAdapter(gpu, options, onlyDriver);
  if (!adapter) return undefined;
  instances.set(key, gpu);
  const { device, description, isFallbackAdapter: software } = adapter.info;
  return {
    adapter,
    description: software
      ? description || device
      : [device, description].filter(Boolean).join(', '),
    software,
    embedded: false,
  };
}

/**
 * The turn may end when requestAdapter() returns its promise: Dawn has looked for drivers by then.
 */
function lookForAdapter(
  gpu: GPU,
  options?: GPURequestAdapterOptions,
  onlyDriver?: EmbeddedDriver,
): Promise<GPUAdapter | null> {
  const look = () => gpu.requestAdapter(options);
  return inTurn(() => (onlyDriver ? withOnlyEmbeddedDriver(onlyDriver, look) : look()));
}

let installedLoader: boolean | undefined;

/**
 * On Linux without a working Vulkan loader, Dawn is not called: it would print a stack trace to
 * stderr. Checked once, because the embedded driver's loader may be loaded later.
 */
function hasVulkanLoader(): boolean {
  return (installedLoader ??= findVulkanLoader());
}

function findVulkanLoader(): boolean {
  // Deno opens no library by name alone, so it can't tell.
  if (process.platform !== 'linux' || process.versions.deno) return true;
  const name = 'libvulkan.so.1';
  if ([dawnFolder(), dirname(process.execPath)].some((folder) => existsSync(join(folder, name))))
    return true;
  try {
    openLibrary(name, constants.dlopen.RTLD_LAZY);
    return true;
  } catch {
    return false;
  }
}

// ---- messages for the user ----

function noAdapterMessage(): string {
  if (process.platform !== 'linux')
    return 'no WebGPU adapter found; install or update the graphics driver';
  const embedded = isEmbeddedPlatform
    ? `the embedded one (npm install ${EMBEDDED_PACKAGE}) or `
    : '';
  return (
    `no WebGPU adapter found${driverVariables()}; install the GPU's Vulkan driver, or a software adapter: ` +
    embedded +
    LAVAPIPE_PACKAGES
  );
}

async function noSuchAdapterMessage(search: Search, wanted: string): Promise<string> {
  const names = (await listAdapters(search)).map(({ name }) => name);
  if (isEmbeddedPlatform)
    names.push(
      findEmbeddedPackage() ? SWIFTSHADER : `swiftshader after npm install ${EMBEDDED_PACKAGE}`,
    );
  const there =
    names.length > 0 ? `there are: ${[...new Set(names)].join('; ')}` : 'there is none at all';
  return `no WebGPU adapter matches "${wanted}"${driverVariables()}; ${there}; see panpp doctor`;
}

/** The user's own choice of drivers is respected, so it may be why there is no adapter. */
function driverVariables(): string {
  const set = DRIVER_VARIABLES.filter((name) => process.env[name] !== undefined);
  return set.length > 0 ? ` (${set.map((name) => `${name}=${process.env[name]}`).join(', ')})` : '';
}
