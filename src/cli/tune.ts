// panpp tune: measures which tiles the convolutions are fastest in on this adapter, and keeps that for the other commands.
import { dirname } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { PanppError } from '../errors.js';
import { tileName } from '../layers/conv-tile.js';
import { readTuning, tuningPath } from '../node/tuning-cache.js';
import { type TuneSize, tune } from '../tuning/tune.js';
import { type Tuning, mergedTuning } from '../tuning/tuning.js';
import { type ModelOptions, asWeights, openAdapter, readWeightsBytes, withModelOptions } from './engine.js';
import { openOutputFolder, shown, writeBytes } from './files.js';
import { Progress, errorLine, exitCodes, print, say } from './report.js';
import { exiting } from './usage.js';

interface TuneFlags extends ModelOptions {
  readonly size?: TuneSize[];
  readonly out?: string;
}

export function addTune(program: Command): void {
  const command = program
    .command('tune')
    .summary('measure what is fastest on this adapter, once')
    .description(
      'Measures in which tiles the network’s convolutions are fastest on an adapter and keeps that in a file, which the other commands use from ' +
        'then on. Takes from seconds on a GPU to some minutes on a software adapter; let the machine do nothing else meanwhile. What an ' +
        'earlier run found for other sizes, weights or another precision is kept.',
    )
    .addOption(
      new Option(
        '--size <HxW...>',
        'sizes that the network sees, such as 736x1312 (default: squares, 4:3 and 16:9 at the weights’ own short side)',
      ).argParser(sizesOf),
    )
    .addOption(new Option('--out <file>', 'where to keep it (default: the adapter’s file in your cache folder)'));
  withModelOptions(command).action(exiting(tuneAdapter));
}

function sizesOf(text: string, sizes: TuneSize[] = []): TuneSize[] {
  const match = /^(\d{1,5})x(\d{1,5})$/.exec(text);
  if (!match) throw new InvalidArgumentError('Give rows and columns, such as 736x1312.');
  return [...sizes, { height: Number(match[1]), width: Number(match[2]) }];
}

async function tuneAdapter({ size, out, ...options }: TuneFlags): Promise<number> {
  const { path: source, bytes } = await readWeightsBytes(options);
  const gpu = await openAdapter(options);
  try {
    const path = out ?? tuningPath(gpu.profile);
    if (path === undefined) throw new PanppError('file', 'there is no home folder to keep the tuning in; give --out, or set XDG_CACHE_HOME');
    await openOutputFolder(dirname(path));
    const earlier = await earlierTuning(path);
    let progress: Progress | undefined;
    try {
      const start = performance.now();
      const tuning = await asWeights(() =>
        tune(gpu, bytes, {
          ...{ source, precision: options.precision, sizes: size },
          onProgress({ total, shape, found }) {
            progress ??= new Progress(total, 'shapes');
            progress.step();
            for (const fault of found.faults ?? []) progress.say(`panpp: ${shape}: ${fault}; not used, please report it`);
          },
        }),
      );
      progress?.stop();
      await writeBytes(path, `${JSON.stringify(mergedTuning(earlier, tuning), undefined, 1)}\n`);
      await print(describeTuning(tuning));
      say(`panpp: wrote ${shown(path)} after ${((performance.now() - start) / 1000).toFixed(0)} s`);
    } finally {
      progress?.stop();
    }
  } finally {
    gpu.dispose();
  }
  return exitCodes.done;
}

// What is no tuning is about to be replaced.
async function earlierTuning(path: string): Promise<Tuning | undefined> {
  try {
    return await readTuning(path);
  } catch (error) {
    if (!(error instanceof PanppError) || error.code !== 'argument') throw error;
    say(`panpp: ${errorLine(error)}; it will be replaced`);
    return undefined;
  }
}

/** A table of the shapes that another tile won, and a line about the rest. */
export function describeTuning({ adapter, shapes }: Tuning): string {
  const all = Object.entries(shapes);
  const won = all.flatMap(([shape, { tile, best, usual }]) => (tile ? [{ shape, tile, best, usual }] : []));
  const rows = won
    .sort((a, b) => b.usual - b.best - (a.usual - a.best))
    .map(({ shape, tile, best, usual }) => [shape, usual.toFixed(2), best.toFixed(2), `-${(100 * (1 - best / usual)).toFixed(0)} %`, tileName(tile)]);
  const table = rows.length > 0 ? [['convolution', 'default ms', 'tuned ms', '', 'tile'], ...rows] : [];
  const widths = ['', '', '', '', ''].map((_, column) => Math.max(0, ...table.map((row) => row[column].length)));
  const lines = table.map((row) => row.map((cell, column) => cell.padEnd(widths[column])).join('  ').trimEnd());
  return [...lines, `${adapter}: ${won.length} of ${all.length} shapes are faster in another tile`, ''].join('\n');
}
