import { mkdir, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { onDisk } from './paths.js';

/**
 * Makes a folder and its parents. Node's recursive mkdir never returns if a folder can't be made
 * although its parent exists (/proc).
 * @param mode permissions of the created folders
 */
export async function makeFolder(path: string, mode?: number): Promise<void> {
  try {
    await mkdir(onDisk(path), { mode });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && (await stat(onDisk(path))).isDirectory()) return;
    const parent = dirname(path);
    if (code !== 'ENOENT' || parent === path) throw error;
    if (!(await stat(onDisk(parent)).catch(() => undefined))) await makeFolder(parent, mode);
    // Another process may have created the parent, or this folder, in the meantime.
    await mkdir(onDisk(path), { mode }).catch((again: NodeJS.ErrnoException) => {
      if (again.code !== 'EEXIST') throw again;
    });
  }
}

/** panpp's folder in the user's cache folder; undefined if the user has no home folder. */
export function userCacheFolder(): string | undefined {
  const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  const ofWindows = process.platform === 'win32' ? LOCALAPPDATA : undefined;
  const cache =
    XDG_CACHE_HOME ||
    ofWindows ||
    homeFolder(process.platform === 'darwin' ? 'Library/Caches' : '.cache');
  return cache && join(cache, 'panpp');
}

function homeFolder(name: string): string | undefined {
  try {
    return join(homedir(), name);
  } catch {
    return undefined; // a user id without an entry in the system's list, as in some containers
  }
}
