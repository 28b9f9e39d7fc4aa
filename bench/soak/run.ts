// npm run soak: many images of many sizes through one process, then many loads of a model. What is
// held must not grow, and each call must give what it gave at first, bit for bit.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { PanppError } from '../../src/errors.js';
import type { Gpu } from '../../src/gpu/context.js';
import { loadModel } from '../../src/model/load.js';
import type { Model } from '../../src/model/model.js';
import { openGpu, packagedWeights } from '../../src/node.js';
import { digits, table, writeFigures } from '../markdown.js';
import { projectFile } from '../paths.js';
import { builtFrom, describeMachine } from '../record.js';
import { type SoakCall, soakCalls, soakSizes, steadyCall } from './calls.js';
import { type GpuMemory, countGpuMemory } from './gpu-memory.js';

const usage = `npm run soak -- [options]
  --images N   processed in all (default: 5000)
  --loads N    loads and disposals of a model (default: 50)
  --adapter A  as in panpp detect (default: swiftshader)`;

/** Images after which caches are full and nothing may grow. */
const warmUp = 200;
/** Share of the images that have one size. */
const steadyShare = 1 / 5;
/** Loads before the first sample. */
const warmLoads = 5;
/** Allowed growth. */
const mostGrowth = 0.03;
/** Samples of which the median counts, at the beginning and at the end. */
const sampled = 5;

/** What the process holds, by name. */
type Held = Readonly<Record<string, number>>;

/** What was held at the beginning and at the end of a part. */
interface Part {
  readonly name: string;
  readonly first: Held;
  readonly last: Held;
}

