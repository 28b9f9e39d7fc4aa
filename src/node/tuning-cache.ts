// Where tunings are stored: one file per adapter in the user's cache folder.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PanppError } from '../errors.js';
import type { GpuProfile } from '../gpu/context.js';
import { type Tuning, type TuningState, asTuning, tuningState } from '../tuning/tuning.js';
import { userCacheFolder } from './folders.js';
import { onDisk } from './paths.js';

/**
 * The file where `panpp tune` stores an adapter's tuning and the other commands look for it;
 * undefined if the user has no home folder.
 */
export function tuningPath({
  adapter,
  vendor,
  architecture,
}: Pick<GpuProfile, 'adapter' | 'vendor' | 'architecture'>): string | undefined {
  const folder = userCacheFolder();
  // The name is for readability; the hash tells adapters apart whose names differ only in
  // punctuation.
  const name = adapter
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, 60);
  const digest = createHash('sha256')
    .update(JSON.stringify([adapter, vendor, architecture]))
    .digest('hex')
    .slice(0, 8);
  return folder && join(folder, 'tuning', `${name}-${digest}.json`);
}

/**
 * Reads a tuning from a file.
 * @returns undefined if there is no such file
 * @throws PanppError `file` if it can't be read, `argument` if it is not a tuning
 */
export async function readTuning(path: string): Promise<Tuning | undefined> {
  let text: string;
  try {
    text = await readFile(onDisk(path), 'utf8');
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new PanppError('file', `${path}: ${message.split(',')[0]}`, { cause });
  }
  return asTuning(parsed(text, path), path);
}

function parsed(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new PanppError(
      'argument',
      `${path} is not a tuning: it is not JSON; make one with panpp tune`,
      { cause },
    );
  }
}

/** The state of an adapter's stored tuning. */
export interface TuningReport {
  /** Whether it is used, or why not. */
  readonly state: TuningState | 'unreadable';
  /** The file, where there is one or could be. */
  readonly path?: string;
  /** Number of measured convolution shapes. */
  readonly shapes: number;
  /** Number of shapes that use other tiles than the default. */
  readonly tuned: number;
  /**
   * Number of convolution classes whose methods were measured; 0 on adapters that compute on a CPU.
   */
  readonly classes: number;
  /** Number of classes that use another method than the default. */
  readonly changed: number;
}

/** Reports the stored tuning of an adapter. Never throws for the file's state. */
export async function reportTuning(
  adapter: Parameters<typeof tuningPath>[0],
): Promise<TuningReport> {
  const path = tuningPath(adapter);
  try {
    const tuning = path === undefined ? undefined : await readTuning(path);
    const [shapes, methods] = [
      Object.values(tuning?.shapes ?? {}),
      Object.values(tuning?.methods ?? {}),
    ];
    return {
      state: tuningState(tuning, adapter),
      path,
      shapes: shapes.length,
      tuned: shapes.filter(({ tile }) => tile).length,
      classes: methods.length,
      changed: methods.filter(({ method }) => method).length,
    };
  } catch (error) {
    if (!(error instanceof PanppError)) throw error;
    return { state: 'unreadable', path, shapes: 0, tuned: 0, classes: 0, changed: 0 };
  }
}
