// panpp tune: measures which tiles and methods make the convolutions fastest on this adapter, and
// stores the result for the other commands.
import { dirname } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { PanppError } from '../errors.js';
import type { GpuProfile } from '../gpu/context.js';
import { tileName } from '../layers/conv/tiles/kinds.js';
import { readTuning, tuningPath } from '../node/tuning-cache.js';
import { type TuneSize, tune } from '../tuning/tune.js';
import {
  type TunedMethod,
  type TunedShape,
  type Tuning,
  mergedTuning,
  tuningState,
} from '../tuning/tuning.js';
import {
  type ModelOptions,
  asWeights,
  openAdapter,
  readWeightsBytes,
  withModelOptions,
} from './engine.js';
import { assertNoInput, openOutputFolder, shown, writeBytes } from './files.js';
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
      'Measures which tiles, and on GPUs which methods, make the network’s convolutions fastest on an adapter, and stores that in a ' +
        'file that the other commands use from then on. Takes seconds on a GPU and some minutes on a software adapter; keep ' +
        'the machine idle otherwise. Earlier results for other sizes, weights or precisions are kept.',
    )
    .addOption(
      new Option(
        '--size <HxW...>',
        'sizes that the network sees, such as 736x1312 (default: squares, 4:3 and 16:9 at the weights’ own short side)',
      ).argParser(sizesOf),
    )
    .addOption(
      new Option(
        '--out <file>',
        'where to store it (default: the adapter’s file in your cache folder)',
      ),
    );
  withModelOptions(command).action(exiting(tuneAdapter));
}

function sizesOf(text: string, sizes: TuneSize[] = []): TuneSize[] {
  const match = /^(\d{1,5})x(\d{1,5})$/.exec(text);
  if (!match) throw new InvalidArgumentError('Give rows and columns, such as 736x1312.');
  return [...sizes, { height: Number(match[1]), width: Number(match[2]) }];
}

async function tuneAdapter({ size, out, ...options }: TuneFlags): Promise<number> {
  const { path: source, bytes } = await readWeightsBytes(options);
  // Rounded to 0.1 ms by default, which is longer than some dispatches.
  const toggles = ['-timestamp_quantization', options.toggles].filter(Boolean).join(',');
  const gpu = await openAdapter({ ...options, toggles });
  try {
    const path = out ?? tuningPath(gpu.profile);
    if (path === undefined)
      throw new PanppError(
        'file',
        'there is no home folder to keep the tuning in; give --out, or set XDG_CACHE_HOME',
      );
    await assertNoInput(path, [source]);
    await openOutputFolder(dirname(path));
    const earlier = await earlierTuning(path, gpu.profile);
    let progress: Progress | undefined;
    try {
      const start = performance.now();
      const tuning = await asWeights(() =>
        tune(gpu, bytes, {
          source,
          precision: options.precision,
          sizes: size,
          onProgress({ total, shape, found }) {
            progress ??= new Progress(total, 'convolutions');
            progress.step();
            for (const fault of found.faults ?? [])
              progress.say(`panpp: ${shape}: ${fault}; not used, please report it`);
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

/** The tuning that is there. An invalid one, or one that does not fit, is reported and replaced. */
export async function earlierTuning(
  path: string,
  profile: GpuProfile,
): Promise<Tuning | undefined> {
  try {
    const earlier = await readTuning(path);
    const state = tuningState(earlier, profile);
    if (state === 'other-adapter')
      say(`panpp: ${path} was made for ${earlier!.adapter}; it will be replaced`);
    if (state === 'other-shaders')
      say(`panpp: ${path} was made by another version of panpp; it will be replaced`);
    return earlier;
  } catch (error) {
    if (!(error instanceof PanppError) || error.code !== 'argument') throw error;
    say(`panpp: ${errorLine(error)}; it will be replaced`);
    return undefined;
  }
}

/**
 * A table of the shapes and classes where another tile or method is fastest, and a line about the
 * rest.
 */
export function describeTuning({ adapter, shapes, methods = {} }: Tuning): string {
  const rowsOf = <R extends TunedShape | TunedMethod>(
    results: Readonly<Record<string, R>>,
    winner: (result: R) => string | undefined,
  ) =>
    Object.entries(results)
      .filter(([, result]) => winner(result))
      .sort(([, a], [, b]) => b.baseline - b.best - (a.baseline - a.best))
      .map(([key, result]) => {
        const { best, baseline } = result;
        return [
          key,
          baseline.toFixed(2),
          best.toFixed(2),
          `-${(100 * (1 - best / baseline)).toFixed(0)} %`,
          winner(result)!,
        ];
      });
  const tiles = rowsOf(shapes, ({ tile }) => tile && tileName(tile));
  const others = rowsOf(methods, ({ method }) => method);
  const rows = [...tiles, ...others];
  const table =
    rows.length > 0
      ? [['convolution', 'default ms', 'tuned ms', '', 'tile or method'], ...rows]
      : [];
  const widths = ['', '', '', '', ''].map((_, column) =>
    Math.max(0, ...table.map((row) => row[column].length)),
  );
  const lines = table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]))
      .join('  ')
      .trimEnd(),
  );
  const [shapeCount, classCount] = [shapes, methods].map((all) => Object.keys(all).length);
  const byMethod =
    classCount > 0 ? `, ${others.length} of ${classCount} classes by another method` : '';
  return [
    ...lines,
    `${adapter}: ${tiles.length} of ${shapeCount} shapes are faster in another tile${byMethod}`,
    '',
  ].join('\n');
}