function parseOptions() {
  const { values } = parseArgs({
    options: {
      images: { type: 'string', default: '5000' },
      loads: { type: 'string', default: '50' },
      adapter: { type: 'string', default: 'swiftshader' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    console.log(usage);
    return undefined;
  }
  const number = (name: 'images' | 'loads', least: number) => {
    const value = Number(values[name]);
    if (Number.isSafeInteger(value) && value >= least) return value;
    throw new PanppError(
      'argument',
      `--${name} is ${values[name]}; give a whole number of at least ${least}`,
    );
  };
  return {
    images: number('images', 1000),
    loads: number('loads', 2 * sampled),
    adapter: values.adapter,
  };
}

/** Measures after a garbage collection, so that only what is reachable counts. */
function measure(gpu: Gpu, memory: GpuMemory): Held {
  globalThis.gc!();
  const { rss, heapUsed, external } = process.memoryUsage();
  return {
    'GPU memory, MiB': memory.bytes / 2 ** 20,
    'GPU objects': memory.objects,
    'cached pipelines': gpu.pipelines.size,
    'resident memory, MiB': rss / 2 ** 20,
    'JavaScript heap, MiB': (heapUsed + external) / 2 ** 20,
  };
}

/** The middle values of some samples. */
function medians(samples: readonly Held[]): Held {
  return Object.fromEntries(
    Object.keys(samples[0]).map((name) => {
      const values = samples.map((sample) => sample[name]).sort((a, b) => a - b);
      return [name, values[values.length >> 1]];
    }),
  );
}

function partOf(name: string, samples: readonly Held[]): Part {
  return {
    name,
    first: medians(samples.slice(0, sampled)),
    last: medians(samples.slice(-sampled)),
  };
}

/** Makes calls and compares each result with the first one of the same call. */
class Comparison {
  readonly #first = new Map<string, string>();
  made = 0;
  images = 0;
  readonly differing: string[] = [];

  async make({ name, images, make }: SoakCall, model: Model): Promise<void> {
    const result = JSON.stringify(await make(model));
    const digest = createHash('sha256').update(result).digest('base64');
    const first = this.#first.get(name);
    if (first === undefined) this.#first.set(name, digest);
    else if (first !== digest) this.differing.push(name);
    this.made++;
    this.images += images;
  }
}

async function soak({ images, loads, adapter }: NonNullable<ReturnType<typeof parseOptions>>) {
  const begun = performance.now();
  const gpu = await openGpu({ adapter });
  const memory = countGpuMemory(gpu.device);
  const faults: string[] = [];
  gpu.device.onuncapturederror = ({ error }) => faults.push(error.message);
  const weights = readFileSync(packagedWeights());
  const comparison = new Comparison();
  const parts: Part[] = [];

  // Samples are taken after whole rounds of calls, when the same passes are cached.
  const run = async (name: string, model: Model, until: number, round: readonly SoakCall[]) => {
    const samples: Held[] = [];
    while (comparison.images < until || samples.length === 0) {
      for (const call of round) await comparison.make(call, model);
      if (comparison.images >= warmUp) samples.push(measure(gpu, memory));
      console.error(
        `${comparison.images} images, ${seconds(begun)} s: ${JSON.stringify(samples.at(-1))}`,
      );
    }
    parts.push(partOf(name, samples));
  };

  const model = await loadModel(gpu, weights);
  const calls = await soakCalls();
  const mixed = Math.round(images * (1 - steadyShare));
  await run('images of mixed sizes', model, mixed, calls);
  const steady = await steadyCall();
  const steadyRound = Array.from({ length: 50 }, () => steady);
  await run('images of one size', model, images, steadyRound);
  // Each call once more, after all of that.
  for (const call of calls) await comparison.make(call, model);
  model.dispose();

  const empty = measure(gpu, memory);
  const samples: Held[] = [];
  for (let load = 0; load < loads; load++) {
    const again = await loadModel(gpu, weights);
    await comparison.make(steady, again);
    again.dispose();
    if (load >= warmLoads) samples.push(measure(gpu, memory));
    console.error(`load ${load + 1}, ${seconds(begun)} s: ${JSON.stringify(samples.at(-1))}`);
  }
  parts.push(partOf('loads and disposals', samples));
  const { driver, name } = {
    driver: gpu.device.adapterInfo.description,
    name: gpu.profile.adapter,
  };
  gpu.dispose();
  return { parts, comparison, empty, faults, adapter: driver || name, calls: calls.length, begun };
}

function seconds(begun: number): string {
  return ((performance.now() - begun) / 1000).toFixed(0);
}

function growthOf({ first, last }: Part, name: string): number {
  return first[name] === 0 ? Number(last[name] > 0) : last[name] / first[name] - 1;
}

/** What is wrong, a line each. */
function problemsOf({ parts, comparison, empty, faults }: Awaited<ReturnType<typeof soak>>) {
  const problems = [
    ...comparison.differing.map((name) => `another result than at first: ${name}`),
    ...faults.map((message) => `an error of the device: ${message}`),
  ];
  if (empty['GPU objects'] > 0)
    problems.push(`${empty['GPU objects']} GPU objects are left after the model's disposal`);
  for (const part of parts) {
    for (const name of Object.keys(part.first)) {
      const growth = growthOf(part, name);
      if (growth > mostGrowth)
        problems.push(`${part.name}: ${name} grows by ${(100 * growth).toFixed(1)} %`);
    }
  }
  return problems;
}

function describe(result: Awaited<ReturnType<typeof soak>>, problems: readonly string[]): string {
  const { parts, comparison, adapter, calls, begun } = result;
  const { cpu, cores, node } = describeMachine();
  const rows = parts.flatMap((part) =>
    Object.keys(part.first).map((name) => [
      `${part.name}: ${name}`,
      digits(part.first[name]),
      digits(part.last[name]),
      `${(100 * growthOf(part, name)).toFixed(1)} %`,
    ]),
  );
  return [
    `- ${new Date().toISOString().slice(0, 10)}, commit ${builtFrom()}; ${adapter}; ${cpu}, ${cores} cores; Node ${node}`,
    `- ${comparison.images} images in ${comparison.made} calls, ${seconds(begun)} s; ${calls} different calls on ${soakSizes().length} sizes`,
    `- ${comparison.differing.length} results differ from the first result of the same call`,
    `- ${problems.length > 0 ? problems.join('; ') : 'nothing grows by more than 3 %'}`,
    '',
    ...table(['', 'after the warm-up', 'at the end', 'growth'], rows),
    '',
  ].join('\n');
}

try {
  const options = parseOptions();
  if (options) {
    const result = await soak(options);
    const problems = problemsOf(result);
    const text = describe(result, problems);
    console.log(text);
    const isWhole = options.images >= 5000 && options.loads >= 50;
    if (isWhole) await writeFigures(projectFile('bench/SOAK.md'), 'npm run soak', 'Soak', text);
    process.exitCode = problems.length > 0 ? 1 : 0;
  }
} catch (error) {
  console.error(error instanceof PanppError ? error.message : error);
  process.exitCode = 2;
}
