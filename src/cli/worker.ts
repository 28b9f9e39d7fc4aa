// panpp worker: takes images from a queue, on as many machines as wanted.
import { type Command, Option } from 'commander';
import { PanppError } from '../errors.js';
import type { Model } from '../model/model.js';
import type { DetectOptions, Detection, Spotting } from '../model/options.js';
import type { PixelImage } from '../images/image.js';
import { type GivenSettings, settingsOf } from '../model/outside-settings.js';
import {
  type EngineOptions,
  type Task,
  type WeightsBytes,
  openEngine,
  readWeightsFor,
  withEngineOptions,
} from './engine.js';
import { onInterrupt } from './interrupt.js';
import { hashOf } from './output-record.js';
import { readAddress } from './queue/addresses.js';
import { type QueueFlags, withQueueOptions } from './queue/jobs.js';
import type { OpenQueue } from './queue/redis.js';
import { type ResultStore, openResults } from './queue/results.js';
import { openBucket } from './queue/s3.js';
import { type ReadFlags, readingSettings, withRectifyOption } from './reading-options.js';
import { exitCodes, say } from './report.js';
import { withSettingsOptions, withTileOption } from './settings-options.js';
import { exiting, integerBetween, numberBetween } from './usage.js';
import { packageVersion } from './version.js';

interface WorkerFlags extends EngineOptions, GivenSettings, QueueFlags, ReadFlags {
  readonly task: Task;
  readonly output: string;
  readonly tileSide?: number;
  readonly fetch?: boolean;
  readonly atOnce: number;
  readonly lease: number;
  readonly maxBytes: number;
  readonly maxPixels: number;
  readonly untilEmpty?: boolean;
}

export function addWorker(program: Command): void {
  const command = program
    .command('worker')
    .summary('find the text in images of a queue')
    .description(
      'Takes images from the queue of `panpp enqueue` (docs/queue.md), and writes one JSON file per content, weights and ' +
        'settings to --output. All workers of a queue should have the same options. SIGTERM or Ctrl-C ends it once the ' +
        'images under way are done; what a killed worker had begun is done by another.',
    )
    .addOption(
      new Option(
        '--output <place>',
        'where results go: a folder, or s3://BUCKET/FOLDER',
      ).makeOptionMandatory(),
    )
    .addOption(
      new Option('--task <task>', 'find text, or find and read it')
        .choices(['detect', 'spot'])
        .default('detect'),
    )
    .addOption(new Option('--fetch', 'also load images from http:// and https:// addresses'))
    .addOption(new Option('--until-empty', 'end when no image is left'))
    .addOption(
      new Option('--at-once <images>', 'images in memory at a time')
        .default(3)
        .argParser(integerBetween(1, 64)),
    )
    .addOption(
      new Option(
        '--lease <seconds>',
        'after so long without a sign of life from a worker, its images go to others',
      )
        .default(60)
        .argParser(numberBetween(1, 86_400)),
    )
    .addOption(
      new Option('--max-bytes <bytes>', 'largest file that is downloaded')
        .default(2 ** 28)
        .argParser(integerBetween(1, 2 ** 30)),
    )
    .addOption(
      new Option('--max-pixels <pixels>', 'largest image')
        .default(2 ** 28)
        .argParser(integerBetween(1, 2 ** 28)),
    );
  withEngineOptions(
    withTileOption(withSettingsOptions(withRectifyOption(withQueueOptions(command)))),
  ).action(exiting(work));
}

/** Milliseconds for a download. */
const downloadTime = 120_000;

async function work(flags: WorkerFlags): Promise<number> {
  if (flags.task === 'detect' && flags.rectify === false)
    throw new PanppError('argument', '--no-rectify is for --task spot');
  const weights = await readWeightsFor(flags.task, flags);
  const settings = {
    ...settingsOf(flags, weights.config.detection),
    tileSide: flags.tileSide,
    ...(flags.task === 'spot' ? readingSettings(flags) : {}),
  };
  const results = await openResults(flags.output);
  const { openQueue } = await import('./queue/redis.js');
  const open = await openQueue(flags);
  // An open connection would keep the process alive after an error.
  try {
    return await workOn(open, flags, weights, settings, results);
  } finally {
    await open.close();
  }
}

async function workOn(
  open: OpenQueue,
  flags: WorkerFlags,
  weights: WeightsBytes,
  settings: DetectOptions,
  results: ResultStore,
): Promise<number> {
  const engine = await openEngine(flags, weights);
  const find = (image: PixelImage): ((model: Model) => Promise<Detection | Spotting>) =>
    flags.task === 'spot'
      ? (model) => model.spot(image, settings)
      : (model) => model.detect(image, settings);
  const { ImageWorker } = await import('./queue/image-worker.js');
  const worker = new ImageWorker(
    open,
    {
      fingerprint: fingerprintOf(weights.bytes, flags, settings),
      read: (address) =>
        readAddress(address, {
          fetches: flags.fetch ?? false,
          maxBytes: flags.maxBytes,
          timeout: downloadTime,
          bucket: openBucket,
        }),
      find: (image) => engine.run(find(image)),
      results,
    },
    { atOnce: flags.atOnce, lease: flags.lease * 1000, maxPixels: flags.maxPixels },
  );
  const exitCode = () => (worker.failed === 0 ? exitCodes.done : exitCodes.someFailed);
  const stopWatching = onInterrupt(async () => {
    say('panpp: ending when the images under way are done');
    await worker.stop();
    return exitCode();
  });
  say(`panpp: working on the queue ${flags.queue}`);
  try {
    await worker.run(flags.untilEmpty ?? false);
  } finally {
    stopWatching();
    await engine.dispose();
  }
  return exitCode();
}

/** Of everything that a result depends on besides the image. */
function fingerprintOf(weights: Uint8Array, flags: WorkerFlags, settings: object): string {
  const { precision = 'f32', task } = flags;
  const everything = [packageVersion(), hashOf(weights), precision, task, settings];
  return hashOf(JSON.stringify(everything)).slice(0, 16);
}
