// Records what runs have written to an output folder. The next run then knows which files it may
// replace, which pictures in it are results rather than inputs, and which images are done.
//
//   .panpp/images/a.json   for image a: its result, what that depends on, and the files written
//   .panpp/run.json        the files written for the whole run; of a shard, run.2-of-4.json
//
// Shards of a run may write to one folder at the same time: each writes only its own images' entries.
//
// A file belongs to the run while its content is what was written; a file corrected by hand belongs
// to the user. An entry is written before its files, so all are known if the process is killed.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { ResultLine } from '../formats/result-line.js';
import { makeFolder } from '../node/folders.js';
import { onDisk } from '../node/paths.js';
import { readBytes, removeOrphans, statOf, writeBytes } from './files.js';
import { type Shard, inFileName } from './shard.js';

export interface Entry {
  /**
   * SHA-256 of what was written, by path within the output folder: the latest version, then the one
   * it replaced, which may still be there if the process was killed. Empty if a file that was not
   * the run's was in its place.
   */
  readonly files: Readonly<Record<string, readonly string[]>>;
  readonly result?: EntryResult;
}

/** An image's result. */
export interface EntryResult {
  /** Hash of everything the result depends on. */
  readonly of: string;
  readonly line: ResultLine;
  /**
   * What the files of this result hold, by path within the output folder: formats share names, and
   * `files` also has those of earlier results.
   */
  readonly contents: Readonly<Record<string, string>>;
}

const recordFolder = '.panpp';

/** The record within an output folder. */
export class OutputRecord {
  readonly #path: string;
  readonly #runFile: string;

  private constructor(outputFolder: string, shard: Shard | undefined) {
    this.#path = join(outputFolder, recordFolder);
    this.#runFile = join(this.#path, `run${inFileName(shard)}.json`);
  }

  /** @throws the file system's error if it can't be created */
  static async open(outputFolder: string, shard?: Shard): Promise<OutputRecord> {
    const record = new OutputRecord(outputFolder, shard);
    await makeFolder(record.#path);
    await removeOrphans(record.#path);
    return record;
  }

  /** A folder on the same disk for incomplete files. */
  get draftFolder(): string {
    return this.#path;
  }

  /**
   * The entry of an image, by the name of its results, or of the run; undefined if missing or
   * unreadable.
   */
  async read(image?: string): Promise<Entry | undefined> {
    return readEntry(this.#file(image));
  }

  async write(entry: Entry, image?: string): Promise<void> {
    await writeBytes(this.#file(image), `${JSON.stringify(entry)}\n`, this.#path);
  }

  #file(image: string | undefined): string {
    return image === undefined ? this.#runFile : entryFile(this.#path, image);
  }
}

function entryFile(recordPath: string, image: string): string {
  return join(recordPath, 'images', `${image}.json`);
}

async function readEntry(path: string): Promise<Entry | undefined> {
  try {
    const entry = JSON.parse(
      Buffer.from(await readBytes(path)).toString(),
    ) as Partial<Entry> | null;
    const lists = Object.values(entry?.files ?? { none: undefined });
    const isWhole = lists.every(Array.isArray) && (!entry?.result || entry.result.contents);
    return isWhole ? (entry as Entry) : undefined;
  } catch {
    return undefined;
  }
}

const pictures = /\.(overlay|mask)\.png$/;

/** Whether a file is a picture that a run wrote, by the record of a folder above it. */
export async function isRunsPicture(path: string): Promise<boolean> {
  if (!pictures.test(path)) return false;
  const file = resolve(path);
  const image = file.replace(pictures, '');
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    const entry = await readEntry(entryFile(join(folder, recordFolder), relative(folder, image)));
    if (entry?.files[relative(folder, file)]?.length) return true;
    if (dirname(folder) === folder) return false;
  }
}

/** SHA-256 of a file; undefined if it is missing, or a folder, a pipe or a device. */
export async function hashOfFile(path: string): Promise<string | undefined> {
  if (!(await statOf(path))?.isFile()) return undefined;
  const hash = createHash('sha256');
  await pipeline(createReadStream(onDisk(path)), hash);
  return hash.digest('hex');
}

export function hashOf(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('hex');
}
