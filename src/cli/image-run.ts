// A run of detect or spot: images named on the command line, one JSON line each on stdout, result
// files on request.
import { basename } from 'node:path';
import { type ResultLine, jsonLine, resultLine } from '../formats/result-line.js';
import type { Model } from '../model/model.js';
import type { ModelConfig } from '../network/config.js';
import { type EngineOptions, openEngine, readWeightsFor } from './engine.js';
import { type ImageFile, findImages, shown, standardInput, statOf } from './files.js';
import { type FindText, type Outcome, processFiles } from './image-files.js';
import { onInterrupt } from './interrupt.js';
import { hashOf, isRunsPicture } from './output-record.js';
import { Progress, exitCodes, print, say } from './report.js';
import { type OutputFlags, ResultFiles, type ResultTask, type Written } from './result-files.js';
import { imagesOf } from './shard.js';
import { packageVersion } from './version.js';

/** Help for the image arguments. */
export const inputsHelp =
  'files, folders (searched recursively), globs; - is an image on standard input';

/** Finds text in a run's images. */
export interface TextFinder {
  /** Everything results depend on besides weights and images. */
  readonly settings: object;
  readonly forModel: (model: Model) => FindText;
}

/** An image that was processed now or by an earlier run. */
type Done = { readonly file: ImageFile } & (Outcome | { readonly earlier: ResultLine });

/**
 * Finds the text in all named images; failures are reported and the others still processed.
 * @param finderFor makes the finder for a model's configuration
 * @returns the exit code
 */
export async function runOnImages(
  inputs: readonly string[],
  flags: OutputFlags & EngineOptions,
  task: ResultTask,
  finderFor: (config: ModelConfig) => TextFinder | Promise<TextFinder>,
): Promise<number> {
  const { images: all, problems, passedOver } = await findImages(inputs, isRunsPicture);
  for (const line of passedOver) say(`panpp: ${line}`);
  const results = await ResultFiles.open(flags, task, all);
  const images = imagesOf(flags.shard, all);
  const weights = await readWeightsFor(task.reads ? 'spot' : 'detect', flags);
  const { settings, forModel } = await finderFor(weights.config);
  const hashes = await resultHashes(images, [
    weights.bytes,
    flags.precision ?? 'f32',
    task,
    settings,
  ]);
  const earlier = await earlierResults(images, results, hashes);
  const missing = images.filter((file) => !earlier.has(file));

  let [failed, reported] = [problems.length, 0];
  const stopWatching = onInterrupt(async () => {
    const written = await results.finish({ ifAny: true });
    // One turn later the image that was being written is counted.
    await new Promise(setImmediate);
    saidWritten(written, say);
    say(
      `panpp: interrupted, ${reported} of ${images.length} images are done${results.isAsked ? '; the same command with --resume continues' : ''}`,
    );
  });
  const engine = missing.length > 0 ? await openEngine(flags, weights) : undefined;
  const progress = new Progress(images.length, 'images');
  try {
    for (const { input, error } of problems) {
      say(`panpp: ${error.message}`);
      await print(jsonLine({ file: input, error: error.message }));
    }
    const outcomes = engine
      ? processFiles(missing, (image, path) => engine.run((model) => forModel(model)(image, path)))
      : none();
    for await (const done of inOrder(images, earlier, outcomes)) {
      const { isRead, isGood } = await report(done, results, progress, hashes.get(done.file));
      if (!isGood) failed++;
      reported++;
      // Nobody reads the output, and no files were requested.
      if (!isRead && !results.isAsked)
        process.exit(
          Math.max(
            Number(process.exitCode ?? 0),
            failed > 0 ? exitCodes.someFailed : exitCodes.done,
          ),
        );
      progress.step();
    }
  } finally {
    progress.stop();
    // After an error too: finished results must not be lost.
    if (!saidWritten(await results.finish(), say)) failed++;
    stopWatching();
    await engine?.dispose();
  }
  return failed === 0 ? exitCodes.done : exitCodes.someFailed;
}

/**
 * For each image a hash of everything its result depends on; undefined for standard input, which
 * can't be repeated.
 */
async function resultHashes(
  images: readonly ImageFile[],
  [weights, ...others]: readonly [weights: Uint8Array, ...unknown[]],
): Promise<ReadonlyMap<ImageFile, string | undefined>> {
  const common = hashOf(JSON.stringify([packageVersion(), hashOf(weights), ...others]));
  const hashes = new Map<ImageFile, string | undefined>();
  for (const file of images) {
    const info = file.path === standardInput ? undefined : await statOf(file.path);
    hashes.set(
      file,
      info && hashOf(JSON.stringify([common, basename(file.path), info.size, info.mtimeMs])),
    );
  }
  return hashes;
}

/** Results that `--resume` can reuse. */
async function earlierResults(
  images: readonly ImageFile[],
  results: ResultFiles,
  hashes: ReadonlyMap<ImageFile, string | undefined>,
): Promise<ReadonlyMap<ImageFile, ResultLine>> {
  const earlier = new Map<ImageFile, ResultLine>();
  for (const file of images) {
    const line = await results.earlier(file, hashes.get(file));
    if (line) earlier.set(file, line);
  }
  if (earlier.size > 0) say(`panpp: ${earlier.size} of ${images.length} images were done before`);
  return earlier;
}

async function* none(): AsyncGenerator<never> {}

/** Merges earlier and new results in the images' order. */
async function* inOrder(
  images: readonly ImageFile[],
  earlier: ReadonlyMap<ImageFile, ResultLine>,
  outcomes: AsyncIterable<Outcome & { readonly image: ImageFile }>,
): AsyncGenerator<Done> {
  let next = 0;
  const earlierOnes = function* (until?: ImageFile): Generator<Done> {
    for (; next < images.length && images[next] !== until; next++)
      yield { file: images[next], earlier: earlier.get(images[next])! };
  };
  for await (const { image: file, ...outcome } of outcomes) {
    yield* earlierOnes(file);
    next++;
    yield { file, ...outcome };
  }
  yield* earlierOnes();
}

/** Prints an image's line and writes its files. */
async function report(
  done: Done,
  results: ResultFiles,
  progress: Progress,
  hash: string | undefined,
): Promise<{ isRead: boolean; isGood: boolean }> {
  const { file } = done;
  const sayIt = (message: string): void => progress.say(message);
  if ('error' in done) {
    sayIt(`panpp: ${done.error}`);
    return {
      isRead: await progress.print(jsonLine({ file: file.path, error: done.error })),
      isGood: false,
    };
  }
  if ('earlier' in done) {
    const isRead = await progress.print(jsonLine({ ...done.earlier, file: file.path }));
    return { isRead, isGood: saidWritten(await results.takeEarlier(file, done.earlier), sayIt) };
  }
  const { result } = done;
  // Printed before any file is written: a full disk must not lose the result.
  const isRead = await progress.print(jsonLine(resultLine(file.path, result.found)));
  return { isRead, isGood: saidWritten(await results.write(file, result, hash), sayIt) };
}

/** Reports which files were written and what failed; false if something failed. */
function saidWritten({ paths, problems }: Written, sayIt: (message: string) => void): boolean {
  if (paths.length > 0) sayIt(`panpp: wrote ${paths.map(shown).join(', ')}`);
  for (const problem of problems) sayIt(`panpp: ${problem}`);
  return problems.length === 0;
}
