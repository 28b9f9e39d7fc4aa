// Files named on the command line: images out of files, folders and globs; output folders.
import { constants } from 'node:fs';
import { access, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, join, relative } from 'node:path';
import { glob, isDynamicPattern } from 'tinyglobby';
import { PanppError } from '../errors.js';
import { errorLine } from './report.js';

/** An image to work on. */
export interface ImageFile {
  readonly path: string;
  /** Path of its results in the output folder, without extension: unlike for any other image of the run. */
  readonly resultName: string;
}

const imagePattern = '**/*.{png,apng,jpg,jpeg,jpe,jfif,webp}';

/**
 * Images named by files, folders (searched through for image files, in the order of their names) and globs. A file that does not
 * exist is kept: it fails when its turn comes, and the rest is still done.
 * @throws PanppError `file` for a folder or glob without images
 */
export async function findImages(inputs: readonly string[]): Promise<ImageFile[]> {
  const images = new Map<string, string>();
  for (const input of inputs) {
    const info = await stat(input).catch(() => undefined);
    if (info?.isDirectory()) {
      const found = await glob(imagePattern, { cwd: input, caseSensitiveMatch: false, expandDirectories: false });
      if (found.length === 0) throw new PanppError('file', `${input}: no PNG, JPEG or WebP files in this folder`);
      for (const path of found.sort(byName)) images.set(join(input, path), path);
    } else if (!info && isDynamicPattern(input)) {
      const found = await glob(input, { expandDirectories: false });
      if (found.length === 0) throw new PanppError('file', `${input}: no files match`);
      for (const path of found.sort(byName)) images.set(path, basename(path));
    } else images.set(input, basename(input));
  }
  const taken = new Set<string>();
  return [...images].map(([path, name]) => ({ path, resultName: untaken(join(dirname(name), basename(name, extname(name))), taken) }));
}

// a.png and a.jpg, or two folders' a.png, must not overwrite one another's results.
function untaken(name: string, taken: Set<string>): string {
  let free = name;
  for (let number = 2; taken.has(free); number++) free = `${name}-${number}`;
  taken.add(free);
  return free;
}

function byName(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

/** @throws PanppError `file` that says in words why the file can't be read */
export async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new PanppError('file', `${path}: ${reason(cause)}`, { cause });
  }
}

/** Writes a file, making its folder. @throws PanppError `file` */
export async function writeBytes(path: string, content: Uint8Array | string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
  } catch (cause) {
    throw new PanppError('file', `${path}: can't be written: ${reason(cause)}`, { cause });
  }
}

/** Makes a folder and sees that files can be written to it, before any work is done. @throws PanppError `file` */
export async function openOutputFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
    await access(path, constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new PanppError('file', `${path}: can't be used as output folder: ${reason(cause)}`, { cause });
  }
}

/** A path as a person would type it from here. */
export function shown(path: string): string {
  const fromHere = relative('', path);
  return fromHere.startsWith('..') ? path : fromHere;
}

function reason(cause: unknown): string {
  switch ((cause as NodeJS.ErrnoException).code) {
    case 'ENOENT':
      return 'no such file or folder';
    case 'EISDIR':
      return 'is a folder';
    case 'ENOTDIR':
      return 'a part of the path is a file, not a folder';
    case 'EEXIST':
      return 'is a file, not a folder';
    case 'EACCES':
    case 'EPERM':
      return 'permission denied';
    case 'EROFS':
      return 'the file system is read-only';
    case 'ENOSPC':
      return 'no space left on the device';
    case 'ERR_FS_FILE_TOO_LARGE':
      return 'is larger than 2 GiB';
    default:
      return errorLine(cause);
  }
}
