// The whole bench on one adapter. The record is written after every part, so that a later failure
// loses nothing.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PanppError } from '../src/errors.js';
import type { Gpu } from '../src/gpu/context.js';
import { openGpu } from '../src/node.js';
import { mapSizes, measureAggregation, regionCounts } from './aggregation.js';
import { measureColdStart } from './cold-start.js';
import { measureDetection } from './detection.js';
import type { BenchOptions, Part } from './options.js';
import { measurePeers } from './peers.js';
import { providers } from './peers/onnxruntime.js';
import { measureRecognition, readCounts } from './recognition.js';
import { type BenchRecord, type LeftOut, fileNameOf, newRecord } from './record.js';
import { type Size, nameOf, pixelsOf } from './sizes.js';
import { type BenchWeights, readPackagedWeights } from './weights.js';

/** Opens an adapter for measuring. @throws PanppError `adapter` */
export function openForBench(
  adapter: string,
  { toggles, disabledToggles }: BenchOptions,
): Promise<Gpu> {
  return openGpu({ adapter, toggles, disabledToggles });
}

interface Task {
  readonly gpu: Gpu;
  readonly adapter: string;
  readonly weights: BenchWeights;
  readonly options: BenchOptions;
  readonly record: BenchRecord;
}

const work: Readonly<Record<Part, (task: Task) => Promise<void>>> = {
  cold: coldStart,
  detection: detections,
  peers: peers,
  aggregation: aggregations,
  recognition: readings,
};

/** Measures what the options ask for. @param adapter the name by which `gpu` was opened */
export async function benchAdapter(
  gpu: Gpu,
  adapter: string,
  options: BenchOptions,
): Promise<BenchRecord> {
  const weights = await readPackagedWeights(gpu, options);
  const record = newRecord(gpu, weights, options);
  const path = join(options.out, 'records', `${fileNameOf(record)}.json`);
  await mkdir(dirname(path), { recursive: true });
  for (const part of options.parts) {
    await work[part]({ gpu, adapter, weights, options, record });
    await writeFile(path, `${JSON.stringify(record, undefined, 1)}\n`);
  }
  return record;
}

async function coldStart({ gpu, adapter, weights, options, record }: Task): Promise<void> {
  // On a software adapter, the network would dominate the time to the first result.
  const shortSide = gpu.profile.software ? 320 : weights.file.config.detection.shortSide;
  progress(record, `cold start, short side ${shortSide}`);
  record.coldStart = await measureColdStart(adapter, shortSide, options.effort);
}

async function detections({ gpu, weights, options, record }: Task): Promise<void> {
  const forecast = new Forecast(options.effort.seconds);
  for (const size of options.sizes) {
    progress(record, `detection at ${nameOf(size)}`);
    record.detection.push(
      await unlessLeftOut(size, forecast.problem(size), async () => {
        const entry = await measureDetection(gpu, weights, size, options.effort);
        forecast.learn(size, entry.times.wall.median);
        return entry;
      }),
    );
  }
}

async function peers({ gpu, weights, options, record }: Task): Promise<void> {
  const forecasts = new Map(
    ['ours', ...providers].map((name) => [name, new Forecast(options.effort.seconds)]),
  );
  for (const size of options.sizes) {
    progress(record, `peers at ${nameOf(size)}`);
    const tooSlow = new Map(
      providers.flatMap((name) => {
        const problem = forecasts.get(name)!.problem(size);
        return problem ? [[name, problem]] : [];
      }),
    );
    record.peers.push(
      await unlessLeftOut(size, forecasts.get('ours')!.problem(size), async () => {
        const entry = await measurePeers(gpu, weights, size, options.effort, tooSlow);
        forecasts.get('ours')!.learn(size, entry.ours.wall.median);
        for (const [name, { wall }] of Object.entries(entry.peers))
          forecasts.get(name)!.learn(size, wall.median);
        return entry;
      }),
    );
  }
}

async function readings({ gpu, weights, options, record }: Task): Promise<void> {
  for (const regions of readCounts) {
    progress(record, `reading ${regions} regions`);
    record.recognition.push(await measureRecognition(gpu, weights, regions, options.effort));
  }
}

async function aggregations({ gpu, options, record }: Task): Promise<void> {
  for (const size of mapSizes) {
    progress(record, `aggregation of maps of ${nameOf(size)}`);
    for (const regions of regionCounts)
      record.aggregation.push(await measureAggregation(gpu, size, regions, options.effort));
  }
}

/** Predicts from time per pixel whether a single run would take too much of a series' time. */
class Forecast {
  #perPixel = 0;

  constructor(private readonly seconds: number) {}

  learn(size: Size, milliseconds: number): void {
    this.#perPixel = milliseconds / pixelsOf(size);
  }

  problem(size: Size): string | undefined {
    const seconds = (this.#perPixel * pixelsOf(size)) / 1000;
    return seconds > this.seconds / 2
      ? `left out: a run would take about ${seconds.toPrecision(2)} s`
      : undefined;
  }
}

async function unlessLeftOut<T extends Size>(
  size: Size,
  problem: string | undefined,
  measure: () => Promise<T>,
): Promise<T | LeftOut> {
  if (problem) return { ...size, reason: problem };
  try {
    return await measure();
  } catch (error) {
    // The adapter can't hold this size.
    if (error instanceof PanppError && error.code === 'argument')
      return { ...size, reason: error.message };
    throw error;
  }
}

function progress({ adapter }: BenchRecord, what: string): void {
  console.error(`${new Date().toTimeString().slice(0, 8)}  ${adapter.name}: ${what}`);
}
