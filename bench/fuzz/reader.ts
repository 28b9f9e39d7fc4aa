// Reads damaged inputs of one target, in a thread that run.ts watches.
import { parentPort, workerData } from 'node:worker_threads';
import fc from 'fast-check';
import { keepsPromise } from '../../tests/fuzz/target.js';
import { targets } from '../../tests/fuzz/targets.js';
import { type Finding, type ReaderJob, type ReaderReport, asBytes } from './job.js';

const { name, seed, inputs, seconds, shared } = workerData as ReaderJob;
const target = targets.find((one) => one.name === name)!;
const counters = new Int32Array(shared.counters);
const current = new Uint8Array(shared.current);

/** Stores the input where run.ts can find it if this thread hangs. */
function announce(input: unknown): void {
  const bytes = asBytes(input);
  current.set(bytes.subarray(0, current.length));
  Atomics.store(counters, 1, Math.min(bytes.length, current.length));
  Atomics.add(counters, 0, 1);
}

let done = 0;
let read = 0;
let finding: Finding | undefined;
const details = await fc.check(
  fc.asyncProperty(target.inputs, async (input) => {
    announce(input);
    if (await keepsPromise(target, input)) read++;
    done++;
  }),
  {
    seed,
    numRuns: inputs,
    interruptAfterTimeLimit: seconds * 1000,
    markInterruptAsFailure: false,
    endOnFailure: false,
  },
);
if (details.failed && details.counterexample) {
  const [input] = details.counterexample;
  finding = { input: asBytes(input), problem: String(details.errorInstance) };
}
const report: ReaderReport = { done, read, finding };
parentPort!.postMessage(report);
