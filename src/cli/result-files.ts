// The result files of detect and spot: their formats, names and content. Existing files that a user
// may have made are kept (output-record.ts).
import { realpath } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { PanppError } from '../errors.js';
import { formatResults, resultFileName } from '../evaluation/results.js';
import type { Protocol } from '../evaluation/types.js';
import { type ImageRegions, formatCocoText } from '../formats/coco-text.js';
import { formatHocr } from '../formats/hocr.js';
import type { FormatRegion, ImageReference } from '../formats/input.js';
import { formatLabelme } from '../formats/labelme.js';
import { type ResultLine, jsonLine, resultLine } from '../formats/result-line.js';
import { formatSvg } from '../formats/svg.js';
import { drawMask, drawRegions } from '../images/draw.js';
import { dataUrl } from '../images/data-url.js';
import { encodePng } from '../images/encode.js';
import { onDisk, pathFromBytes } from '../node/paths.js';
import {
  type ImageFile,
  fileError,
  fileIdentity,
  openOutputFolder,
  readBytes,
  shown,
  standardInput,
  statOf,
  writeBytes,
} from './files.js';
import type { ImageResult } from './image-files.js';
import { type EntryResult, OutputRecord, hashOf, hashOfFile } from './output-record.js';
import { errorLine } from './report.js';
import { type Shard, type ShardFlags, inFileName } from './shard.js';
import { packageVersion } from './version.js';
import type { Size } from '../images/size.js';

const imageFormats = ['json', 'icdar', 'totaltext', 'iou', 'labelme', 'hocr', 'svg'] as const;
const runFormat = 'coco-text';

/** One file per image; for `coco-text` one for the whole run. */
export type Format = (typeof imageFormats)[number] | typeof runFormat;

const formats: readonly Format[] = [...imageFormats, runFormat];

export interface OutputFlags extends ShardFlags {
  readonly output: string;
  readonly overlay?: boolean;
  readonly masks?: boolean;
  readonly format?: readonly Format[];
  readonly embedImage?: boolean;
  readonly overwrite?: boolean;
  readonly resume?: boolean;
}

/**
 * Adds `--output`, `--overlay`, `--masks`, `--format`, `--embed-image`, `--overwrite` and
 * `--resume`.
 */
export function withOutputOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--output <folder>',
        'folder for result files, and for .panpp, which records them',
      ).default('panpp-output'),
    )
    .addOption(
      new Option(
        '--overlay',
        'write NAME.overlay.png: the image with its regions and words drawn (default for a single image)',
      ),
    )
    .addOption(new Option('--no-overlay', 'don’t'))
    .addOption(
      new Option('--masks', 'write NAME.mask.png: the number of the region at every pixel'),
    )
    .addOption(
      new Option(
        '--format <formats>',
        'also write a result file per image; separate several formats by commas or repeat the option. coco-text is one file ' +
          'for the run, coco-text.json (with --shard, coco-text.2-of-4.json), written at its end, or after an error with the images done so far; images ' +
          'that fail are left out. hocr needs text, so it works only with spot. totaltext lists y before x, iou x before y',
      )
        .choices(formats)
        .argParser(parseFormats),
    )
    .addOption(
      new Option(
        '--embed-image',
        'with --format svg: embed the image in the file instead of linking it',
      ),
    )
    .addOption(
      new Option(
        '--overwrite',
        'replace result files that panpp did not write or that were changed since (default: they are kept, and the exit code is 1)',
      ),
    )
    .addOption(
      new Option(
        '--resume',
        'continue a run: for images whose files were already written with these weights and settings, only the results are printed again',
      ),
    );
}

function parseFormats(list: string, before: readonly Format[] = []): readonly Format[] {
  const given = list.split(',').map((name) => {
    const format = formats.find((known) => known === name.trim());
    if (!format) throw new InvalidArgumentError(`Allowed choices are ${formats.join(', ')}.`);
    return format;
  });
  return [...new Set([...before, ...given])];
}

type Benchmark = 'icdar' | 'totaltext' | 'iou';

/** What the model is asked to do. */
export interface ResultTask {
  /** The protocols of `--format icdar`, `--format totaltext` and `--format iou`. */
  readonly protocols: Readonly<Record<Benchmark, Protocol>>;
  /** Whether text is read. */
  readonly reads: boolean;
}

/** An image whose result is written. */
interface Result extends ImageResult {
  readonly path: string;
  /** The image, relative to the written file. */
  readonly reference: ImageReference;
  readonly task: ResultTask;
  readonly embedImage: boolean;
}

interface FileKind {
  /** Path within the output folder. */
  readonly name: (resultName: string, task: ResultTask) => string;
  readonly content: (result: Result) => Uint8Array | string | Promise<string>;
}

