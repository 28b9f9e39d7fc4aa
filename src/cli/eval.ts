// panpp eval: scores results by a benchmark's own protocol.
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { PanppError } from '../errors.js';
import { type ScoredRegion, thresholdCurve } from '../evaluation/curve.js';
import { evaluate } from '../evaluation/evaluate.js';
import { lineChart } from '../evaluation/plot.js';
import type { FileSet } from '../evaluation/formats/files.js';
import { type EvaluationOptions, PROTOCOLS, type Protocol } from '../evaluation/types.js';
import { detectionPresets } from '../network/config.js';
import { withEngineOptions } from './engine.js';
import { jsonOf, tablesOf } from './eval-report.js';
import { runCorrection } from './eval-correction.js';
import { type Run, type RunFlags, runDataset } from './eval-run.js';
import { readFileSet } from './file-set.js';
import { assertNoInput, shown, writeBytes } from './files.js';
import { type CorrectionFlags, withCorrectionOptions, withReadOptions } from './reading-options.js';
import { withSettingsOptions, withTileOption } from './settings-options.js';
import { withShardOption } from './shard.js';
import { exitCodes, print, say } from './report.js';
import {
  type StoredImages,
  asFileName,
  isRunFolder,
  readRun,
  readSettings,
  regionsOf,
  resultFiles,
} from './run-folder.js';
import { exiting, numberBetween } from './usage.js';

interface EvalFlags extends Partial<RunFlags>, CorrectionFlags {
  readonly protocol: Protocol;
  readonly gt: string;
  readonly results: string;
  readonly iouThreshold?: number;
  readonly json?: boolean;
  readonly perImage?: boolean;
  readonly plot?: string;
  readonly run?: boolean;
}

const runOnly = [
  'images',
  'settings',
  'restart',
  'shard',
  'shortSide',
  'maxSide',
  'tileSide',
  'bbox',
  'tolerance',
  'minScore',
  'minArea',
  'beam',
  'noRectify',
  'weights',
  'adapter',
  'precision',
  'tuning',
  'toggles',
] as const;

export function addEval(program: Command): void {
  const command = program
    .command('eval')
    .summary('score results by a benchmark’s protocol')
    .description(
      'Compares result files with ground truth as a benchmark’s own script does: precision, recall and their harmonic ' +
        'mean (H-mean). With --run it finds the text of all images first and stores it in --results; after an ' +
        'interruption the same command continues. --results may be the folder of such a run, with any protocol. ' +
        'With a lexicon or --correct the words of a run are corrected by the authors’ rule before they are scored; ' +
        'the stored words stay as they were read. ' +
        'With --run --shard the text of a part of the images is stored, and nothing is scored.',
    )
    .addOption(
      new Option('--protocol <name>', 'whose rules').choices(PROTOCOLS).makeOptionMandatory(),
    )
    .requiredOption(
      '--gt <path>',
      'folder or zip archive of the ground truth, in the benchmark’s own format',
    )
    .requiredOption(
      '--results <path>',
      'folder or zip archive of result files; with --run the folder to write them to',
    )
    .addOption(
      new Option(
        '--iou-threshold <iou>',
        'with --protocol iou: IoU that a pair must exceed (default: 0.5)',
      ).argParser(numberBetween(0, 1)),
    )
    .option('--json', 'print one line of JSON, with all digits')
    .option('--per-image', 'print each image’s numbers too')
    .option(
      '--plot <file>',
      'write an SVG of precision, recall and H-mean over the score threshold; needs a run’s results',
    )
    .option('--run', 'find the text first, and read it if the protocol compares words')
    .option('--images <path>', 'with --run: folder or glob of the images')
    .addOption(
      new Option(
        '--settings <benchmark>',
        'with --run: detection settings to use (default: the protocol’s, else the weights’)',
      ).choices(Object.keys(detectionPresets)),
    )
    .option('--restart', 'with --run: delete the earlier run in the folder');
  withEngineOptions(
    withShardOption(
      withTileOption(withSettingsOptions(withCorrectionOptions(withReadOptions(command)))),
    ),
  ).action(exiting(evaluation));
}

