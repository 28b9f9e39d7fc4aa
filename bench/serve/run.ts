// npm run bench:serve: loads `panpp serve` with requests, and writes a record and SERVE.md.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PanppError } from '../../src/errors.js';
import { openGpu } from '../../src/node.js';
import { projectFile } from '../paths.js';
import { type Origin, originOf } from '../record.js';
import { readPackagedWeights } from '../weights.js';
import {
  type Conditions,
  measureBatching,
  measureHostMemory,
  measureLoad,
  measureMemory,
  measureOverhead,
  measureOverload,
} from './figures.js';
import { type Figures, type Parts, keep, measured } from './record.js';
import { writeReport } from './report.js';

const work: { readonly [Name in keyof Figures]: (of: Conditions) => Promise<Figures[Name]> } = {
  load: measureLoad,
  overhead: measureOverhead,
  batching: measureBatching,
  overload: measureOverload,
  memory: measureMemory,
  hostMemory: measureHostMemory,
};
type Part = keyof Figures;
const parts = Object.keys(work) as Part[];

const usage = `npm run bench:serve -- [options]
  --adapter NAME   as in panpp serve (default: its default)
  --precision BITS f32 or f16 (default: f32)
  --parts LIST     of ${parts.join(',')} (default: all); the record keeps the others; '': only writes SERVE.md
  --short-side N   of the images, in pixels; memory is watched at 32 (default: 64)
  --seconds N      length of a series (default: 20)
  --requests N     whose memory is watched (default: 10000)
  --out DIR        folder of the results (default: bench)`;

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof PanppError ? error.message : error);
  process.exitCode = 2;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      adapter: { type: 'string' },
      precision: { type: 'string', default: 'f32' },
      parts: { type: 'string', default: parts.join(',') },
      'short-side': { type: 'string', default: '64' },
      seconds: { type: 'string', default: '20' },
      requests: { type: 'string', default: '10000' },
      out: { type: 'string', default: projectFile('bench') },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const { adapter, precision } = values;
  if (precision !== 'f32' && precision !== 'f16')
    throw new PanppError('argument', `--precision is ${precision}; give f32 or f16`);
  const conditions: Conditions = {
    engine: [...(adapter === undefined ? [] : ['--adapter', adapter]), '--precision', precision],
    shortSide: numberFrom(values, 'short-side'),
    seconds: numberFrom(values, 'seconds'),
    requests: numberFrom(values, 'requests'),
  };
  const asked = values.parts.split(',').filter(Boolean).map(partNamed);
  const gpu = await openGpu({ adapter });
  const origin = originOf(gpu, await readPackagedWeights(gpu, { precision }), []);
  gpu.dispose();
  for (const part of asked) {
    console.error(`${new Date().toTimeString().slice(0, 8)}  ${origin.adapter.name}: ${part}`);
    await keep(
      join(values.out, 'records', 'serve'),
      origin,
      await partOf(part, origin, conditions),
    );
  }
  console.error(`wrote ${await writeReport(values.out)}`);
  return 0;
}

async function partOf<Name extends Part>(
  name: Name,
  origin: Origin,
  conditions: Conditions,
): Promise<Parts> {
  return { [name]: await measured(origin, conditions, () => work[name](conditions)) };
}

function numberFrom(
  values: Readonly<Record<'short-side' | 'seconds' | 'requests', string>>,
  name: 'short-side' | 'seconds' | 'requests',
): number {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value > 0) return value;
  throw new PanppError('argument', `--${name} is ${values[name]}; give a whole number from 1 on`);
}

function partNamed(name: string): Part {
  const part = parts.find((known) => known === name);
  if (part) return part;
  throw new PanppError('argument', `there is no part ${name}; there are ${parts.join(', ')}`);
}