type Kind = 'overlay' | 'masks' | (typeof imageFormats)[number];

const kinds: Readonly<Record<Kind, FileKind>> = {
  overlay: {
    name: (name) => `${name}.overlay.png`,
    content: ({ image, found }) => encodePng(drawRegions(image, found.regions)),
  },
  masks: {
    name: (name) => `${name}.mask.png`,
    content: ({ found: { width, height, regions } }) => encodePng(drawMask(width, height, regions)),
  },
  json: {
    name: (name) => `${name}.json`,
    content: ({ path, found }) => jsonLine(resultLine(path, found)),
  },
  icdar: benchmarkFile('icdar'),
  totaltext: benchmarkFile('totaltext'),
  iou: benchmarkFile('iou'),
  labelme: {
    name: (name) => `${name}.json`,
    content: ({ reference, found }) => formatLabelme(reference, found.regions),
  },
  hocr: {
    name: (name) => `${name}.hocr`,
    content: ({ reference, found }) =>
      formatHocr(reference, found.regions, { system: `panpp ${packageVersion()}` }),
  },
  svg: {
    name: (name) => `${name}.svg`,
    content: async (result) =>
      formatSvg(
        result.reference,
        result.found.regions,
        result.embedImage ? { href: await imageAsUrl(result) } : {},
      ),
  },
};

function benchmarkFile(benchmark: Benchmark): FileKind {
  return {
    // Protocols name results after images, so the run's name gets an image's ending.
    name: (name, { protocols }) =>
      join(dirname(name), resultFileName(protocols[benchmark], `${basename(name)}.png`)),
    content: ({ found, task: { protocols } }) => formatResults(protocols[benchmark], found.regions),
  };
}

/** The image as a `data:` URL; an input that can't be read twice is encoded as PNG. */
async function imageAsUrl({ path, image }: Result): Promise<string> {
  const isFile = path !== standardInput && (await statOf(path))?.isFile();
  return dataUrl(isFile ? await readBytes(path) : encodePng(image), image);
}

interface RequestedFile {
  readonly kind: Kind;
  /** Path within the output folder. */
  readonly name: string;
  readonly path: string;
  /** What it holds, for the record. */
  readonly content: string;
}

