// panpp eval --run: finds the text in all images of a data set. Results are stored image by image
// (run-folder.ts), so that after an interruption the same command continues.
import { createHash } from 'node:crypto';
import { basename, resolve } from 'node:path';
import type { Detection, Spotting } from '../model/options.js';
import { PanppError } from '../errors.js';
import { evaluate } from '../evaluation/evaluate.js';
import type { FileSet } from '../evaluation/formats/files.js';
import type { EvaluationOptions, Protocol } from '../evaluation/types.js';
import { assertComparesWords, comparesWords } from '../evaluation/words.js';
import { resultLine } from '../formats/result-line.js';
import { type GivenSettings, settingsOf } from '../model/outside-settings.js';
import { detectionPresets } from '../network/config.js';
import type { Polygon } from '../shapes/geometry.js';
import { type Engine, type EngineOptions, openEngine, readWeightsFor } from './engine.js';
import type { RunCorrection } from './eval-correction.js';
import { type FoundImage, findImages, withoutEnding } from './files.js';
import { onInterrupt } from './interrupt.js';
import { type FindText, processFiles } from './image-files.js';
import { isRunsPicture } from './output-record.js';
import { type ReadFlags, readingSettings } from './reading-options.js';
import { Progress, say } from './report.js';
import {
  RunFolder,
  type RunSettings,
  type StoredImage,
  type StoredImages,
  resultFiles,
} from './run-folder.js';
import { type ShardFlags, imagesOf } from './shard.js';
import { packageVersion } from './version.js';

export type Preset = keyof typeof detectionPresets;

export interface RunFlags extends EngineOptions, GivenSettings, ShardFlags, ReadFlags {
  readonly images: string;
  readonly settings?: Preset;
  readonly tileSide?: number;
  readonly restart?: boolean;
}

export interface Run {
  /** How the text was found, if that can be read. */
  readonly settings?: RunSettings['settings'];
  readonly stored: StoredImages;
}

/** What the results will be compared with. */
export interface Task {
  readonly protocol: Protocol;
  readonly groundTruth: FileSet;
  readonly options: EvaluationOptions;
  /** How words will be corrected before they are compared. */
  readonly correction?: RunCorrection;
}

/**
 * Finds the text in all images, or in those of a shard, that have no result in the folder yet.
 * @throws PanppError before any work if names do not fit the ground truth, an image has no lexicon,
 * or the folder holds another run; later `file` if results can't be written, and `device-lost`;
 * finished results are kept
 */
export async function runDataset(task: Task, folder: string, flags: RunFlags): Promise<Run> {
  const { protocol } = task;
  if (flags.beam !== undefined) assertComparesWords('--beam', protocol);
  if (flags.rectify === false) assertComparesWords('--no-rectify', protocol);
  const all = await namedImages(flags.images);
  assertScorable(task, [...all.keys()]);
  await task.correction?.check(all.keys());
  const weights = await readWeightsFor(comparesWords(protocol) ? 'spot' : 'detect', flags);
  const preset = flags.settings ?? presetOf(protocol);
  // The weights' own settings may be for another benchmark.
  const settings = {
    ...settingsOf(flags, preset ? detectionPresets[preset] : weights.config.detection),
    tileSide: flags.tileSide,
    ...(comparesWords(protocol) ? readingSettings(flags) : {}),
  };
  const identity: RunSettings = {
    panpp: packageVersion(),
    protocol,
    images: resolve(flags.images),
    weights: createHash('sha256').update(weights.bytes).digest('hex'),
    settings,
    precision: flags.precision ?? 'f32',
  };
  // A restart deletes results, so it must be known that new ones can be made.
  let engine = flags.restart ? await openEngine(flags, weights) : undefined;
  try {
    const runFolder = await RunFolder.open(folder, identity, flags.restart ?? false);
    say(
      `panpp: settings, ${preset ? `${preset}'s` : "the weights' own"}, with options applied: ${inWords(settings)}`,
    );
    const own = new Set(imagesOf(flags.shard, [...all.values()]));
    const images = new Map([...all].filter(([, image]) => own.has(image)));
    const done = await readDone(runFolder, images.keys());
    if (done.size > 0) say(`panpp: ${done.size} of ${images.size} images were done before`);
    const missing = new Map([...images].filter(([name]) => !done.has(name)));
    if (missing.size > 0) {
      engine ??= await openEngine(flags, weights);
      await processAll(missing, textFinder(protocol, engine, settings), async (name, image) => {
        await runFolder.write(name, image);
        done.set(name, image);
      });
    }
    // In the images' order, however often the run was interrupted: floating-point sums depend on it.
    return { settings, stored: new Map([...images.keys()].map((name) => [name, done.get(name)!])) };
  } finally {
    await engine?.dispose();
  }
}

