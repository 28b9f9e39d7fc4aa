// What detect and spot have in common: images named on the command line, one JSON line each on stdout, result files on
// request.
import { basename } from 'node:path';
import type { Model } from '../model/model.js';
import type { ModelConfig } from '../network/config.js';
import { type EngineOptions, openEngine, parseWeights, readWeightsBytes } from './engine.js';
import { type ImageFile, findImages, shown, standardInput, statOf } from './files.js';
import { onInterrupt } from './interrupt.js';
import { type Look, type Outcome, lookAtEach, resultLine } from './looking.js';
import { type ResultLine, hashOf, isRunsPicture } from './output-record.js';
import { Progress, exitCodes, print, say } from './report.js';
import { type OutputFlags, ResultFiles, type ResultTask, type Written, jsonLine } from './result-files.js';
import { packageVersion } from './version.js';

/** What images may be on the command line. */
export const inputsHelp = 'files, folders (searched through), globs; - is an image on standard input';

/** How images are looked at. */
export interface Looking {
  /** All that results depend on besides weights and images. */
  readonly settings: object;
  readonly lookWith: (model: Model) => Look;
}

/** An image that is done now, or was before. */
type Done = { readonly file: ImageFile } & (Outcome | { readonly earlier: ResultLine });

/**
 * Looks at all images named; what fails is said and the rest is done.
 * @param lookingFor how images are looked at by a model of some configuration
 * @returns the exit code
 */
export async function lookAtFiles(
  inputs: readonly string[],
  flags: OutputFlags & EngineOptions,
  task: ResultTask,
  lookingFor: (config: ModelConfig) => Looking | Promise<Looking>,
): Promise<number> {
  const { images, problems, passedOver } = await findImages(inputs, isRunsPicture);
  for (const line of passedOver) say(`panpp: ${line}`);
  const results = await ResultFiles.open(flags, task, images);
  const weights = await readWeightsBytes(flags);
  const { settings, lookWith } = await lookingFor((await parseWeights(weights)).config);
  const madeBy = hashOf(JSON.stringify([packageVersion(), hashOf(weights.bytes), flags.precision ?? 'f32', task, settings]));
  const hashes = new Map<ImageFile, string | undefined>();
  const earlier = new Map<ImageFile, ResultLine>();
  for (const file of images) {
    hashes.set(file, await resultHash(file, madeBy));
    const line = await results.earlier(file, hashes.get(file));
    if (line) earlier.set(file, line);
  }
  if (earlier.size > 0) say(`panpp: ${earlier.size} of ${images.length} images were done before`);
  const missing = images.filter((file) => !earlier.has(file));

  let [failed, told] = [problems.length, 0];
  const stopWatching = onInterrupt(async () => {
    const written = await results.finish({ ifAny: true });
    // The image that was being written is counted by now.
    await new Promise(setImmediate);
    saidWritten(written, say);
    say(`panpp: interrupted, ${told} of ${images.length} images are done${results.isAsked ? '; the same command with --resume goes on' : ''}`);
  });
  const engine = missing.length > 0 ? await openEngine(flags, weights) : undefined;
  try {
    const progress = new Progress(images.length, 'images');
    for (const { input, error } of problems) {
      say(`panpp: ${error.message}`);
      await print(jsonLine({ file: input, error: error.message }));
    }
    try {
      const outcomes = engine ? lookAtEach(missing, lookWith(engine.model)) : none();
      for await (const done of inOrder(images, earlier, outcomes)) {
        const { isRead, isGood } = await tell(done, results, progress, hashes.get(done.file));
        if (!isGood) failed++;
        told++;
        // Nobody takes what is printed, and nothing else was asked for.
        if (!isRead && !results.isAsked) process.exit(Math.max(Number(process.exitCode ?? 0), failed > 0 ? exitCodes.someFailed : exitCodes.done));
        progress.step();
      }
    } finally {
      progress.stop();
      // After an error too: what is done must not be lost.
      if (!saidWritten(await results.finish(), say)) failed++;
    }
  } finally {
    stopWatching();
    engine?.model.dispose();
    engine?.gpu.dispose();
  }
  return failed === 0 ? exitCodes.done : exitCodes.someFailed;
}

/** A hash of all that an image's result depends on; undefined for standard input, which is never the same. */
async function resultHash({ path }: ImageFile, madeBy: string): Promise<string | undefined> {
  const info = path === standardInput ? undefined : await statOf(path);
  return info ? hashOf(JSON.stringify([madeBy, basename(path), info.size, info.mtimeMs])) : undefined;
}

async function* none(): AsyncGenerator<never> {}

/** Images that were done before between those that are done now. */
async function* inOrder(
  images: readonly ImageFile[],
  earlier: ReadonlyMap<ImageFile, ResultLine>,
  outcomes: AsyncIterable<Outcome & { readonly image: ImageFile }>,
): AsyncGenerator<Done> {
  let next = 0;
  const earlierOnes = function* (until?: ImageFile): Generator<Done> {
    for (; next < images.length && images[next] !== until; next++) yield { file: images[next], earlier: earlier.get(images[next])! };
  };
  for await (const { image: file, ...outcome } of outcomes) {
    yield* earlierOnes(file);
    next++;
    yield { file, ...outcome };
  }
  yield* earlierOnes();
}

/** Prints an image's line and writes its files. */
async function tell(done: Done, results: ResultFiles, progress: Progress, hash: string | undefined): Promise<{ isRead: boolean; isGood: boolean }> {
  const { file } = done;
  const sayIt = (message: string): void => progress.say(message);
  if ('error' in done) {
    sayIt(`panpp: ${done.error}`);
    return { isRead: await progress.print(jsonLine({ file: file.path, error: done.error })), isGood: false };
  }
  if ('earlier' in done) {
    const isRead = await progress.print(jsonLine({ ...done.earlier, file: file.path }));
    return { isRead, isGood: saidWritten(await results.takeEarlier(file, done.earlier), sayIt) };
  }
  const { looked } = done;
  // Before any file is written, for what was found must not be lost with a full disk.
  const isRead = await progress.print(jsonLine(resultLine(file.path, looked.found)));
  return { isRead, isGood: saidWritten(await results.write(file, looked, hash), sayIt) };
}

/** Says which files were written, or why not; false if something failed. */
function saidWritten({ paths, problems }: Written, sayIt: (message: string) => void): boolean {
  if (paths.length > 0) sayIt(`panpp: wrote ${paths.map(shown).join(', ')}`);
  for (const problem of problems) sayIt(`panpp: ${problem}`);
  return problems.length === 0;
}