async function evaluation(flags: EvalFlags): Promise<number> {
  const { protocol } = flags;
  const runFlags = runFlagsOf(flags);
  const options: EvaluationOptions = { iouThreshold: flags.iouThreshold };
  const correction = await runCorrection(protocol, flags);
  const groundTruth = await readFileSet(flags.gt, protocol);
  if (flags.plot !== undefined) {
    const inFolder = [...groundTruth.keys()].map((name) => join(flags.gt, name));
    await assertNoInput(flags.plot, [flags.gt, ...inFolder, flags.weights, flags.lexicon]);
  }
  const run = runFlags
    ? await runDataset({ protocol, groundTruth, options, correction }, flags.results, runFlags)
    : await readRunAt(flags.results);
  if (flags.shard) return reportShard(flags, run?.stored);
  const scoresFor = flags.plot !== undefined ? '--plot' : correction && '--lexicon or --correct';
  if (scoresFor && !run) {
    throw new PanppError(
      'argument',
      `${scoresFor} needs scores, which result files don't hold; give the folder of an eval --run as --results`,
    );
  }
  const stored = run && correction ? await correction.apply(run.stored) : run?.stored;
  const files = stored ? resultFiles(protocol, stored) : await readFileSet(flags.results, protocol);
  const result = evaluate(protocol, groundTruth, files, options);
  const failed = failuresOf(stored);
  const notes = [...result.notes];
  if (failed.length > 0)
    notes.push(
      `counted as images without detections, because they failed: ${failed.map(({ image }) => image).join(', ')}`,
    );
  if (correction) notes.push(correction.note);
  for (const note of notes) say(`panpp: ${note}`);
  const details = {
    protocol,
    perImage: flags.perImage ?? false,
    notes,
    failed,
    settings: run?.settings,
    correction: correction?.settings,
  };
  await print(
    flags.json ? `${JSON.stringify(jsonOf(result, details))}\n` : tablesOf(result, details),
  );
  if (flags.plot && stored) {
    await writeBytes(flags.plot, plotOf(protocol, groundTruth, stored, options));
    say(`panpp: wrote ${shown(flags.plot)}`);
  }
  return failed.length === 0 ? exitCodes.done : exitCodes.someFailed;
}

/**
 * The options of a run; undefined without --run.
 * @throws PanppError `argument` for options that don't fit
 */
function runFlagsOf({ run, images, ...flags }: EvalFlags): RunFlags | undefined {
  if (run && images === undefined) throw new PanppError('argument', '--run needs --images');
  const ofWhole = (['restart', 'json', 'perImage', 'plot', 'lexicon', 'correct'] as const).find(
    (name) => flags[name],
  );
  if (run && flags.shard && ofWhole)
    throw new PanppError(
      'argument',
      ofWhole === 'restart'
        ? '--restart with --shard would delete what other shards have stored; give a new --results'
        : `${optionOf(ofWhole)} is for figures, and a shard has none; score --results without --run after all shards`,
    );
  if (run) return { ...flags, images: images! };
  // Without the option, `rectify` is true.
  const given = { images, ...flags, noRectify: flags.rectify === false || undefined };
  const stray = runOnly.find((name) => given[name] !== undefined);
  if (stray) throw new PanppError('argument', `${optionOf(stray)} is for --run`);
  return undefined;
}

function optionOf(flag: string): string {
  return `--${flag.replace(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`)}`;
}

/** Images that could not be processed. */
function failuresOf(stored: StoredImages = new Map()): { image: string; error: string }[] {
  return [...stored].flatMap(([image, one]) =>
    'error' in one ? [{ image, error: one.error }] : [],
  );
}

/** A shard is not scored: figures of some of the images would be taken for those of all. */
function reportShard(
  { protocol, gt, results }: EvalFlags,
  stored: StoredImages = new Map(),
): number {
  say(
    `panpp: images stored in ${shown(results)}: ${stored.size}; after all shards, panpp eval --protocol ${protocol} --gt ${gt} --results ${results} scores them`,
  );
  return failuresOf(stored).length === 0 ? exitCodes.done : exitCodes.someFailed;
}

/** The stored results of a run; undefined if the folder or archive holds result files. */
async function readRunAt(results: string): Promise<Run | undefined> {
  if (!(await isRunFolder(results))) return undefined;
  const settings = (await readSettings(results))?.settings;
  return { settings, stored: await readRun(results) };
}

/** Number of thresholds in a plot, evenly spaced from the lowest score. */
const plotPoints = 26;

function plotOf(
  protocol: Protocol,
  groundTruth: FileSet,
  stored: StoredImages,
  options: EvaluationOptions,
): string {
  const detections = new Map<string, readonly ScoredRegion[]>(
    [...stored].map(([name, image]) => [asFileName(name), regionsOf(image)]),
  );
  const lowest = [...detections.values()]
    .flat()
    .reduce((least, { score }) => Math.min(least, score), 1);
  const from = Math.floor(lowest * 100) / 100;
  const thresholds = Array.from(
    { length: plotPoints },
    (_, index) => from + ((1 - from) * index) / (plotPoints - 1),
  );
  const curve = thresholdCurve(protocol, groundTruth, detections, thresholds, options);
  if (curve.length === 0)
    throw new PanppError(
      'argument',
      '--plot: nothing was found in any image, so there is nothing to plot',
    );
  const series = [
    ['precision', (point: (typeof curve)[number]) => point.precision],
    ['recall', (point: (typeof curve)[number]) => point.recall],
    ['H-mean', (point: (typeof curve)[number]) => point.hmean],
  ] as const;
  return lineChart({
    title: `${protocol}: figures over the score threshold`,
    x: { label: 'score threshold', from, to: 1 },
    y: { label: 'share', from: 0, to: 1 },
    series: series.map(([name, valueOf]) => ({
      name,
      points: curve.map((point) => [point.threshold, valueOf(point)] as const),
    })),
  });
}