/** Results of earlier runs. A failed image is not done: it is tried again. */
async function readDone(
  runFolder: RunFolder,
  names: Iterable<string>,
): Promise<Map<string, StoredImage>> {
  const done = new Map<string, StoredImage>();
  for (const name of names) {
    const image = await runFolder.read(name);
    if (image && 'regions' in image) done.set(name, image);
  }
  return done;
}

/** Images by their names without endings: ground truth and results are named after these. */
async function namedImages(input: string): Promise<Map<string, FoundImage>> {
  const byName = new Map<string, FoundImage>();
  const { images, problems, passedOver } = await findImages([input], isRunsPicture);
  if (problems.length > 0) throw problems[0].error;
  for (const line of passedOver) say(`panpp: ${line}`);
  for (const image of images) {
    const { path } = image;
    const name = basename(withoutEnding(path));
    const other = byName.get(name);
    if (other)
      throw new PanppError(
        'file',
        `${other.path} and ${path} have the same name; results are named after images`,
      );
    byName.set(name, image);
  }
  return byName;
}

const unitSquare: Polygon = [
  [0, 0],
  [1, 0],
  [1, 1],
  [0, 1],
];

/** Checks at once, rather than after hours, that every image has readable ground truth. */
function assertScorable({ protocol, groundTruth, options }: Task, names: readonly string[]): void {
  const nothing: StoredImage = { file: '', regions: [] };
  // Some protocols fail without any detection, so one image gets a square.
  const square: StoredImage = { file: '', regions: [{ polygon: unitSquare, score: 1, text: 'a' }] };
  const results = resultFiles(
    protocol,
    new Map(names.map((name, index) => [name, index === 0 ? square : nothing])),
  );
  try {
    const [extra] = evaluate(protocol, groundTruth, results, options).ignored;
    if (extra !== undefined)
      throw new PanppError('evaluation', `results: ${extra}: there is no ground truth for it`);
  } catch (error) {
    if (!(error instanceof PanppError) || !error.message.startsWith('results: ')) throw error;
    throw new PanppError(
      error.code,
      `--images and --gt don't match (results are named after images): ${error.message}`,
      { cause: error },
    );
  }
}

function textFinder(
  protocol: Protocol,
  engine: Engine,
  settings: RunSettings['settings'],
): FindText {
  return (image) =>
    engine.run<Detection | Spotting>((model) =>
      comparesWords(protocol) ? model.spot(image, settings) : model.detect(image, settings),
    );
}

function presetOf(protocol: Protocol): Preset | undefined {
  // Word spotting is the end-to-end task, counted differently.
  if (protocol === 'icdar2015-spotting') return 'icdar2015-e2e';
  const presets = Object.keys(detectionPresets) as Preset[];
  return (
    presets.find((preset) => preset === protocol) ??
    presets.find((preset) => protocol.startsWith(preset))
  );
}

function inWords({
  shortSide,
  maxSide,
  bbox,
  tolerance,
  minScore,
  minArea,
  tileSide,
  beam,
  rectify,
}: RunSettings['settings']): string {
  const limited = maxSide === undefined ? '' : `, max side ${maxSide}`;
  const simplified = tolerance === undefined ? '' : `, tolerance ${tolerance}`;
  const tiled = tileSide === undefined ? '' : `, tile side ${tileSide}`;
  const searched = beam === undefined ? '' : `, beam ${beam}`;
  const read = rectify === undefined ? '' : `, ${rectify ? '' : 'not '}rectified`;
  return `short side ${shortSide}${limited}${tiled}, ${bbox}${simplified}, min score ${minScore}, min area ${minArea}${searched}${read}`;
}

async function processAll(
  images: ReadonlyMap<string, FoundImage>,
  findText: FindText,
  store: (name: string, image: StoredImage) => Promise<void>,
): Promise<void> {
  const progress = new Progress(images.size, 'images');
  let done = 0;
  const stopWatching = onInterrupt(async () =>
    say(
      `panpp: interrupted, ${done} of ${images.size} images are done; the same command continues`,
    ),
  );
  try {
    const files = [...images].map(([name, { path }]) => ({ name, path }));
    for await (const {
      image: { name, path },
      ...outcome
    } of processFiles(files, findText)) {
      if ('error' in outcome) progress.say(`panpp: ${outcome.error}`);
      await store(
        name,
        'error' in outcome
          ? { file: path, error: outcome.error }
          : resultLine(path, outcome.result.found),
      );
      done++;
      progress.step();
    }
  } finally {
    stopWatching();
    progress.stop();
  }
}