/** The result files of a run. */
export class ResultFiles {
  /** Content of the run's file, without pixels. */
  readonly #run: ImageRegions[] = [];
  /** The last write, failed or not: writes run one at a time. */
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly folder: string,
    /** With links resolved, for paths relative to it. */
    private readonly realFolder: string,
    private readonly kinds: readonly Kind[],
    /** Name of the run's file; undefined if it is not requested. */
    private readonly runFile: string | undefined,
    private readonly task: ResultTask,
    private readonly flags: OutputFlags,
    /** Undefined if no files are requested. */
    private readonly record: OutputRecord | undefined,
    /** `fileIdentity` of the input images, which no result may replace. */
    private readonly images: ReadonlySet<string>,
  ) {}

  /**
   * Makes sure, before any work is done, that all files can be written and none is written twice.
   * @param images of all shards
   * @throws PanppError `argument` for options that don't go together, `file` for a folder that
   * can't be used
   */
  static async open(
    flags: OutputFlags,
    task: ResultTask,
    images: readonly ImageFile[],
  ): Promise<ResultFiles> {
    const { output, format = [], embedImage = false, resume = false } = flags;
    if (format.includes('hocr') && !task.reads) {
      throw new PanppError(
        'argument',
        '--format hocr needs recognised text; use panpp spot, with weights that read',
      );
    }
    if (embedImage && !format.includes('svg')) {
      throw new PanppError('argument', '--embed-image is for SVG; add --format svg');
    }
    const linked = format.find((name) => name === 'labelme' || (name === 'svg' && !embedImage));
    if (linked && images.some(({ path }) => path === standardInput)) {
      const advice = linked === 'svg' ? 'add --embed-image, or save it first' : 'save it first';
      throw new PanppError(
        'argument',
        `--format ${linked} links the image's file, and standard input has none; ${advice}`,
      );
    }
    const asked: readonly (Kind | false)[] = [
      (flags.overlay ?? images.length === 1) && 'overlay',
      (flags.masks ?? false) && 'masks',
      ...imageFormats.filter((name) => format.includes(name)),
    ];
    const written = asked.filter((kind) => kind !== false);
    const runFile = format.includes(runFormat) ? runFileName(flags.shard) : undefined;
    assertNoneTwice(output, written, runFile, task, images);
    const writes = written.length > 0 || runFile !== undefined;
    if (resume && !writes) {
      throw new PanppError(
        'argument',
        '--resume needs result files to compare with; add --format, --overlay or --masks',
      );
    }
    if (writes) await openOutputFolder(output);
    const record = writes ? await openRecord(output, flags.shard) : undefined;
    const realFolder = writes ? await realPath(output) : output;
    const inputs = writes ? await Promise.all(images.map(({ path }) => statOf(path))) : [];
    const sources = new Set(inputs.filter((info) => info !== undefined).map(fileIdentity));
    return new ResultFiles(output, realFolder, written, runFile, task, flags, record, sources);
  }

  /** Whether any files are requested. */
  get isAsked(): boolean {
    return this.record !== undefined;
  }

  /**
   * An earlier run's result for an image, if it wrote all requested files.
   * @param of hash of everything the result depends on, if known
   */
  async earlier(file: ImageFile, of: string | undefined): Promise<ResultLine | undefined> {
    const entry = this.flags.resume ? await this.record?.read(file.resultName) : undefined;
    if (!entry?.result || entry.result.of !== of) return undefined;
    for (const { name, path, content } of this.#filesOf(file)) {
      if (entry.result.contents[name] !== content) return undefined;
      const hashes = entry.files[name];
      // One that can't be read is reported when it is to be written.
      const there = hashes && (await hashOfFile(path).catch(() => undefined));
      // If the process was killed, the previous version may still be there. A file that is not ours
      // is replaced only with --overwrite.
      if (!there || there === hashes[1] || (hashes.length === 0 && this.flags.overwrite))
        return undefined;
    }
    return entry.result.line;
  }

  /**
   * Adds an earlier run's result to the run's file, and reports again which files were not written.
   */
  async takeEarlier(file: ImageFile, line: ResultLine): Promise<Written> {
    await this.#addToRun(file, line);
    const { files } = (await this.record?.read(file.resultName)) ?? { files: {} };
    const kept = this.#filesOf(file).filter(({ name }) => files[name]?.length === 0);
    return { paths: [], problems: kept.map(({ path }) => keptLine(path, false)) };
  }

  /**
   * Writes an image's files; if one fails, the others are still written.
   * @param of hash of everything the result depends on, if known
   */
  async write(file: ImageFile, result: ImageResult, of: string | undefined): Promise<Written> {
    const all: Written = { paths: [], problems: [] };
    const contents = new Map<string, Uint8Array | string>();
    await this.#addToRun(file, result.found);
    const files = this.#filesOf(file);
    for (const { kind, name, path } of files) {
      const { task, flags } = this;
      const reference = await this.#reference(file, result.found, dirname(name));
      const written: Result = {
        ...result,
        path: file.path,
        reference,
        task,
        embedImage: flags.embedImage ?? false,
      };
      await attempt(path, all, async () => contents.set(name, await kinds[kind].content(written)));
    }
    const made = files.filter(({ name }) => contents.has(name));
    const entry =
      of === undefined
        ? undefined
        : {
            of,
            line: resultLine(file.path, result.found),
            contents: Object.fromEntries(made.map(({ name, content }) => [name, content])),
          };
    await this.#store(all, contents, file.resultName, entry);
    return all;
  }

  /**
   * Writes the run's file, if requested, after the pending writes.
   * @param ifAny only if the run has an image
   */
  async finish({ ifAny = false } = {}): Promise<Written> {
    const all: Written = { paths: [], problems: [] };
    const { runFile } = this;
    if (runFile === undefined || (ifAny && this.#run.length === 0)) {
      await this.#writing;
      if (runFile !== undefined)
        all.problems.push(`${join(this.folder, runFile)}: not written, because no image is done`);
      return all;
    }
    const contents = new Map<string, string>();
    await attempt(join(this.folder, runFile), all, async () =>
      contents.set(runFile, formatCocoText(this.#run, { version: packageVersion() })),
    );
    await this.#store(all, contents);
    return all;
  }

  #filesOf({ resultName }: ImageFile): readonly RequestedFile[] {
    return this.kinds.map((kind) => {
      const name = kinds[kind].name(resultName, this.task);
      const content = kind === 'svg' && this.flags.embedImage ? 'svg with its image' : kind;
      return { kind, name, path: join(this.folder, name), content };
    });
  }

  /** Writes the files of an image or of the run, and their entry in the record. */
  async #store(
    all: Written,
    contents: ReadonlyMap<string, Uint8Array | string>,
    image?: string,
    result?: EntryResult,
  ): Promise<void> {
    const { record } = this;
    if (!record) return;
    const work = this.#writing.then(async () => {
      const before = await record.read(image);
      const files = { ...before?.files };
      const free: string[] = [];
      for (const [name, content] of contents) {
        const path = join(this.folder, name);
        await attempt(path, all, async () => {
          const now = hashOf(content);
          const there = await this.#claim(path, now, files[name] ?? []);
          if (there === 'taken') {
            all.problems.push(keptLine(path, (files[name] ??= []).length > 0));
            return;
          }
          files[name] = there === undefined || there === now ? [now] : [now, there];
          free.push(name);
        });
      }
      const wrote = await attempt(join(this.folder, '.panpp'), all, () =>
        record.write({ files, result: result && merged(before?.result, result) }, image),
      );
      // Without its entry the file would later count as the user's.
      if (!wrote)
        all.problems.push(
          ...free.map(
            (name) =>
              `${join(this.folder, name)}: not written, because its record can't be written`,
          ),
        );
      for (const name of wrote ? free : []) {
        const path = join(this.folder, name);
        if (
          await attempt(path, all, () => writeBytes(path, contents.get(name)!, record.draftFolder))
        )
          all.paths.push(path);
      }
    });
    this.#writing = work.catch(() => undefined);
    await work;
  }

  /**
   * Checks whether a file may be written. Returns the hash of the existing file, undefined if there
   * is none, or `taken` if it must stay.
   */
  async #claim(path: string, now: string, own: readonly string[]): Promise<string | undefined> {
    const info = await statOf(path);
    if (info && this.images.has(fileIdentity(info)))
      throw new PanppError(
        'argument',
        'is one of the input images and is kept; give another --output',
      );
    const there = await hashOfFile(path);
    const isFree =
      there === undefined || there === now || own.includes(there) || this.flags.overwrite;
    return isFree ? there : 'taken';
  }

  async #addToRun(
    file: ImageFile,
    found: Size & { readonly regions: readonly FormatRegion[] },
  ): Promise<void> {
    if (this.runFile !== undefined)
      this.#run.push({ image: await this.#reference(file, found, ''), regions: found.regions });
  }

  async #reference(
    { path, resultName }: ImageFile,
    { width, height }: Size,
    subfolder: string,
  ): Promise<ImageReference> {
    if (path === standardInput) return { path: resultName, width, height };
    // The image may have been moved in the meantime; the result is still written.
    const folder = await realPath(dirname(path)).catch(() => resolve(dirname(path)));
    const image = join(folder, basename(path));
    return {
      path: relative(join(this.realFolder, subfolder), image).split(sep).join('/'),
      width,
      height,
    };
  }
}

