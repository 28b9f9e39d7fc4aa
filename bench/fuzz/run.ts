// npm run fuzz: reads damaged inputs until the time or the number of inputs is used up, each target
// in a watched thread. A thread that hangs, or a process that uses too much memory, is a finding.
// The inputs and the promises are those of the test suite (tests/fuzz).
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { PanppError } from '../../src/errors.js';
import { mostMilliseconds, mostResidentBytes } from '../../tests/fuzz/target.js';
import { targets } from '../../tests/fuzz/targets.js';
import { projectFile } from '../paths.js';
import type { Finding, ReaderJob, ReaderReport } from './job.js';

const usage = `npm run fuzz -- [options]
  --seed N        of the first round; the next round has the next seed (default: 1)
  --times N       how many times the test suite's inputs a round reads (default: 10)
  --seconds N     for everything; 0 is one round, however long it takes (default: 60)
  --targets LIST  names with semicolons (default: all; see --list)
  --list          the targets' names`;

/** The most bytes kept of the input that a thread hangs on. */
const keptBytes = 2 ** 20;
/** Milliseconds between checks of a thread. */
const lookEvery = 250;

interface Options {
  readonly seed: number;
  readonly times: number;
  readonly seconds: number;
  readonly names: readonly string[];
}

/** A target's totals over all rounds. */
interface Tally {
  done: number;
  read: number;
  seconds: number;
}

/** @throws PanppError `argument` */
function parseOptions(): Options | undefined {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      times: { type: 'string', default: '10' },
      seconds: { type: 'string', default: '60' },
      targets: { type: 'string' },
      list: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  const known = targets.map(({ name }) => name);
  if (values.help || values.list) {
    console.log(values.help ? usage : known.join('\n'));
    return undefined;
  }
  const number = (name: 'seed' | 'times' | 'seconds') => {
    const value = Number(values[name]);
    if (Number.isSafeInteger(value) && value >= 0) return value;
    throw new PanppError('argument', `--${name} is ${values[name]}; give a whole number`);
  };
  const names = values.targets?.split(';') ?? known;
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new PanppError('argument', `no target ${unknown}; there are ${known.join('; ')}`);
  return { seed: number('seed'), times: number('times'), seconds: number('seconds'), names };
}

/** Runs and watches one thread. */
async function runReader(job: Omit<ReaderJob, 'shared'>): Promise<ReaderReport> {
  const shared = {
    counters: new SharedArrayBuffer(8),
    current: new SharedArrayBuffer(keptBytes),
  };
  const counters = new Int32Array(shared.counters);
  const worker = new Worker(projectFile('bench/dist/fuzz-reader.js'), {
    workerData: { ...job, shared } satisfies ReaderJob,
    resourceLimits: { maxOldGenerationSizeMb: mostResidentBytes / 2 ** 20 },
  });
  const stopped = (problem: string): ReaderReport => ({
    done: counters[0] - 1,
    read: 0,
    finding: {
      input: Uint8Array.from(new Uint8Array(shared.current).subarray(0, counters[1])),
      problem,
    },
  });
  return new Promise((resolve) => {
    const end = (report: ReaderReport) => {
      clearInterval(timer);
      void worker.terminate().then(() => resolve(report));
    };
    let seen = 0;
    let since = performance.now();
    const timer = setInterval(() => {
      const resident = process.memoryUsage.rss();
      if (resident > mostResidentBytes)
        return end(stopped(`the process takes ${Math.round(resident / 2 ** 20)} MiB`));
      const count = Atomics.load(counters, 0);
      if (count !== seen || count === 0) [seen, since] = [count, performance.now()];
      else if (performance.now() - since > 2 * mostMilliseconds)
        end(stopped(`no end after ${(2 * mostMilliseconds) / 1000} s`));
    }, lookEvery);
    worker.on('message', end);
    worker.on('error', (error) => end(stopped(String(error))));
  });
}

/** Saves the input of a finding and returns its path. */
function keep(name: string, seed: number, { input }: Finding): string {
  const folder = projectFile('bench/dist/fuzz');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name.replace(/\W+/g, '-')}-${seed}`);
  writeFileSync(path, input);
  return path;
}

async function fuzz({ seed: first, times, seconds, names }: Options): Promise<number> {
  const begun = performance.now();
  const left = () => (seconds === 0 ? Infinity : seconds - (performance.now() - begun) / 1000);
  const tallies = new Map(
    names.map((name): [string, Tally] => [name, { done: 0, read: 0, seconds: 0 }]),
  );
  let findings = 0;
  let rounds = 0;
  for (let seed = first; left() > 0 && (seconds > 0 || rounds === 0); seed++, rounds++) {
    for (const [name, tally] of tallies) {
      if (left() <= 0) break;
      const start = performance.now();
      const { inSuite } = targets.find((target) => target.name === name)!;
      const report = await runReader({
        name,
        seed,
        inputs: inSuite * times,
        seconds: Math.min(left(), 1e6),
      });
      tally.done += report.done;
      tally.read += report.read;
      tally.seconds += (performance.now() - start) / 1000;
      console.error(`seed ${seed}, ${name}: ${totalOf(tallies)} inputs so far`);
      if (!report.finding) continue;
      findings++;
      const path = keep(name, seed, report.finding);
      console.log(`${name}, seed ${seed}: ${report.finding.problem}\n  ${path}`);
    }
  }
  printTallies(tallies);
  const total = totalOf(tallies);
  const took = (performance.now() - begun) / 1000;
  console.log(
    `${total} inputs in ${took.toFixed(0)} s, seeds ${first} to ${first + rounds - 1}: ${findings} findings`,
  );
  return findings === 0 ? 0 : 1;
}

function totalOf(tallies: ReadonlyMap<string, Tally>): number {
  return [...tallies.values()].reduce((sum, { done }) => sum + done, 0);
}

function printTallies(tallies: ReadonlyMap<string, Tally>): void {
  for (const [name, { done, read, seconds: took }] of tallies)
    console.log(
      `${name.padEnd(24)} ${String(done).padStart(9)} inputs, ${String(read).padStart(9)} read, ${took.toFixed(0).padStart(6)} s`,
    );
}

try {
  const options = parseOptions();
  if (options) process.exitCode = await fuzz(options);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
