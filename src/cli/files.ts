// Files named on the command line: images from files, folders and globs; output folders.
import { randomUUID } from 'node:crypto';
import { type Stats, constants, rmSync } from 'node:fs';
import {
  access,
  link,
  lstat,
  open,
  readdir,
  rename,
  rm,
  rmdir,
  stat,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, extname, join, relative, resolve, sep } from 'node:path';
import { PanppError } from '../errors.js';
import { makeFolder } from '../node/folders.js';
import { onDisk, pathFromBytes } from '../node/paths.js';
import { type FoundFiles, filesBelow, filesMatching, isGlob } from './globs.js';
import { errorLine } from './report.js';

/** The name that stands for standard input. */
export const standardInput = '-';

/** An image to work on. */
export interface ImageFile {
  readonly path: string;
  /** Path of its results in the output folder, without extension; unique within the run. */
  readonly resultName: string;
}

/** An image as it was named on the command line. */
export interface FoundImage extends ImageFile {
  /**
   * What tells it from the others on every machine, with `/`: its path relative to the searched
   * folder; its path as given if it was named directly or by a glob.
   */
  readonly key: string;
}

export interface FoundImages {
  readonly images: readonly FoundImage[];
  /** Inputs that hold no images, and folders that can't be read, each with the reason. */
  readonly problems: readonly { readonly input: string; readonly error: PanppError }[];
  /** Pictures in unsupported formats: one line per folder. */
  readonly passedOver: readonly string[];
}

const imagePattern = '**/*.{png,apng,jpg,jpeg,jpe,jfif,webp}';
const otherPattern =
  '**/*.{avif,bmp,dng,gif,heic,heif,jp2,jxl,pdf,psd,tif,tiff,arw,cr2,cr3,nef,orf,raf,rw2}';

/**
 * Images named by files, folders (searched recursively, in the order of names) and globs; `-` is
 * standard input. A file that does not exist is kept: it fails when its turn comes, and the others
 * are still processed.
 * @param isResult whether a file is a run's own result; such files count as images only if named
 * directly
 * @throws PanppError `file` if there are no images at all, `argument` for an empty name
 */
export async function findImages(
  inputs: readonly string[],
  isResult: (path: string) => Promise<boolean>,
): Promise<FoundImages> {
  const byPath = new Map<string, Found>();
  const problems: FoundImages['problems'][number][] = [];
  for (const input of inputs) {
    if (input === '')
      throw new PanppError(
        'argument',
        'an empty name was given, perhaps by an unset variable; give files, folders or globs',
      );
    const { found, unread } = await namedBy(input, isResult);
    for (const { folder, cause } of unread)
      problems.push({ input: folder, error: fileError(folder, '', cause) });
    if (found.length === 0 && unread.length === 0)
      problems.push({
        input,
        error: new PanppError('file', `${input}: no PNG, JPEG or WebP files found`),
      });
    for (const file of found) if (!byPath.has(file.path)) byPath.set(file.path, file);
  }
  const passedOver = (await Promise.all(inputs.map(passedOverIn))).flat();
  if (byPath.size === 0)
    throw new PanppError('file', [problems[0].error.message, ...passedOver].join('; '));
  const taken = new Set<string>();
  return {
    images: [...byPath.values()].map(({ path, name, key }) => ({
      path,
      resultName: untaken(withoutEnding(name), taken),
      key,
    })),
    problems,
    passedOver,
  };
}

/** `photos: 3 pictures skipped (2 heic, 1 pdf); only PNG, JPEG and WebP are read`, or nothing. */
async function passedOverIn(input: string): Promise<string[]> {
  if (!(await statOf(input))?.isDirectory()) return [];
  const { names } = await filesBelow(input, otherPattern);
  const counts = new Map<string, number>();
  for (const name of names) {
    const ending = extname(name).slice(1).toLowerCase();
    counts.set(ending, (counts.get(ending) ?? 0) + 1);
  }
  const kinds = [...counts].sort().map(([ending, count]) => `${count} ${ending}`);
  const pictures = `${names.length} picture${names.length === 1 ? '' : 's'}`;
  return names.length === 0
    ? []
    : [`${input}: ${pictures} skipped (${kinds.join(', ')}); only PNG, JPEG and WebP are read`];
}

interface Found {
  readonly path: string;
  /** Relative to the searched folder. */
  readonly name: string;
  readonly key: string;
}