/** A result, with the files that an earlier run wrote of it. */
function merged(before: EntryResult | undefined, result: EntryResult): EntryResult {
  const others = before?.of === result.of ? before.contents : {};
  return { ...result, contents: { ...others, ...result.contents } };
}

async function openRecord(output: string, shard: Shard | undefined): Promise<OutputRecord> {
  try {
    return await OutputRecord.open(output, shard);
  } catch (cause) {
    throw fileError(output, "can't be used as output folder: ", cause);
  }
}

async function realPath(path: string): Promise<string> {
  return pathFromBytes(await realpath(onDisk(path), 'buffer'));
}

function keptLine(path: string, wasOurs: boolean): string {
  return `${path}: kept, because ${wasOurs ? 'it was changed since panpp wrote it' : 'panpp did not write it'}; --overwrite replaces it`;
}

/** Runs an action on a file; if it fails, adds a line to the problems and returns false. */
async function attempt(
  path: string,
  { problems }: Written,
  work: () => Promise<unknown>,
): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    const message = errorLine(error);
    // A file system's message has the path; a format's message about a region does not.
    problems.push(message.startsWith(path) ? message : `${path}: ${message}`);
    return false;
  }
}

/** The paths of the written files, and a line for each that was not written. */
export interface Written {
  readonly paths: string[];
  readonly problems: string[];
}

/** Each shard has a file of its own. */
function runFileName(shard: Shard | undefined): string {
  return `${runFormat}${inFileName(shard)}.json`;
}

/** Images have different names, but their results may have equal names in different formats. */
function assertNoneTwice(
  folder: string,
  asked: readonly Kind[],
  runFile: string | undefined,
  task: ResultTask,
  images: readonly ImageFile[],
): void {
  const taken = new Map<string, string>(
    runFile === undefined ? [] : [[runFile, `${runFormat} of the run`]],
  );
  for (const { path, resultName } of images) {
    for (const kind of asked) {
      const name = kinds[kind].name(resultName, task);
      const [other, own] = [taken.get(name), `${kind} of ${path}`];
      if (other) {
        const file = shown(join(folder, name));
        throw new PanppError(
          'argument',
          `${file} would be written twice, as ${other} and ${own}; ` +
            'ask for one format at a time, each with its own --output',
        );
      }
      taken.set(name, own);
    }
  }
}
