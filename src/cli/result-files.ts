// The files that detect and spot write: which there are, what they are called, and what is in them.
import { realpath } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { PanppError } from '../errors.js';
import { formatResults, resultFileName } from '../evaluation/results.js';
import type { Protocol } from '../evaluation/types.js';
import { type ImageRegions, formatCocoText } from '../formats/coco-text.js';
import { formatHocr } from '../formats/hocr.js';
import type { ImageReference } from '../formats/input.js';
import { formatLabelme } from '../formats/labelme.js';
import { formatSvg } from '../formats/svg.js';
import { drawMask, drawRegions } from '../images/draw.js';
import { encodePng } from '../images/encode.js';
import { imageFormat } from '../images/format.js';
import { type ImageFile, openOutputFolder, readBytes, shown, writeBytes } from './files.js';
import { type Looked, resultLine } from './looking.js';
import { errorLine } from './report.js';
import { packageVersion } from './version.js';

const imageFormats = ['json', 'icdar', 'totaltext', 'iou', 'labelme', 'hocr', 'svg'] as const;
const runFormat = 'coco-text';

/** One file an image, or for `coco-text` one for the run. */
export type Format = (typeof imageFormats)[number] | typeof runFormat;

const formats: readonly Format[] = [...imageFormats, runFormat];

export interface OutputFlags {
  readonly output: string;
  readonly overlay?: boolean;
  readonly masks?: boolean;
  readonly format?: readonly Format[];
  readonly embedImage?: boolean;
}

/** Adds `--output`, `--overlay`, `--masks`, `--format` and `--embed-image`. */
export function withOutputOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--output <folder>', 'folder for result files; not searched for images').default('panpp-output'),
    )
    .addOption(
      new Option('--overlay', 'write NAME.overlay.png: the image with its regions drawn (default for a single image)'),
    )
    .addOption(new Option('--no-overlay', 'don’t'))
    .addOption(new Option('--masks', 'write NAME.mask.png: the number of the region at every pixel'))
    .addOption(
      new Option(
        '--format <formats>',
        'write a result file an image too; several formats with commas, or the option again. coco-text is one file ' +
          'for the run, coco-text.json: written at its end, and if an error cuts it off, with what is done; images ' +
          'that fail are left out. hocr needs text, so it is for spot. totaltext lists y before x, iou x before y',
      )
        .choices(formats)
        .argParser(parseFormats),
    )
    .addOption(new Option('--embed-image', 'with --format svg: the image within the file, not only its name'));
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

/** What is asked of the model. */
export interface ResultTask {
  /** Whose result files `--format icdar`, `--format totaltext` and `--format iou` are. */
  readonly protocols: Readonly<Record<Benchmark, Protocol>>;
  /** Whether text is read. */
  readonly reads: boolean;
}

/** An image whose result is written. */
interface Result extends Looked {
  readonly path: string;
  /** The image as seen from the file that is written. */
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
    content: ({ reference, found }) => formatHocr(reference, found.regions, { system: `panpp ${packageVersion()}` }),
  },
  svg: {
    name: (name) => `${name}.svg`,
    content: async (result) =>
      formatSvg(result.reference, result.found.regions, result.embedImage ? { href: await imageAsUrl(result) } : {}),
  },
};

function benchmarkFile(benchmark: Benchmark): FileKind {
  return {
    // The protocols name results after images; this one's name within the run, with an image's ending.
    name: (name, { protocols }) => join(dirname(name), resultFileName(protocols[benchmark], `${name}.png`)),
    content: ({ found, task: { protocols } }) => formatResults(protocols[benchmark], found.regions),
  };
}

/** The image file as it is; but a WebP as PNG, for PNG and JPEG is what every reader of SVG knows. */
async function imageAsUrl({ path, image }: Result): Promise<string> {
  const bytes = await readBytes(path);
  const isJpeg = imageFormat(bytes) === 'JPEG';
  const known = isJpeg || imageFormat(bytes) === 'PNG' ? bytes : encodePng(image);
  return `data:image/${isJpeg ? 'jpeg' : 'png'};base64,${Buffer.from(known).toString('base64')}`;
}

