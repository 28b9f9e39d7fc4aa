// What detect and spot have in common: images named on the command line, one JSON line each on stdout, result files on
// request.
import type { Model } from '../detection/model.js';
import { PanppError } from '../errors.js';
import { type EngineOptions, openEngine } from './engine.js';
import { type ImageFile, findImages, shown } from './files.js';
import { type Look, type Looked, lookAtFile, resultLine } from './looking.js';
import { Progress, errorLine, exitCodes, print, say } from './report.js';
import { type OutputFlags, ResultFiles, type ResultTask, type Written, jsonLine } from './result-files.js';

/**
 * Looks at all images named; what fails is said and the rest is done.
 * @param lookWith how an image is looked at, once the model is there
 * @returns the exit code
 */
export async function lookAtFiles(
  inputs: readonly string[],
  flags: OutputFlags & EngineOptions,
  task: ResultTask,
  lookWith: (model: Model) => Look,
): Promise<number> {
  const { images, problems } = await findImages(inputs, flags.output);
  const results = await ResultFiles.open(flags, task, images);
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
        if (!(await lookAndPrint(file, look, results, progress))) failed++;
        progress.step();
      }
    } finally {
      progress.stop();
      // After an error too: what is done must not be lost.
      if (!saidWritten(await results.finish(), say)) failed++;
    }
  } finally {
    model.dispose();
    gpu.dispose();
  }
  return failed === 0 ? exitCodes.done : exitCodes.someFailed;
}

/** Works on one image and prints its line; false if something failed. */
async function lookAndPrint(file: ImageFile, look: Look, results: ResultFiles, progress: Progress): Promise<boolean> {
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
  return saidWritten(await results.write(file, looked), (message) => progress.say(message));
}

/** Says which files were written, or why not; false if something failed. */
function saidWritten({ paths, problems }: Written, tell: (message: string) => void): boolean {
  if (paths.length > 0) tell(`panpp: wrote ${paths.map(shown).join(', ')}`);
  for (const problem of problems) tell(`panpp: ${problem}`);
  return problems.length === 0;
}
