// panpp detect: text regions of images, one JSON line an image on stdout.
import { dirname, join } from 'node:path';
import { Argument, type Command, Option } from 'commander';
import { PanppError } from '../errors.js';
import { formatResults, resultFileName } from '../evaluation/results.js';
import { drawMask, drawRegions } from '../images/draw.js';
import { encodePng } from '../images/encode.js';
import { type EngineOptions, openEngine, withEngineOptions } from './engine.js';
import { type ImageFile, findImages, openOutputFolder, shown, writeBytes } from './files.js';
import {
  type Look,
  type Looked,
  type SettingsFlags,
  lookAtFile,
  resultLine,
  settingsOf,
  withSettingsOptions,
} from './looking.js';
import { Progress, errorLine, exitCodes, print, say } from './report.js';
import { exiting } from './usage.js';

interface DetectFlags extends EngineOptions, SettingsFlags {
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
      'Finds the text regions of PNG, JPEG and WebP images and prints one JSON line an image: file, width, height, ' +
        'regions (polygon, box, score, area), timings in milliseconds. An image that fails gives a line with its ' +
        'error, and the rest is done.',
    )
    .addArgument(new Argument('<images...>', 'files, folders (searched through), globs'));
  withSettingsOptions(command)
    .addOption(
      new Option('--output <folder>', 'folder for result files; not searched for images').default('panpp-output'),
    )
    .addOption(
      new Option('--overlay', 'write NAME.overlay.png: the image with its regions drawn (default for a single image)'),
    )
    .addOption(new Option('--no-overlay', 'don’t'))
    .addOption(new Option('--masks', 'write NAME.mask.png: the number of the region at every pixel'))
    .addOption(
      new Option('--format <format>', 'write a result file an image too').choices(['json', 'icdar', 'totaltext']),
    );
  withEngineOptions(command).action(exiting(detect));
}

async function detect(inputs: string[], flags: DetectFlags): Promise<number> {
  const { images, problems } = await findImages(inputs, flags.output);
  const outputs: Outputs = {
    folder: flags.output,
    overlay: flags.overlay ?? images.length === 1,
    masks: flags.masks ?? false,
    format: flags.format,
  };
  if (outputs.overlay || outputs.masks || outputs.format) await openOutputFolder(outputs.folder);
  const { gpu, model } = await openEngine(flags);
  let failed = 0;
  try {
    const settings = settingsOf(flags, model.config.detection);
    for (const { input, error } of problems) {
      failed++;
      say(`panpp: ${error.message}`);
      await print(jsonLine({ file: input, error: error.message }));
    }
    const progress = new Progress(images.length, 'images');
    try {
      for (const file of images) {
        if (!(await detectFile(file, (image) => model.detect(image, settings), outputs, progress))) failed++;
        progress.step();
      }
    } finally {
      progress.stop();
    }
  } finally {
    model.dispose();
    gpu.dispose();
  }
  return failed === 0 ? exitCodes.done : exitCodes.someFailed;
}

/** Which files are written, and where. */
interface Outputs {
  readonly folder: string;
  readonly overlay: boolean;
  readonly masks: boolean;
  readonly format?: DetectFlags['format'];
}

/** Works on one image and prints its line; false if something failed. */
async function detectFile(file: ImageFile, look: Look, outputs: Outputs, progress: Progress): Promise<boolean> {
  let looked: Looked;
  try {
    looked = await lookAtFile(file.path, look);
  } catch (error) {
    // Without its device nothing more can be done; the results so far are printed.
    if (error instanceof PanppError && error.code === 'device-lost') throw error;
    const message = errorLine(error);
    progress.say(`panpp: ${message}`);
    await progress.print(jsonLine({ file: file.path, error: message }));
    return false;
  }
  // Before any file is written, for what was found must not be lost with a full disk.
  await progress.print(jsonLine(resultLine(file.path, looked.found)));
  try {
    const written = await writeOutputs(file, looked, outputs);
    if (written.length > 0) progress.say(`panpp: wrote ${written.map(shown).join(', ')}`);
    return true;
  } catch (error) {
    progress.say(`panpp: ${errorLine(error)}`);
    return false;
  }
}

async function writeOutputs(
  { path, resultName }: ImageFile,
  { image, found }: Looked,
  outputs: Outputs,
): Promise<string[]> {
  const { regions } = found;
  const written: string[] = [];
  const write = async (name: string, content: Uint8Array | string) => {
    const output = join(outputs.folder, name);
    await writeBytes(output, content);
    written.push(output);
  };
  if (outputs.overlay) await write(`${resultName}.overlay.png`, encodePng(drawRegions(image, regions)));
  if (outputs.masks) await write(`${resultName}.mask.png`, encodePng(drawMask(image.width, image.height, regions)));
  if (outputs.format === 'json') await write(`${resultName}.json`, jsonLine(resultLine(path, found)));
  else if (outputs.format) {
    const protocol = outputs.format === 'icdar' ? 'icdar2015' : 'totaltext';
    // The protocols name results after images; this one's name within the run, with an image's ending.
    await write(
      join(dirname(resultName), resultFileName(protocol, `${resultName}.png`)),
      formatResults(protocol, regions),
    );
  }
  return written;
}

function jsonLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
