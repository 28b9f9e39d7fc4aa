// Files below a folder and files that match a glob, by tinyglobby. It supports neither names that
// are not UTF-8 nor, on Linux, backslashes in names. Names passed to and from it therefore encode a
// backslash as a lone surrogate, like bytes that are not UTF-8 (paths.ts).
import { type Dirent, type Stats, readdir, realpath, stat } from 'node:fs';
import { stat as statOf } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { type FileSystemAdapter, glob } from 'tinyglobby';
import { onDisk, pathFromBytes } from '../node/paths.js';

const isWindows = process.platform === 'win32';
const backslash = '\udc5c';

function withoutBackslashes(path: string): string {
  return isWindows ? path : path.replaceAll('\\', backslash);
}

function withBackslashes(path: string): string {
  return path.replaceAll(backslash, '\\');
}

type Callback<T> = (error: NodeJS.ErrnoException | null, value?: T) => void;

/** What a search finds. */
export interface FoundFiles {
  readonly names: readonly string[];
  /** Folders whose content could not be listed, and the system's errors. */
  readonly unread: readonly { readonly folder: string; readonly cause: Error }[];
}

/** @param failed gets the folders that can't be listed; tinyglobby passes over them */
const onBytes = (failed: (folder: string, cause: Error) => void) => ({
  readdir(path: string, _: unknown, done: Callback<Dirent[]>) {
    const folder = withBackslashes(path);
    readdir(onDisk(folder), { withFileTypes: true, encoding: 'buffer' }, (error, entries) => {
      if (error) failed(folder, error);
      // A Dirent's name is an own, writable property; the methods that tell its kind still work.
      done(
        error,
        entries?.map(
          (entry) =>
            Object.assign(entry, {
              name: withoutBackslashes(pathFromBytes(entry.name as unknown as Buffer)),
            }) as unknown as Dirent,
        ),
      );
    });
  },
  // A link to nothing counts as a file: it fails when it is read, like one that is named directly.
  realpath(path: string, done: Callback<string>) {
    realpath(onDisk(withBackslashes(path)), 'buffer', (error, bytes) =>
      done(null, error ? path : withoutBackslashes(pathFromBytes(bytes))),
    );
  },
  stat: (path: string, done: Callback<Pick<Stats, 'isDirectory'>>) =>
    stat(onDisk(withBackslashes(path)), (error, info) =>
      done(null, error ? { isDirectory: () => false } : info),
    ),
});

/**
 * Files below a folder, relative to it.
 * @param pattern of tinyglobby; case is ignored
 */
export async function filesBelow(folder: string, pattern: string): Promise<FoundFiles> {
  return globbed(folder, pattern, false);
}

/** Whether a path is a glob, unless a file of exactly that name exists. */
export function isGlob(path: string): boolean {
  // Not tinyglobby's isDynamicPattern: it misses what follows an escape.
  return /[*?{]|\[.+\]/s.test(escaped(path).replace(/\\./gs, ''));
}

/**
 * Files that match a glob: `*`, `?`, `[…]`, `{a,b}` and `**`, as in shells. Parentheses and braces
 * without a comma are literal, and so is an existing folder of exactly that name: `Fotos
 * [2019]/*.jpg`.
 */
export async function filesMatching(pattern: string): Promise<FoundFiles> {
  const parts = pattern.split('/');
  let [folder, there] = ['', 0];
  while (there < parts.length - 1 && !/[*?]/.test(parts[there])) {
    const next = parts.slice(0, there + 1).join('/') || '/';
    if (!(await isFolder(next))) break;
    [folder, there] = [next, there + 1];
  }
  const { names, unread } = await globbed(folder, escaped(parts.slice(there).join('/')), true);
  return { names: names.map((name) => join(folder, name)), unread };
}

async function globbed(
  folder: string,
  pattern: string,
  caseSensitiveMatch: boolean,
): Promise<FoundFiles> {
  const cwd = resolve(folder);
  const unread: FoundFiles['unread'][number][] = [];
  const files = onBytes((inner, cause) =>
    unread.push({ folder: join(folder, relative(cwd, inner)), cause }),
  );
  const names = await glob(pattern, {
    cwd: withoutBackslashes(cwd),
    caseSensitiveMatch,
    extglob: false,
    expandDirectories: false,
    fs: files as unknown as FileSystemAdapter,
  });
  return { names: names.map(withBackslashes), unread };
}

async function isFolder(path: string): Promise<boolean> {
  return statOf(onDisk(path)).then(
    (info) => info.isDirectory(),
    () => false,
  );
}

/**
 * A glob escaped for tinyglobby, which gives parentheses, bars, a leading `!` and single braces a
 * meaning of their own.
 */
function escaped(pattern: string): string {
  const text = pattern.replaceAll('\\\\', backslash);
  const single = singleBraces(text);
  return text.replace(/\\(.)|[(){}|]|^!/gs, (found, literal: string | undefined, at: number) => {
    if (literal !== undefined) return /[*?[\](){}|!]/.test(literal) ? found : literal;
    return '{}'.includes(found) && !single.has(at) ? found : `\\${found}`;
  });
}

/** Positions of braces that enclose neither a list nor a range. */
function singleBraces(pattern: string): ReadonlySet<number> {
  const single = new Set<number>();
  const open: number[] = [];
  for (const { 0: found, index } of pattern.matchAll(/\\.|[{}]/gs)) {
    if (found === '{') open.push(index);
    if (found !== '}') continue;
    const from = open.pop();
    if (from === undefined) single.add(index);
    else if (!/,|\.\./.test(pattern.slice(from, index))) single.add(from).add(index);
  }
  for (const at of open) single.add(at);
  return single;
}
