// The folders of eval --run, and folders or archives of result files.
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { PanppError, quoted } from '../../errors.js';
import type { FileSet } from '../../evaluation/formats/files.js';
import { PROTOCOLS } from '../../evaluation/types.js';
import { readFileSet } from '../file-set.js';
import { createFolder, namesIn, statOf, writeBytes } from '../files.js';
import { jsonOf } from '../json.js';
import {
  RunFolder,
  type RunSettings,
  type StoredImage,
  differences,
  readRun,
  readSettings,
  regionsOf,
} from '../run-folder.js';
import type { Part, PartResult } from './join.js';

export interface RunPart extends Part<StoredImage> {
  readonly settings: RunSettings;
}

/** The folder of a run. @throws PanppError `file` if it can't be read */
export async function readRunPart(path: string): Promise<RunPart> {
  const settings = await readSettings(path);
  if (!settings || !PROTOCOLS.includes(settings.protocol))
    throw new PanppError('file', `${join(path, 'run.json')}: not a run's settings file`);
  const results = [...(await readRun(path))].map(([image, value]) => ({
    image,
    value,
    failed: 'error' in value,
  }));
  return { path, settings, results };
}

/**
 * The settings of all runs; the folder of images may have another name on another machine.
 * @throws PanppError `file` if they differ
 */
export function settingsOfAll(parts: readonly RunPart[]): RunSettings {
  const [first, ...others] = parts;
  for (const { path, settings } of others) {
    const [change] = differences(first.settings, { ...settings, images: first.settings.images });
    if (change)
      throw new PanppError(
        'file',
        `${first.path} and ${path} are of different runs (${change.name}: ${change.there} and ${change.now}); join shards of one run`,
      );
  }
  return first.settings;
}

/** Whether the same regions were found. */
export function isSameStored(a: StoredImage, b: StoredImage): boolean {
  return jsonOf(regionsOf(a)) === jsonOf(regionsOf(b));
}

/** Writes the folder of a run, as a whole. @throws PanppError `file` */
export async function writeRun(
  output: string,
  settings: RunSettings,
  results: readonly PartResult<StoredImage>[],
): Promise<void> {
  await createFolder(output, async (draft) => {
    const run = await RunFolder.open(draft, settings, false);
    for (const { image, value } of results) await run.write(image, value);
  });
}

/**
 * Result files.
 * @throws PanppError `file` or `evaluation` if they can't be read, or lie in subfolders
 */
export async function readFilesPart(path: string): Promise<Part<Uint8Array>> {
  if ((await statOf(path))?.isDirectory()) {
    for (const name of await namesIn(path)) {
      const inner = join(path, name);
      if (!name.startsWith('.') && (await statOf(inner))?.isDirectory())
        throw new PanppError(
          'file',
          `${inner}: result files in subfolders can't be joined; join the shards' JSON lines, or each subfolder`,
        );
    }
  }
  const files = await readFileSet(path);
  return {
    path,
    results: [...files].map(([image, value]) => ({ image, value, failed: false })),
  };
}

/** Whether two files are the same. */
export function isSameFileContent(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** Writes files to a folder, as a whole. @throws PanppError `file` */
export async function writeFiles(output: string, files: FileSet): Promise<void> {
  await createFolder(output, async (draft) => {
    for (const [name, bytes] of files) await writeBytes(join(draft, name), bytes);
  });
}

/** The same archive for the same files: without the time of day. */
const noTime = new Date(1980, 0, 1);

/** Files as a zip archive. @throws PanppError `argument` for a name that is not UTF-8 */
export function zipOf(files: FileSet): Uint8Array {
  const odd = [...files.keys()].find((name) => /\p{Surrogate}/u.test(name));
  if (odd !== undefined)
    throw new PanppError(
      'argument',
      `${quoted(odd)} is not UTF-8, and a zip archive can't hold its name; give a folder as --output`,
    );
  return zipSync(Object.fromEntries(files), { mtime: noTime });
}
