// Where tunings lie: one file an adapter in the user's cache folder.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PanppError } from '../errors.js';
import type { GpuProfile } from '../gpu/context.js';
import { type Tuning, type TuningState, asTuning, tuningState } from '../tuning/tuning.js';
import { userCacheFolder } from './folders.js';

/**
 * Where `panpp tune` puts what it finds out on an adapter, and the other commands look for it;
 * undefined for a user without a home.
 */
export function tuningPath({
  adapter,
  vendor,
  architecture,
}: Pick<GpuProfile, 'adapter' | 'vendor' | 'architecture'>): string | undefined {
  const folder = userCacheFolder();
  // The name is for people; two adapters whose names differ in signs alone are two.
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
 * @throws PanppError `file` if it can't be read, `argument` if it is none
 */
export async function readTuning(path: string): Promise<Tuning | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
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
      `${path} is no tuning: it is no JSON; make one with panpp tune`,
      { cause },
    );
  }
}

/** What there is for an adapter. */
export interface TuningReport {
  /** Whether it is used, or why not. */
  readonly state: TuningState | 'unreadable';
  /** The file, where there is one or could be. */
  readonly path?: string;
  /** Shapes of convolutions that were measured. */
  readonly shapes: number;
  /** Those of them that are computed in other tiles than the default ones. */
  readonly tuned: number;
  /**
   * Classes of convolutions whose methods were measured; none on adapters that compute on a CPU.
   */
  readonly classes: number;
  /** Those of them that are computed by another method than the usual one. */
  readonly changed: number;
}

/** What there is for an adapter. Never throws for what it finds. */
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
