// What detect and spot have in common: images named on the command line, one JSON line each on stdout, result files on request.
import { dirname, join } from 'node:path';
import { type Command, Option } from 'commander';
import type { Model } from '../detection/model.js';
import { PanppError } from '../errors.js';
import { formatResults, resultFileName } from '../evaluation/results.js';
import type { Protocol } from '../evaluation/types.js';
import { drawMask, drawRegions } from '../images/draw.js';
import { encodePng } from '../images/encode.js';
import { type EngineOptions, openEngine } from './engine.js';
import { type ImageFile, findImages, openOutputFolder, shown, writeBytes } from './files.js';
import { type Look, type Looked, lookAtFile, resultLine } from './looking.js';
import { Progress, errorLine, exitCodes, print, say } from './report.js';

export interface OutputFlags extends EngineOptions {
  readonly output: string;
  readonly overlay?: boolean;
  readonly masks?: boolean;
  readonly format?: 'json' | 'icdar' | 'totaltext';
}

/** Adds `--output`, `--overlay`, `--masks` and `--format`. */
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
      new Option('--format <format>', 'write a result file an image too').choices(['json', 'icdar', 'totaltext']),
    );
}

/** Whose result files `--format icdar` and `--format totaltext` are. */
export interface ResultProtocols {
  readonly icdar: Protocol;
  readonly totaltext: Protocol;
}

/**
 * Looks at all images named; what fails is said and the rest is done.
 * @param lookWith how an image is looked at, once the model is there
 * @returns the exit code
 */
export async function lookAtFiles(
  inputs: readonly string[],
  flags: OutputFlags,
  protocols: ResultProtocols,
  lookWith: (model: Model) => Look,
): Promise<number> {
  const { images, problems } = await findImages(inputs, flags.output);
  const outputs: Outputs = {
    folder: flags.output,
    overlay: flags.overlay ?? images.length === 1,
    masks: flags.masks ?? false,
    format: flags.format,
    protocols,
  };
  if (outputs.overlay || outputs.masks || outputs.format) await openOutputFolder(outputs.folder);
  const { gpu, model } = await openEngine(flags);
  let failed = 0;
  try {
    const look = lookWith(model);
    for (const { input, error } of problems) {
      failed++;
      say(`panpp: ${error.message}`);
      await print(jsonLine({ file: input, error: error.message }));
    }
    const progress = new Progress(images.length, 'images');
    try {
      for (const file of images) {
        if (!(await lookAndPrint(file, look, outputs, progress))) failed++;
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
  readonly format?: OutputFlags['format'];
  readonly protocols: ResultProtocols;
}

/** Works on one image and prints its line; false if something failed. */
async function lookAndPrint(file: ImageFile, look: Look, outputs: Outputs, progress: Progress): Promise<boolean> {
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
    const protocol = outputs.protocols[outputs.format];
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
