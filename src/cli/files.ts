// Files named on the command line: images out of files, folders and globs; output folders.
import { constants } from 'node:fs';
import { access, lstat, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, join, relative, resolve, sep } from 'node:path';
import { glob, isDynamicPattern } from 'tinyglobby';
import { PanppError } from '../errors.js';
import { makeFolder } from '../node/folders.js';
import { errorLine } from './report.js';

/** An image to work on. */
export interface ImageFile {
  readonly path: string;
  /** Path of its results in the output folder, without extension: unlike for any other image of the run. */
  readonly resultName: string;
}

export interface FoundImages {
  readonly images: readonly ImageFile[];
  /** Inputs that hold no images, each with the reason. */
  readonly problems: readonly { readonly input: string; readonly error: PanppError }[];
  /** Pictures in folders that can't be read: a line a folder. */
  readonly passedOver: readonly string[];
}

const imagePattern = '**/*.{png,apng,jpg,jpeg,jpe,jfif,webp}';
const otherPattern = '**/*.{avif,bmp,dng,gif,heic,heif,jp2,jxl,pdf,psd,tif,tiff,arw,cr2,cr3,nef,orf,raf,rw2}';

/**
 * Images named by files, folders (searched through for image files, in the order of their names) and globs. A file
 * that does not exist is kept: it fails when its turn comes, and the rest is still done.
 * @param outputFolder where results go; what an earlier run wrote there is found only if there is nothing else
 * @throws PanppError `file` if there are no images at all
 */
export async function findImages(inputs: readonly string[], outputFolder?: string): Promise<FoundImages> {
  const names = new Map<string, string>();
  const problems: FoundImages['problems'][number][] = [];
  for (const input of inputs) {
    const found = await namedBy(input);
    if (found.length === 0)
      problems.push({ input, error: new PanppError('file', `${input}: no PNG, JPEG or WebP files found`) });
    for (const { path, name } of withoutResults(found, outputFolder)) names.set(path, names.get(path) ?? name);
  }
  const passedOver = (await Promise.all(inputs.map(passedOverIn))).flat();
  if (names.size === 0) throw new PanppError('file', [problems[0].error.message, ...passedOver].join('; '));
  const taken = new Set<string>();
  return {
    images: [...names].map(([path, name]) => ({ path, resultName: untaken(withoutEnding(name), taken) })),
    problems,
    passedOver,
  };
}

/** `photos: 3 pictures passed over (2 heic, 1 pdf); PNG, JPEG and WebP are read`, or nothing. */
async function passedOverIn(input: string): Promise<string[]> {
  if (!(await stat(input).catch(() => undefined))?.isDirectory()) return [];
  const names = await glob(otherPattern, { cwd: input, caseSensitiveMatch: false, expandDirectories: false });
  const counts = new Map<string, number>();
  for (const name of names) {
    const ending = extname(name).slice(1).toLowerCase();
    counts.set(ending, (counts.get(ending) ?? 0) + 1);
  }
  const kinds = [...counts].sort().map(([ending, count]) => `${count} ${ending}`);
  const pictures = `${names.length} picture${names.length === 1 ? '' : 's'}`;
  return names.length === 0 ? [] : [`${input}: ${pictures} passed over (${kinds.join(', ')}); PNG, JPEG and WebP are read`];
}

interface Found {
  readonly path: string;
  /** Within the folder that was searched through. */
  readonly name: string;
}

async function namedBy(input: string): Promise<Found[]> {
  const info = await stat(input).catch(() => undefined);
  if (info?.isDirectory()) {
    const names = await glob(imagePattern, { cwd: input, caseSensitiveMatch: false, expandDirectories: false });
    return names.sort(byName).map((name) => ({ path: join(input, name), name }));
  }
  const paths = !info && isDynamicPattern(input) ? await glob(input, { expandDirectories: false }) : [input];
  return paths.sort(byName).map((path) => ({ path, name: basename(path) }));
}

function withoutResults(found: readonly Found[], outputFolder: string | undefined): readonly Found[] {
  if (outputFolder === undefined) return found;
  const folder = resolve(outputFolder) + sep;
  const sources = found.filter(({ path }) => !resolve(path).startsWith(folder));
  return sources.length > 0 ? sources : found;
}

/** `folder/a.png` becomes `folder/a`. */
export function withoutEnding(path: string): string {
  return join(dirname(path), basename(path, extname(path)));
}

// a.png and a.jpg, or two folders' a.png, must not overwrite one another's results.
function untaken(name: string, taken: Set<string>): string {
  let free = name;
  for (let number = 2; taken.has(free); number++) free = `${name}-${number}`;
  taken.add(free);
  return free;
}

/** Sorts names as people do: img_2 before img_10. */
export function byName(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

/** @throws PanppError `file` that says in words why the file can't be read */
export async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw fileError(path, '', cause);
  }
}

/**
 * Writes a file, making its folder. It is whole or not there, and an earlier file of that name stays until it is
 * whole, even if the process is killed.
 * @throws PanppError `file`
 */
export async function writeBytes(path: string, content: Uint8Array | string): Promise<void> {
  try {
    await makeFolder(dirname(path));
    // A link, a pipe or a device is written to; it would be no longer one if another file took its place.
    const target = await lstat(path).catch(() => undefined);
    if (target) await access(path, constants.W_OK);
    if (!target || target.isFile()) await replaceFile(path, content);
    else await writeFile(path, content);
  } catch (cause) {
    throw fileError(path, "can't be written: ", cause);
  }
}

let drafts = 0;

async function replaceFile(path: string, content: Uint8Array | string): Promise<void> {
  const draft = join(dirname(path), `.panpp-${process.pid}-${drafts++}.draft`);
  try {
    await writeFile(draft, content);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** Makes a folder and sees that files can be written to it, before any work is done. @throws PanppError `file` */
export async function openOutputFolder(path: string): Promise<void> {
  try {
    await makeFolder(path);
    await access(path, constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw fileError(path, "can't be used as output folder: ", cause);
  }
}

/** A path as a person would type it from here. */
export function shown(path: string): string {
  const fromHere = relative('', path);
  return fromHere.startsWith('..') ? path : fromHere;
}

/** A file system's error in one line that names the file. */
export function fileError(path: string, what: string, cause: unknown): PanppError {
  return new PanppError('file', `${path}: ${what}${reason(cause)}`, { cause });
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
      return 'there is a file where a folder should be';
    case 'EACCES':
    case 'EPERM':
      return 'permission denied';
    case 'EROFS':
      return 'the file system is read-only';
    case 'ENOSPC':
      return 'no space left on the device';
    case 'ENAMETOOLONG':
      return 'the name is too long';
    case 'ERR_FS_FILE_TOO_LARGE':
      return 'is larger than 2 GiB';
    default:
      return errorLine(cause);
  }
}
