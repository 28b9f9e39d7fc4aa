// panpp detect: text regions of images, one JSON line an image on stdout.
import { dirname, join } from 'node:path';
import { Argument, type Command, Option } from 'commander';
import type { Detection, DetectOptions, Model } from '../detection/model.js';
import { formatResults, resultFileName } from '../evaluation/results.js';
import { decodeImage } from '../images/decode.js';
import { drawMask, drawRegions } from '../images/draw.js';
import { encodePng } from '../images/encode.js';
import type { PixelImage } from '../images/image.js';
import { PanppError } from '../errors.js';
import { type EngineOptions, openEngine, withEngineOptions } from './engine.js';
import { type ImageFile, findImages, openOutputFolder, readBytes, shown, writeBytes } from './files.js';
import { Progress, errorLine, exitCodes } from './report.js';
import { exiting, integerBetween, numberBetween } from './usage.js';

interface DetectFlags extends EngineOptions {
  readonly shortSide?: number;
  readonly bbox?: 'rect' | 'poly';
  readonly tolerance?: number;
  readonly minScore?: number;
  readonly minArea?: number;
  readonly output: string;
  readonly overlay?: boolean;
  readonly masks?: boolean;
  readonly format?: 'json' | 'icdar' | 'totaltext';
}

export function addDetect(program: Command): void {
  const command = program
    .command('detect')
    .summary('find the text in images')
    .description(
      'Finds the text regions of PNG, JPEG and WebP images and prints one JSON line an image: file, width, height, regions (polygon, box, ' +
        'score, area), timings in milliseconds. An image that fails gives a line with its error, and the rest is done.',
    )
    .addArgument(new Argument('<images...>', 'files, folders (searched through), globs'))
    .addOption(new Option('--short-side <pixels>', 'resize so that the shorter side has so many pixels').argParser(integerBetween(32, 8192)))
    .addOption(new Option('--bbox <shape>', 'rectangles or outlines').choices(['rect', 'poly']))
    .addOption(
      new Option('--tolerance <pixels>', 'with --bbox poly: fewer points, none of the outline further away than this').argParser(
        numberBetween(0, 10_000),
      ),
    )
    .addOption(new Option('--min-score <score>', 'drop regions with a lower mean text probability').argParser(numberBetween(0, 1)))
    .addOption(new Option('--min-area <pixels>', 'drop smaller regions (see README, Settings)').argParser(numberBetween(0, 1e9)))
    .addOption(new Option('--output <folder>', 'folder for result files').default('panpp-output'))
    .addOption(new Option('--overlay', 'write NAME.overlay.png: the image with its regions drawn (default for a single image)'))
    .addOption(new Option('--no-overlay', 'don’t'))
    .addOption(new Option('--masks', 'write NAME.mask.png: the number of the region at every pixel'))
    .addOption(new Option('--format <format>', 'write a result file an image too').choices(['json', 'icdar', 'totaltext']));
  withEngineOptions(command).action(exiting(detect));
}

async function detect(inputs: string[], flags: DetectFlags): Promise<number> {
  const images = await findImages(inputs);
  const outputs: Outputs = {
    folder: flags.output,
    overlay: flags.overlay ?? images.length === 1,
    masks: flags.masks ?? false,
    format: flags.format,
  };
  if (outputs.overlay || outputs.masks || outputs.format) await openOutputFolder(outputs.folder);
  const { gpu, model } = await openEngine(flags);
  const options = optionsOf(flags, model);
  const progress = new Progress(images.length, 'images');
  let failed = 0;
  try {
    for (const file of images) {
      try {
        const { line, written } = await detectFile(model, file, options, outputs);
        await printLine(line);
        if (written.length > 0) progress.say(`panpp: wrote ${written.map(shown).join(', ')}`);
      } catch (error) {
        // Without its device nothing more can be done; the results so far are printed.
        if (error instanceof PanppError && error.code === 'device-lost') throw error;
        failed++;
        const message = errorLine(error);
        progress.say(`panpp: ${message}`);
        await printLine({ file: file.path, error: message });
      }
      progress.step();
    }
  } finally {
    progress.stop();
    model.dispose();
    gpu.dispose();
  }
  return failed === 0 ? exitCodes.done : exitCodes.someFailed;
}

function optionsOf({ shortSide, bbox, tolerance, minScore, minArea }: DetectFlags, model: Model): DetectOptions {
  if (tolerance !== undefined && (bbox ?? model.config.detection.bbox) === 'rect') {
    throw new PanppError('argument', '--tolerance is for outlines; add --bbox poly');
  }
  return { shortSide, bbox, tolerance, minScore, minArea };
}

/** Which files are written, and where. */
interface Outputs {
  readonly folder: string;
  readonly overlay: boolean;
  readonly masks: boolean;
  readonly format?: DetectFlags['format'];
}

async function detectFile(model: Model, file: ImageFile, options: DetectOptions, outputs: Outputs) {
  const image = await decodeImage(await readBytes(file.path), file.path);
  const detection = await detectNamed(model, image, file.path, options);
  return { line: resultLine(file, detection), written: await writeOutputs(file, image, detection, outputs) };
}

// An error that the detector raises does not know which file it is about.
async function detectNamed(model: Model, image: PixelImage, path: string, options: DetectOptions): Promise<Detection> {
  try {
    return await model.detect(image, options);
  } catch (error) {
    if (!(error instanceof PanppError) || error.code === 'device-lost') throw error;
    throw new PanppError(error.code, `${path}: ${error.message}`, { cause: error });
  }
}

function resultLine({ path }: ImageFile, { width, height, regions, timings }: Detection) {
  return {
    file: path,
    width,
    height,
    regions: regions.map(({ polygon, box, score, area }) => ({ polygon, box, score: rounded(score, 4), area })),
    timings: Object.fromEntries(Object.entries(timings).map(([stage, milliseconds]) => [stage, rounded(milliseconds, 3)])),
  };
}

async function writeOutputs(file: ImageFile, image: PixelImage, detection: Detection, outputs: Outputs): Promise<string[]> {
  const { regions } = detection;
  const written: string[] = [];
  const write = async (name: string, content: Uint8Array | string) => {
    const path = join(outputs.folder, name);
    await writeBytes(path, content);
    written.push(path);
  };
  if (outputs.overlay) await write(`${file.resultName}.overlay.png`, encodePng(drawRegions(image, regions)));
  if (outputs.masks) await write(`${file.resultName}.mask.png`, encodePng(drawMask(image.width, image.height, regions)));
  if (outputs.format === 'json') await write(`${file.resultName}.json`, `${JSON.stringify(resultLine(file, detection))}\n`);
  else if (outputs.format) {
    const protocol = outputs.format === 'icdar' ? 'icdar2015' : 'totaltext';
    // The protocols name results after images; this one's name within the run, with an image's ending.
    await write(join(dirname(file.resultName), resultFileName(protocol, `${file.resultName}.png`)), formatResults(protocol, regions));
  }
  return written;
}

/** Waits until the line is taken, so that a slow reader slows the work down instead of filling the memory. */
async function printLine(line: unknown): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    process.stdout.write(`${JSON.stringify(line)}\n`, (error) => (error ? reject(error) : resolve()));
  });
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