async function namedBy(
  input: string,
  isResult: (path: string) => Promise<boolean>,
): Promise<Pick<FoundFiles, 'unread'> & { readonly found: readonly Found[] }> {
  if (input === standardInput)
    return { found: [{ path: input, name: 'stdin', key: input }], unread: [] };
  const info = await statOf(input);
  if (!info?.isDirectory() && (info || !isGlob(input)))
    return { found: [namedDirectly(input)], unread: [] };
  const { names, unread } = await (info ? filesBelow(input, imagePattern) : filesMatching(input));
  const found: Found[] = [];
  for (const name of [...names].sort(byName)) {
    const file = info ? { path: join(input, name), name, key: name } : namedDirectly(name);
    if (!(await isResult(file.path))) found.push(file);
  }
  return { found, unread };
}

function namedDirectly(path: string): Found {
  return { path, name: basename(path), key: path.replaceAll(sep, '/') };
}

/** `folder/a.png` becomes `folder/a`. */
export function withoutEnding(path: string): string {
  return join(dirname(path), basename(path, extname(path)));
}

// a.png and a.jpg, or two folders' a.png, must not overwrite each other's results.
function untaken(name: string, taken: Set<string>): string {
  let free = name;
  for (let number = 2; taken.has(free); number++) free = `${name}-${number}`;
  taken.add(free);
  return free;
}

/** Natural order: img_2 before img_10. Different names never count as equal. */
export function byName(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true }) || (a < b ? -1 : a > b ? 1 : 0);
}

/** What a path refers to, following links; undefined if nothing. */
export async function statOf(path: string): Promise<Stats | undefined> {
  return stat(onDisk(path)).catch(() => undefined);
}

/** Names in a folder. */
export async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(onDisk(folder), 'buffer')).map(pathFromBytes);
}

/** Most bytes read from an input of unknown size (a pipe, a device, standard input): 512 MiB. */
export const maxUnsizedBytes = 2 ** 29;

/**
 * A file's bytes; those of standard input for `-`.
 * @throws PanppError `file` that says why the file can't be read
 */
