// What detect and spot have in common: images named on the command line, one JSON line each on stdout, result files on
// request.
import type { Model } from '../detection/model.js';
import { type EngineOptions, openEngine } from './engine.js';
import { type ImageFile, findImages, shown } from './files.js';
import { type Look, type Outcome, lookAtEach, resultLine } from './looking.js';
import { Progress, exitCodes, print, say } from './report.js';
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
  const { images, problems, passedOver } = await findImages(inputs, flags.output);
  for (const line of passedOver) say(`panpp: ${line}`);
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
      for await (const { image: file, ...outcome } of lookAtEach(images, look)) {
        if (!(await tell(file, outcome, results, progress))) failed++;
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

/** Prints an image's line and writes its files; false if something failed. */
async function tell(file: ImageFile, outcome: Outcome, results: ResultFiles, progress: Progress): Promise<boolean> {
  if ('error' in outcome) {
    progress.say(`panpp: ${outcome.error}`);
    await progress.print(jsonLine({ file: file.path, error: outcome.error }));
    return false;
  }
  const { looked } = outcome;
  // Before any file is written, for what was found must not be lost with a full disk.
  await progress.print(jsonLine(resultLine(file.path, looked.found)));
  return saidWritten(await results.write(file, looked), (message) => progress.say(message));
}

/** Says which files were written, or why not; false if something failed. */
function saidWritten({ paths, problems }: Written, sayIt: (message: string) => void): boolean {
  if (paths.length > 0) sayIt(`panpp: wrote ${paths.map(shown).join(', ')}`);
  for (const problem of problems) sayIt(`panpp: ${problem}`);
  return problems.length === 0;
}