/** The result files of a run. */
export class ResultFiles {
  /** What goes into the run's file; no pixels. */
  readonly #run: ImageRegions[] = [];

  private constructor(
    private readonly folder: string,
    /** Without links in it, for paths relative to it. */
    private readonly realFolder: string,
    private readonly kinds: readonly Kind[],
    private readonly withRunFile: boolean,
    private readonly task: ResultTask,
    private readonly embedImage: boolean,
  ) {}

  /**
   * Makes sure, before any work is done, that all files can be written and none is written twice.
   * @throws PanppError `argument` for what doesn't go together, `file` for a folder that can't be used
   */
  static async open(flags: OutputFlags, task: ResultTask, images: readonly ImageFile[]): Promise<ResultFiles> {
    const { output, format = [], embedImage = false } = flags;
    if (format.includes('hocr') && !task.reads) {
      throw new PanppError('argument', '--format hocr needs text that is read; use panpp spot, with weights that read');
    }
    if (embedImage && !format.includes('svg')) {
      throw new PanppError('argument', '--embed-image is for SVG; add --format svg');
    }
    const asked: readonly (Kind | false)[] = [
      (flags.overlay ?? images.length === 1) && 'overlay',
      (flags.masks ?? false) && 'masks',
      ...imageFormats.filter((name) => format.includes(name)),
    ];
    const written = asked.filter((kind) => kind !== false);
    const withRunFile = format.includes(runFormat);
    assertNoneTwice(output, written, withRunFile, task, images);
    const writes = written.length > 0 || withRunFile;
    if (writes) await openOutputFolder(output);
    return new ResultFiles(output, writes ? await realpath(output) : output, written, withRunFile, task, embedImage);
  }

  /** Writes an image's files; one that can't be written keeps no other from it. */
  async write(file: ImageFile, looked: Looked): Promise<Written> {
    if (this.withRunFile) {
      this.#run.push({ image: await this.#reference(file, looked, ''), regions: looked.found.regions });
    }
    const all: Written = { paths: [], problems: [] };
    for (const kind of this.kinds) {
      const name = kinds[kind].name(file.resultName, this.task);
      await this.#writeTo(all, name, async () => {
        const reference = await this.#reference(file, looked, dirname(name));
        const { task, embedImage } = this;
        return kinds[kind].content({ ...looked, path: file.path, reference, task, embedImage });
      });
    }
    return all;
  }

  /** Writes the run's file, if one was asked for. */
  async finish(): Promise<Written> {
    const all: Written = { paths: [], problems: [] };
    if (this.withRunFile) {
      await this.#writeTo(all, runFileName, async () => formatCocoText(this.#run, { version: packageVersion() }));
    }
    return all;
  }

  async #writeTo({ paths, problems }: Written, name: string, make: () => Promise<Uint8Array | string>): Promise<void> {
    const path = join(this.folder, name);
    try {
      await writeBytes(path, await make());
      paths.push(path);
    } catch (error) {
      const message = errorLine(error);
      // A file system's message has the path; one about a region that a format can't hold does not.
      problems.push(message.startsWith(path) ? message : `${path}: ${message}`);
    }
  }

  async #reference({ path }: ImageFile, { found }: Looked, subfolder: string): Promise<ImageReference> {
    const { width, height } = found;
    // Moved away meanwhile, perhaps; the result is written all the same.
    const folder = await realpath(dirname(path)).catch(() => resolve(dirname(path)));
    const image = join(folder, basename(path));
    return { path: relative(join(this.realFolder, subfolder), image).split(sep).join('/'), width, height };
  }
}

/** What became of files: the paths of those that are written, and a line on each that is not. */
export interface Written {
  readonly paths: string[];
  readonly problems: string[];
}

const runFileName = `${runFormat}.json`;

/** Names of images differ, but names of their results may be equal in different formats. */
function assertNoneTwice(
  folder: string,
  asked: readonly Kind[],
  withRunFile: boolean,
  task: ResultTask,
  images: readonly ImageFile[],
): void {
  const taken = new Map<string, string>(withRunFile ? [[runFileName, `${runFormat} of the run`]] : []);
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

/** A result as a line of JSON. */
export function jsonLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