export async function readBytes(path: string): Promise<Uint8Array> {
  if (path === standardInput) return readStandardInput();
  try {
    const file = await open(onDisk(path));
    try {
      const info = await file.stat();
      if (info.isFile() && info.size > 0) return await file.readFile();
      if (info.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
      return await readUnsized(
        file.createReadStream({ autoClose: false, highWaterMark: 2 ** 20 }),
        path,
      );
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw cause instanceof PanppError ? cause : fileError(path, '', cause);
  }
}

let standardInputRead = false;

async function readStandardInput(): Promise<Uint8Array> {
  const name = 'standard input';
  if (process.stdin.isTTY)
    throw new PanppError(
      'file',
      `${name} is a terminal, and - reads a file from it; redirect one: panpp … - < file`,
    );
  if (standardInputRead)
    throw new PanppError('argument', `${name} can be read only once, so - may be given once`);
  standardInputRead = true;
  try {
    return await readUnsized(process.stdin, name);
  } catch (cause) {
    throw cause instanceof PanppError ? cause : fileError(name, '', cause);
  }
}

async function readUnsized(stream: AsyncIterable<Uint8Array>, name: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of stream) {
    parts.push(part);
    length += part.length;
    if (length > maxUnsizedBytes)
      throw new PanppError(
        'file',
        `${name}: gives more than ${maxUnsizedBytes / 2 ** 20} MiB, the limit for a pipe or a device; give a file`,
      );
  }
  return Buffer.concat(parts);
}

/**
 * Writes a file atomically and makes its folder. An earlier file of that name stays until the new
 * one is complete, even if the process is killed.
 * @param draftFolder folder for the incomplete file; default: the target's folder
 * @throws PanppError `file`
 */
export async function writeBytes(
  path: string,
  content: Uint8Array | string,
  draftFolder = dirname(path),
): Promise<void> {
  try {
    await makeFolder(dirname(path));
    // A link, a pipe or a device is written to directly: replacing it would destroy it.
    const target = await lstat(onDisk(path)).catch(() => undefined);
    if (target) await access(onDisk(path), constants.W_OK);
    if (!target || target.isFile()) await replaceFile(path, content, draftFolder);
    else await writeFile(onDisk(path), content);
  } catch (cause) {
    throw fileError(path, "can't be written: ", cause);
  }
}

/**
 * Writes a file atomically unless there is one of that name, even if several processes try at once.
 * @returns whether it was written
 * @throws PanppError `file`
 */
export async function createFile(path: string, content: string): Promise<boolean> {
  try {
    await withDraft(dirname(path), async (draft) => {
      await writeFile(onDisk(draft), content);
      // Unlike a rename, a link never replaces a file.
      await link(onDisk(draft), onDisk(path)).catch(async (error: NodeJS.ErrnoException) => {
        if (await statOf(path)) throw error;
        // Some file systems have no links.
        await rename(onDisk(draft), onDisk(path));
      });
    });
    return true;
  } catch (cause) {
    if (await statOf(path)) return false;
    throw fileError(path, "can't be written: ", cause);
  }
}

async function replaceFile(
  path: string,
  content: Uint8Array | string,
  draftFolder: string,
): Promise<void> {
  try {
    await withDraft(draftFolder, async (draft) => {
      await writeFile(onDisk(draft), content);
      await rename(onDisk(draft), onDisk(path));
    });
  } catch (error) {
    // A folder in the output folder may be on another disk.
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV' || draftFolder === dirname(path))
      throw error;
    await replaceFile(path, content, dirname(path));
  }
}

/**
 * Makes a folder with files: complete, or not at all.
 * @param fill writes the files to the folder that it is given
 * @throws PanppError `file`, also if there is anything of that name but an empty folder
 */
export async function createFolder(
  path: string,
  fill: (draft: string) => Promise<void>,
): Promise<void> {
  const target = resolve(path);
  if (target === process.cwd())
    throw new PanppError('file', `${path}: is the current folder; give the name of a new folder`);
  const info = await statOf(target);
  if (info && !(info.isDirectory() && (await namesIn(target).catch(() => [''])).length === 0))
    throw new PanppError('file', `${path}: is there already; give the name of a new folder`);
  await openOutputFolder(dirname(target));
  await withDraft(dirname(target), async (draft) => {
    await fill(draft);
    try {
      // Not every system replaces an empty folder.
      if (info) await rmdir(onDisk(target));
      await rename(onDisk(draft), onDisk(target));
    } catch (cause) {
      throw fileError(path, "can't be written: ", cause);
    }
  });
}

const drafts = new Set<string>();
process.on('exit', () => drafts.forEach(remove));

/**
 * Gives a path for something incomplete, and removes what is left there in the end. Processes in
 * different containers or machines may write to one folder and have equal process ids.
 */
async function withDraft(folder: string, work: (draft: string) => Promise<void>): Promise<void> {
  const draft = join(folder, `.panpp-${randomUUID()}.draft`);
  drafts.add(draft);
  try {
    await work(draft);
  } finally {
    remove(draft);
    drafts.delete(draft);
  }
}

function remove(path: string): void {
  rmSync(onDisk(path), { force: true, recursive: true });
}

/** Nothing is written for so long, in milliseconds: an hour, in which clocks may differ too. */
const orphanAge = 3_600_000;

/**
 * Removes what killed processes left incomplete in a folder, which need not exist; those processes
 * may be of other machines.
 */
export async function removeOrphans(folder: string): Promise<void> {
  for (const name of await namesIn(folder).catch(() => [])) {
    if (!/^\.panpp-.*\.draft$/s.test(name)) continue;
    const path = join(folder, name);
    const info = await statOf(path);
    if (info && Date.now() - info.mtimeMs > orphanAge)
      await rm(onDisk(path), { force: true, recursive: true }).catch(() => undefined);
  }
}

/** Refuses to overwrite one of the inputs, under whatever name. @throws PanppError `argument` */
export async function assertNoInput(
  output: string,
  inputs: readonly (string | undefined)[],
): Promise<void> {
  const target = await statOf(output);
  if (!target?.isFile()) return;
  for (const input of inputs) {
    const source = input === undefined || input === standardInput ? undefined : await statOf(input);
    if (source && fileIdentity(source) === fileIdentity(target))
      throw new PanppError(
        'argument',
        `${output} is ${output === input ? 'the file that is read' : `the same file as ${input}, which is read`}; give another name to write to`,
      );
  }
}

/** The same text for the same file, whatever its names and links. */
export function fileIdentity({ dev, ino }: Stats): string {
  return `${dev}:${ino}`;
}

/**
 * Makes a folder and checks that files can be written to it, before any work is done.
 * @throws PanppError `file`
 */
export async function openOutputFolder(path: string): Promise<void> {
  try {
    await makeFolder(path);
    await access(onDisk(path), constants.W_OK | constants.X_OK);
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
