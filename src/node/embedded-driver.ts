// A Vulkan loader and a software driver (Google's SwiftShader) from an npm package, for machines
// that have neither. @sparticuz/chromium ships both as bin/swiftshader.tar.br for Linux x64. They
// are unpacked once into the user's cache folder. Dawn finds the loader because it is already
// loaded under the name libvulkan.so.1, and the loader finds the driver through environment
// variables that are set only while Dawn looks for adapters.
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { lstat, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { constants, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { isMainThread } from 'node:worker_threads';
import { brotliDecompress } from 'node:zlib';
import { parseTar } from 'nanotar';

import { PanppError } from '../errors.js';
import { makeFolder, userCacheFolder } from './folders.js';

/** The optional npm package that holds the driver. */
export const EMBEDDED_PACKAGE = '@sparticuz/chromium';

const LOADER = 'libvulkan.so.1';
const MANIFEST = 'vk_swiftshader_icd.json';
const FILES = [LOADER, MANIFEST, 'libvk_swiftshader.so'];

/**
 * glibc's RTLD_NODELETE, missing from Node's constants: the library stays loaded although it is not
 * a Node addon.
 */
const RTLD_NODELETE = 0x1000;

/** Environment variables by which the Vulkan loader chooses drivers. */
export const DRIVER_VARIABLES = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES'] as const;
const DRIVER_FILTERS = ['VK_LOADER_DRIVERS_SELECT', 'VK_LOADER_DRIVERS_DISABLE'] as const;

/** Whether there is an embedded driver for this kind of machine. */
export const isEmbeddedPlatform = process.platform === 'linux' && process.arch === 'x64';

export interface EmbeddedPackage {
  readonly version: string;
  /** Path of swiftshader.tar.br. */
  readonly archive: string;
}

export interface EmbeddedDriver {
  /** Folder of the unpacked loader and driver. */
  readonly folder: string;
  readonly version: string;
}

/**
 * The installed package, searched for from this module and from the current folder; undefined if it
 * is not installed.
 */
export function findEmbeddedPackage(): EmbeddedPackage | undefined {
  for (const from of [import.meta.url, pathToFileURL(join(process.cwd(), 'package.json'))]) {
    const root = packageRoot(from);
    if (!root) continue;
    const archive = join(root, 'bin', 'swiftshader.tar.br');
    if (!existsSync(archive)) continue;
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      version: string;
    };
    return { version, archive };
  }
  return undefined;
}

/**
 * The package does not export its package.json, so its folder is searched for upwards from its main
 * file.
 */
function packageRoot(from: string | URL): string | undefined {
  let main: string;
  try {
    main = createRequire(from).resolve(EMBEDDED_PACKAGE);
  } catch {
    return undefined;
  }
  let folder = dirname(main);
  while (!existsSync(join(folder, 'bin')) && folder !== dirname(folder)) folder = dirname(folder);
  return folder;
}

let loading: Promise<EmbeddedDriver> | undefined;

/**
 * Unpacks the driver if needed, and loads its Vulkan loader into this process (once).
 * @throws PanppError `adapter`: another platform, package not installed, or no folder to unpack it
 * to
 */
export function loadEmbeddedDriver(): Promise<EmbeddedDriver> {
  loading ??= unpackAndLoad().catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

async function unpackAndLoad(): Promise<EmbeddedDriver> {
  if (!isEmbeddedPlatform) {
    throw new PanppError(
      'adapter',
      `the embedded software adapter is for Linux x64, not ${process.platform} ${process.arch}`,
    );
  }
  const found = findEmbeddedPackage();
  if (!found) {
    throw new PanppError(
      'adapter',
      `the embedded software adapter is not installed; npm install ${EMBEDDED_PACKAGE}`,
    );
  }
  const failures: string[] = [];
  for (const parent of cacheFolders()) {
    try {
      const folder = await unpack(found, parent);
      openLoader(folder);
      return { folder, version: found.version };
    } catch (error) {
      if (error instanceof PanppError) throw error;
      failures.push(`${parent}: ${(error as Error).message}`);
    }
  }
  throw new PanppError(
    'adapter',
    `the embedded software adapter can't be unpacked and loaded (${failures.join('; ')}); ` +
      'set XDG_CACHE_HOME to a folder that you can write to',
  );
}

/** The user's cache folder, and a per-user folder in the system's temporary folder. */
function cacheFolders(): string[] {
  const folders = [join(tmpdir(), `panpp-${process.getuid?.() ?? 'cache'}`)];
  const cache = userCacheFolder();
  return cache ? [cache, ...folders] : folders;
}

/**
 * Unpacks into `parent`/swiftshader-VERSION and returns that folder. It is written under another
 * name first and then moved, so that it is either complete or missing, even if two processes do
 * this at once.
 */
async function unpack({ version, archive }: EmbeddedPackage, parent: string): Promise<string> {
  const folder = join(parent, `swiftshader-${version}`);
  await makeFolder(parent, 0o700);
  await checkOwner(parent);
  if (isWhole(folder)) return folder;

  const tar = await promisify(brotliDecompress)(await readFile(archive));
  const entries = parseTar(tar);
  const draft = `${folder}.${randomUUID()}`;
  try {
    await mkdir(draft);
    for (const name of FILES) {
      const entry = entries.find((candidate) => candidate.name === name);
      if (!entry?.data) throw new Error(`${archive} holds no ${name}`);
      await writeFile(join(draft, name), entry.data);
    }
    await moveInto(draft, folder);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return folder;
}

/**
 * A complete existing folder stays: another process may have been first, and its driver may be in
 * use.
 */
async function moveInto(draft: string, folder: string): Promise<void> {
  try {
    await rename(draft, folder);
  } catch (error) {
    if (isWhole(folder)) return;
    if (!existsSync(folder)) throw error;
    // Some of its files were removed.
    await rm(folder, { recursive: true, force: true });
    await rename(draft, folder);
  }
}

const isWhole = (folder: string): boolean => FILES.every((name) => existsSync(join(folder, name)));

/**
 * Code is loaded from this folder; in a shared temporary folder another user could have created it.
 */
async function checkOwner(folder: string): Promise<void> {
  const status = await lstat(folder);
  const mine =
    status.isDirectory() && status.uid === process.getuid?.() && (status.mode & 0o022) === 0;
  if (!mine) throw new Error('the folder belongs to another user, or others may write to it');
}

function openLoader(folder: string): void {
  const { bun, deno } = process.versions;
  if (bun || deno) {
    // Their dlopen() unloads what is not an addon.
    throw new PanppError(
      'adapter',
      `${bun ? 'Bun' : 'Deno'} can't load the embedded software adapter by itself; start it with ` +
        `LD_LIBRARY_PATH=${folder} VK_DRIVER_FILES=${join(folder, MANIFEST)}`,
    );
  }
  openLibrary(join(folder, LOADER), constants.dlopen.RTLD_NOW | RTLD_NODELETE);
}

/**
 * Loads a library that is not an addon of Node.
 * @throws Error if there is none
 */
export function openLibrary(path: string, flags: number): void {
  try {
    process.dlopen({ exports: {} }, path, flags);
  } catch (error) {
    // The library was found if the error is that it is no addon: as Node, Deno and Bun say it.
    const isNoAddon = /did not self-register|register Node-API module|napi_register_module_v1/;
    if (!isNoAddon.test((error as Error).message)) throw error;
  }
}

/**
 * Runs a synchronous action while the Vulkan loader sees only the embedded driver, whatever the
 * user's variables are. In a worker thread `process.env` reaches the loader only if the thread was
 * started with `env: SHARE_ENV`.
 */
export function withOnlyEmbeddedDriver<T>({ folder }: EmbeddedDriver, action: () => T): T {
  const names = [...DRIVER_VARIABLES, ...DRIVER_FILTERS];
  const before = names.map((name) => process.env[name]);
  for (const name of DRIVER_VARIABLES) process.env[name] = join(folder, MANIFEST);
  for (const name of DRIVER_FILTERS) delete process.env[name];
  try {
    return action();
  } finally {
    names.forEach((name, i) => {
      if (before[i] === undefined) delete process.env[name];
      else process.env[name] = before[i];
    });
  }
}

/** Advice for an error when the driver was loaded but did not start. */
export function embeddedDriverHint({ folder }: EmbeddedDriver): string {
  const worker = isMainThread ? '' : ', or start the worker thread with env: SHARE_ENV';
  return `delete ${folder} and try again${worker}`;
}
