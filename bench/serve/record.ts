// The record of the service's figures on one adapter. Its parts may come from several runs.
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { type Origin, fileNameOf } from '../record.js';
import type {
  BatchingEntry,
  LoadEntry,
  MemoryEntry,
  OverheadEntry,
  OverloadEntry,
} from './figures.js';

/** A part's figures, and when they were measured. */
export interface Measured<T> {
  readonly date: string;
  readonly commit: string;
  /** The machine's load averages, over a minute, before and after. */
  readonly load: readonly [number, number];
  readonly shortSide: number;
  readonly seconds: number;
  readonly figures: T;
}

export interface Figures {
  readonly load: LoadEntry[];
  readonly overhead: OverheadEntry[];
  readonly batching: BatchingEntry[];
  readonly overload: OverloadEntry[];
  readonly memory: MemoryEntry;
  readonly hostMemory: MemoryEntry;
}

export type Parts = { [Name in keyof Figures]?: Measured<Figures[Name]> };

/** The adapter and machine are those of the last run. */
export interface ServeRecord extends Origin {
  readonly parts: Parts;
}

/** Adds a part to an adapter's record. */
export async function keep(folder: string, origin: Origin, part: Parts): Promise<void> {
  const path = join(folder, `${fileNameOf(origin)}.json`);
  const earlier = await readRecord(path);
  const record: ServeRecord = { ...origin, parts: { ...earlier?.parts, ...part } };
  await mkdir(folder, { recursive: true });
  await writeFile(path, `${JSON.stringify(record, undefined, 1)}\n`);
}

export async function readRecords(folder: string): Promise<ServeRecord[]> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.json')).sort();
  return Promise.all(files.map(async (name) => (await readRecord(join(folder, name)))!));
}

/** Measures a part. */
export async function measured<T>(
  { commit }: Origin,
  { shortSide, seconds }: { readonly shortSide: number; readonly seconds: number },
  measure: () => Promise<T>,
): Promise<Measured<T>> {
  const [before] = loadavg();
  const date = new Date().toISOString();
  const figures = await measure();
  const [after] = loadavg();
  return { date, commit, load: [before, after], shortSide, seconds, figures };
}

async function readRecord(path: string): Promise<ServeRecord | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as ServeRecord;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
