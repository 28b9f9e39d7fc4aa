// Command-line options of the bench.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PanppError } from '../src/errors.js';
import type { PrecisionChoice } from '../src/layers/precision.js';
import { parseToggles } from '../src/node/adapters.js';
import type { Effort } from './measure.js';
import { projectFile } from './paths.js';
import { type Size, parseSizes, standardSizes } from './sizes.js';

export const parts = ['cold', 'detection', 'peers', 'aggregation', 'recognition'] as const;
export type Part = (typeof parts)[number];

export interface BenchOptions {
  /** Adapters by name; if empty, all that are available. */
  readonly adapters: readonly string[];
  readonly sizes: readonly Size[];
  readonly parts: readonly Part[];
  readonly quick: boolean;
  readonly effort: Effort;
  readonly toggles: readonly string[];
  readonly disabledToggles: readonly string[];
  readonly precision: PrecisionChoice;
  /** A file that `panpp tune` wrote. */
  readonly tuning?: string;
  /** Folder of the results. */
  readonly out: string;
}

export const usage = `
  --adapter NAME     as in panpp detect; may be given several times (default: all of hardware, lavapipe, swiftshader
                     that are there)
  --sizes LIST       height x width, for example 320x320,736x1312 (default: 128² to 2560²)
  --parts LIST       of ${parts.join(',')} (default: all)
  --runs N           runs that count, of each, at least (default: 10; quick: 3)
  --seconds N        a series of runs ends after so long; sizes whose single run would take half of it are left out
                     (default: 300; quick: 40)
  --toggles LIST     Dawn toggles, for example allow_unsafe_apis; with a minus, switched off: --toggles=-disable_robustness
  --precision BITS   f32, f16 or auto (default: f32)
  --tuning FILE      what panpp tune wrote (default: none)
  --quick            few runs, small sizes, for a look; its results go to bench/dist/quick unless --out is given
  --out DIR          folder of the results (default: bench; on a GPU host $OUT if that is set)`;

const quickSizes: readonly Size[] = standardSizes.slice(0, 2);

/** @throws PanppError `argument` */
export function parseOptions(args: readonly string[]): BenchOptions {
  const values = readFlags(args);
  const quick = values.quick === true;
  const { toggles, disabledToggles } = parseToggles(values.toggles ?? '');
  const number = (name: 'runs' | 'seconds', otherwise: number) => {
    const value = Number(values[name] ?? otherwise);
    if (!(value >= 1))
      throw new PanppError('argument', `--${name} is ${values[name]}; give a number from 1 on`);
    return value;
  };
  return {
    adapters: values.adapter ?? [],
    sizes: values.sizes ? parseSizes(values.sizes) : quick ? quickSizes : standardSizes,
    parts: values.parts ? values.parts.split(',').map(partNamed) : parts,
    quick,
    effort: {
      runs: number('runs', quick ? 3 : 10),
      warmups: quick ? 1 : 2,
      seconds: number('seconds', quick ? 40 : 300),
    },
    toggles,
    tuning: values.tuning,
    precision: values.precision as PrecisionChoice,
    // By default Dawn rounds timestamps to 0.1 ms.
    disabledToggles: ['timestamp_quantization', ...disabledToggles],
    out: values.out ?? (quick ? join(projectFile('bench/dist'), 'quick') : projectFile('bench')),
  };
}

function readFlags(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        adapter: { type: 'string', multiple: true },
        sizes: { type: 'string' },
        parts: { type: 'string' },
        runs: { type: 'string' },
        seconds: { type: 'string' },
        toggles: { type: 'string' },
        precision: { type: 'string', default: 'f32' },
        tuning: { type: 'string' },
        quick: { type: 'boolean' },
        out: { type: 'string' },
      },
    }).values;
  } catch (cause) {
    throw new PanppError(
      'argument',
      `${(cause as Error).message.split('. ')[0]}; these are known:${usage}`,
      { cause },
    );
  }
}

function partNamed(name: string): Part {
  const part = parts.find((known) => known === name);
  if (!part)
    throw new PanppError('argument', `there is no part ${name}; there are ${parts.join(', ')}`);
  return part;
}
