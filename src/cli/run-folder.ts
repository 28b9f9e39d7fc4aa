// The folder of a run over a data set: the results of each image, so that an interrupted run
// continues where it stopped, and the run's settings, so that no results of other settings are
// mixed in.
//
//   run.json                 settings, weights, images
//   detections/img_1.json    the regions found in img_1.jpg, with scores, or why there are none
//   results/res_img_1.txt    the same as the protocol's result file
//
// Shards of a run may write to one folder at the same time.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PanppError } from '../errors.js';
import type { ScoredRegion } from '../evaluation/curve.js';
import { formatResults, resultFileName } from '../evaluation/results.js';
import type { FileSet } from '../evaluation/formats/files.js';
import type { Protocol } from '../evaluation/types.js';
import type { DetectionSettings } from '../network/config.js';
import { onDisk } from '../node/paths.js';
import {
  byName,
  createFile,
  namesIn,
  openOutputFolder,
  readBytes,
  removeOrphans,
  statOf,
  writeBytes,
} from './files.js';
import { parsedJson } from './json.js';

/** What a run's results depend on. */
export interface RunSettings {
  /** The version that made them. */
  readonly panpp: string;
  readonly protocol: Protocol;
  /** Where the images are, absolute. */
  readonly images: string;
  /** SHA-256 of the weights file. */
  readonly weights: string;
  readonly settings: DetectionSettings & {
    readonly tileSide?: number;
    /** These two only for protocols that compare words. */
    readonly beam?: number;
    readonly rectify?: boolean;
  };
  /** How maps and weights were stored: `f32`, `f16` or `auto`. */
  readonly precision: string;
}

/** A region, with its word's score if it was read. */
export interface StoredRegion extends ScoredRegion {
  readonly textScore?: number;
}

/** The stored result of one image. */
export type StoredImage =
  | { readonly file: string; readonly regions: readonly StoredRegion[] }
  | { readonly file: string; readonly error: string };

/** Images by their names without endings. */
export type StoredImages = ReadonlyMap<string, StoredImage>;

const runFile = 'run.json';
const detections = 'detections';
const results = 'results';

/** Whether a folder holds a run. */
export async function isRunFolder(folder: string): Promise<boolean> {
  return (await namesOf(folder)).includes(runFile);
}

/**
 * The settings of a run; undefined if the file holds none.
 * @throws PanppError `file` if it can't be read
 */
export async function readSettings(folder: string): Promise<RunSettings | undefined> {
  const text = Buffer.from(await readBytes(join(folder, runFile))).toString();
  const settings = parsedJson(text) as Partial<RunSettings> | null;
  return settings?.settings ? (settings as RunSettings) : undefined;
}

/** In which settings two runs differ, each with both values. */
export function differences(
  there: Partial<RunSettings>,
  now: Partial<RunSettings>,
): { readonly name: string; readonly there: string; readonly now: string }[] {
  const before = comparable(there);
  return Object.entries(comparable(now))
    .filter(([name, value]) => before[name] !== value)
    .map(([name, value]) => ({ name, there: before[name], now: value }));
}

/** All stored results of a run. @throws PanppError `file` if a file can't be read */
export async function readRun(folder: string): Promise<StoredImages> {
  const names = (await namesOf(join(folder, detections))).filter(
    (name) => !name.startsWith('.') && name.endsWith('.json'),
  );
  const stored = new Map<string, StoredImage>();
  for (const name of names.sort(byName)) {
    const path = join(folder, detections, name);
    const image = parseStored(await readBytes(path));
    if (!image)
      throw new PanppError(
        'file',
        `${path}: not a valid stored result; run eval --run again to replace it`,
      );
    stored.set(name.slice(0, -'.json'.length), image);
  }
  return stored;
}

/**
 * Result files in the form that `protocol` requires.
 * @throws PanppError `argument` if its format can't hold a region
 */
export function resultFiles(protocol: Protocol, stored: StoredImages): FileSet {
  const encoder = new TextEncoder();
  return new Map(
    [...stored].map(([name, image]) => [
      resultFileName(protocol, asFileName(name)),
      encoder.encode(formatResults(protocol, regionsOf(image))),
    ]),
  );
}

/** The regions of an image for scoring; none if it failed. */
export function regionsOf(image: StoredImage): readonly StoredRegion[] {
  return 'regions' in image ? image.regions : [];
}

/**
 * An image's name with an ending, which protocols remove to name results; a name such as `a.png`
 * would lose its last part without it.
 */
export function asFileName(name: string): string {
  return `${name}.png`;
}

/** A folder that a run writes to. */
export class RunFolder {
  private constructor(
    private readonly path: string,
    private readonly protocol: Protocol,
  ) {}

  /**
   * Opens a folder to continue or begin a run.
   * @param restart delete the run in the folder
   * @throws PanppError `file` if it can't be used: it holds a run with other settings, or the
   * user's own `results`
   */
  static async open(path: string, run: RunSettings, restart: boolean): Promise<RunFolder> {
    await openOutputFolder(path);
    const names = await namesOf(path);
    // Looked up after the list was made, in which another shard's beginning may be seen in part.
    const isRun = (await statOf(join(path, runFile))) !== undefined;
    const foreign = names.find((name) => name === detections || name === results);
    if (!isRun && foreign)
      throw new PanppError(
        'file',
        `${join(path, foreign)} was not made by a run; give another --results`,
      );
    if (isRun && restart) {
      // The settings go last: they mark the rest as a run's.
      for (const name of [detections, results, runFile])
        await rm(onDisk(join(path, name)), { recursive: true, force: true });
    }
    for (const name of [path, join(path, detections), join(path, results)])
      await removeOrphans(name);
    const text = `${JSON.stringify(run, undefined, 2)}\n`;
    if (!(await createFile(join(path, runFile), text))) await assertSame(path, run);
    return new RunFolder(path, run.protocol);
  }

  /** The stored result of an image; undefined if missing or unreadable, as after a power cut. */
  async read(name: string): Promise<StoredImage | undefined> {
    const bytes = await readBytes(this.#file(name)).catch(() => undefined);
    return bytes && parseStored(bytes);
  }

  /** Stores an image's result: first the result file, then the file that marks it as done. */
  async write(name: string, image: StoredImage): Promise<void> {
    for (const [file, text] of resultFiles(this.protocol, new Map([[name, image]])))
      await writeBytes(join(this.path, results, file), text);
    await writeBytes(this.#file(name), `${JSON.stringify(image)}\n`);
  }

  #file(name: string): string {
    return join(this.path, detections, `${name}.json`);
  }
}

async function assertSame(folder: string, now: RunSettings): Promise<void> {
  const there = await readSettings(folder);
  if (!there)
    throw new PanppError(
      'file',
      `${join(folder, runFile)}: not a run's settings file; give another --results, or --restart`,
    );
  const changes = differences(there, now).map(
    (one) => `${one.name}: ${one.there} there, ${one.now} now`,
  );
  if (changes.length === 0) return;
  throw new PanppError(
    'file',
    `${folder} holds another run (${changes.join('; ')}); give another --results, or --restart`,
  );
}

/** The settings as strings, by readable names. */
function comparable({
  settings,
  weights,
  ...others
}: Partial<RunSettings>): Record<string, string> {
  const unset = {
    maxSide: undefined,
    tolerance: undefined,
    tileSide: undefined,
    beam: undefined,
    rectify: undefined,
  };
  const all = { ...others, weights: weights?.slice(0, 12), ...unset, ...settings };
  return Object.fromEntries(
    Object.entries(all).map(([name, value]) => [
      name.replace(/[A-Z]/g, (capital) => ` ${capital.toLowerCase()}`),
      String(value ?? 'none'),
    ]),
  );
}

async function namesOf(folder: string): Promise<string[]> {
  return namesIn(folder).catch(() => []);
}

function parseStored(bytes: Uint8Array): StoredImage | undefined {
  const image = parsedJson(Buffer.from(bytes).toString()) as
    Partial<Record<string, unknown>> | undefined;
  if (
    typeof image?.error !== 'string' &&
    !(Array.isArray(image?.regions) && image.regions.every(isScoredRegion))
  )
    return undefined;
  return image as unknown as StoredImage;
}

function isScoredRegion(value: unknown): boolean {
  const { polygon, score, text, textScore } = Object(value) as Partial<
    Record<keyof StoredRegion, unknown>
  >;
  const isPoint = (point: unknown) =>
    Array.isArray(point) && point.length === 2 && point.every(Number.isFinite);
  return (
    Array.isArray(polygon) &&
    polygon.every(isPoint) &&
    Number.isFinite(score) &&
    (text === undefined || typeof text === 'string') &&
    (textScore === undefined || Number.isFinite(textScore))
  );
}
