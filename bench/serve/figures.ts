// What is measured of the service.
import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { median, quantile } from '../measure.js';
import { projectFile } from '../paths.js';
import { type Answer, type LoadOptions, type Loaded, type Picture, load } from './load.js';
import { type StartedService, startPanpp, startStandIn } from './service.js';

/** Milliseconds of requests. */
export interface Latency {
  readonly requests: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly most: number;
}

export interface LoadEntry {
  readonly connections: number;
  /** Answers a second. */
  readonly rate: number;
  readonly latency: Latency;
  /** Average number of images that were processed together. */
  readonly together: number;
}

export interface OverheadEntry {
  readonly of: string;
  /** A request's latency less the model's time for it. */
  readonly beyond: Latency;
  /** Average time to decode the picture, milliseconds; part of the above. */
  readonly decode: number;
  /** CPU time of the process, milliseconds a request; only of the stand-in, as is the next. */
  readonly cpu?: number;
  /** Requests a second with 16 connections. */
  readonly rate?: number;
}

export interface BatchingEntry {
  readonly connections: number;
  /** Answers a second. */
  readonly batched: number;
  readonly alone: number;
  /** Median over the rounds. */
  readonly ratio: number;
  readonly rounds: number;
}

export interface MemorySample {
  readonly requests: number;
  /** Resident bytes of the process, of which the software adapter's GPU memory is part. */
  readonly resident: number;
  /** Bytes of GPU memory, as panpp counts them. */
  readonly gpu: number;
}

export interface MemoryEntry {
  readonly connections: number;
  readonly samples: readonly MemorySample[];
}

export interface OverloadEntry {
  readonly of: string;
  readonly queue: number;
  readonly connections: number;
  readonly served: Latency;
  readonly refused: Latency;
}

/** What the figures are of. */
export interface Conditions {
  /** Options of `panpp serve` for its engine. */
  readonly engine: readonly string[];
  readonly shortSide: number;
  /** Length of a series. */
  readonly seconds: number;
  /** Number of requests whose memory is watched. */
  readonly requests: number;
}

/** Of the images whose memory is watched: so many requests take hours at larger sizes. */
export const memoryShortSide = 32;

const concurrencies = [1, 2, 4, 8, 16];
const most = Math.max(...concurrencies);

/** Latency and throughput by the number of clients. */
export async function measureLoad(conditions: Conditions): Promise<LoadEntry[]> {
  const common = await commonOf(conditions);
  return withService(startPanpp(conditions.engine), async (service) => {
    await warmUp(service, common);
    const entries: LoadEntry[] = [];
    for (const connections of concurrencies) {
      const before = await batches(service);
      const loaded = await load(service, { ...common, connections, seconds: conditions.seconds });
      const after = await batches(service);
      entries.push({
        connections,
        rate: rateOf(loaded),
        latency: latencyOf(allGood(loaded.answers).map(({ latency }) => latency)),
        together: (after.images - before.images) / (after.runs - before.runs),
      });
    }
    return entries;
  });
}

/** What requests take besides the model's time. */
export async function measureOverhead(conditions: Conditions): Promise<OverheadEntry[]> {
  const common = await commonOf(conditions);
  const { seconds } = conditions;
  const entries: OverheadEntry[] = [];
  for (const [of, args] of [
    ['the engine, batches off', ['--batch-wait', '0']],
    ['the engine', []],
  ] as const)
    await withService(startPanpp([...conditions.engine, ...args]), async (service) => {
      await warmUp(service, common);
      entries.push(await overheadOf(service, of, { ...common, connections: 1, seconds }));
    });
  const photograph = await readFile(projectFile('examples/street.jpg'));
  const pictures = { small: common.pictures, photograph: [jpeg(photograph)] };
  for (const [name, pictures_] of Object.entries(pictures)) {
    const options = { ...common, pictures: pictures_, seconds: seconds / 2 };
    await withService(startStandIn(), async (service) => {
      await load(service, { ...options, connections: most, requests: 500 });
      const of = `an engine that answers at once, ${name}`;
      const before = await cpuOf(service);
      const entry = await overheadOf(service, of, { ...options, connections: 1 });
      const cpu = ((await cpuOf(service)) - before) / entry.beyond.requests;
      const rate = rateOf(await load(service, { ...options, connections: most }));
      entries.push({ ...entry, cpu, rate });
    });
  }
  return entries;
}

async function overheadOf(
  service: StartedService,
  of: string,
  options: LoadOptions,
): Promise<OverheadEntry> {
  const before = await stage(service, 'decode');
  const { answers } = await load(service, options);
  const after = await stage(service, 'decode');
  return {
    of,
    beyond: latencyOf(allGood(answers).map(({ latency, engine }) => latency - engine!)),
    decode: (1000 * (after.sum - before.sum)) / (after.count - before.count),
  };
}

/** Answers a second with batches and without, taking turns. */
export async function measureBatching(conditions: Conditions): Promise<BatchingEntry[]> {
  const common = await commonOf(conditions);
  const rounds = 4;
  return withService(startPanpp(conditions.engine), (batching) =>
    withService(startPanpp([...conditions.engine, '--batch-wait', '0']), async (alone) => {
      for (const service of [batching, alone]) await warmUp(service, common);
      const entries: BatchingEntry[] = [];
      for (const connections of [8, most]) {
        const rates: { batched: number; alone: number }[] = [];
        for (let round = 0; round < rounds; round++) {
          const rate = async (service: StartedService) =>
            rateOf(
              await load(service, { ...common, connections, seconds: conditions.seconds / 2 }),
            );
          rates.push({ batched: await rate(batching), alone: await rate(alone) });
        }
        entries.push({
          connections,
          batched: median(rates.map(({ batched }) => batched)),
          alone: median(rates.map(({ alone }) => alone)),
          ratio: median(rates.map(({ batched, alone }) => batched / alone)),
          rounds,
        });
      }
      return entries;
    }),
  );
}

/** Memory by the number of requests. */
export async function measureMemory(conditions: Conditions): Promise<MemoryEntry> {
  return withService(startPanpp(conditions.engine), (service) => memoryOf(service, conditions));
}

/** The same with an engine that answers at once. */
export async function measureHostMemory(conditions: Conditions): Promise<MemoryEntry> {
  return withService(startStandIn(), (service) => memoryOf(service, conditions));
}

async function memoryOf(service: StartedService, conditions: Conditions): Promise<MemoryEntry> {
  const every = 200;
  const common = await commonOf({ ...conditions, shortSide: memoryShortSide });
  const samples: MemorySample[] = [];
  for (let requests = every; requests <= conditions.requests; requests += every) {
    allGood((await load(service, { ...common, connections: most, requests: every })).answers);
    const metrics = await service.metrics();
    const kinds = ['weights', 'programs'].map((kind) => `panpp_gpu_bytes{kind="${kind}"}`);
    samples.push({
      requests,
      resident: metrics.get('process_resident_memory_bytes')!,
      gpu: kinds.reduce((sum, kind) => sum + metrics.get(kind)!, 0),
    });
    if (requests % 1000 === 0) console.error(`          ${requests} requests`);
  }
  return { connections: most, samples };
}

/** Answers while more is asked for than the queue holds. */
export async function measureOverload(conditions: Conditions): Promise<OverloadEntry[]> {
  const queue = 4;
  const milliseconds = 100;
  const withQueue = [...conditions.engine, '--queue', `${queue}`];
  const standIn = `an engine that takes ${milliseconds} ms and no CPU time`;
  return [
    await withService(startPanpp(withQueue), (service) =>
      overloadOf('the engine', service, queue, conditions),
    ),
    await withService(startStandIn({ milliseconds, queue }), (service) =>
      overloadOf(standIn, service, queue, conditions),
    ),
  ];
}

async function overloadOf(
  of: string,
  service: StartedService,
  queue: number,
  conditions: Conditions,
): Promise<OverloadEntry> {
  const connections = 32;
  const { seconds } = conditions;
  const common = await commonOf(conditions);
  await load(service, { ...common, connections: queue, requests: 8 * queue });
  const { answers } = await load(service, { ...common, connections, seconds, rate: 4 });
  const latencies = (wanted: number) =>
    latencyOf(answers.flatMap(({ status, latency }) => (status === wanted ? [latency] : [])));
  return { of, queue, connections, served: latencies(200), refused: latencies(503) };
}

async function withService<T>(
  starting: Promise<StartedService>,
  work: (service: StartedService) => Promise<T>,
): Promise<T> {
  const service = await starting;
  try {
    return await work(service);
  } finally {
    await service.end();
  }
}

/** Until there are programs for all sizes of batches. */
async function warmUp(service: StartedService, common: Pick<LoadOptions, 'pictures' | 'query'>) {
  for (const connections of [1, 2, 3, 4, 5, 8, 9, most])
    await load(service, { ...common, connections, requests: connections });
}

/** A sign with a few words, in three formats. */
async function commonOf({
  shortSide,
}: Conditions): Promise<{ pictures: readonly Picture[]; query: string }> {
  const sign = sharp(projectFile('examples/street.jpg'))
    .extract({ left: 760, top: 40, width: 480, height: 320 })
    .resize(96, 64);
  const pictures = [
    jpeg(await sign.clone().jpeg().toBuffer()),
    { mediaType: 'image/png', bytes: await sign.clone().png().toBuffer() },
    { mediaType: 'image/webp', bytes: await sign.clone().webp().toBuffer() },
  ];
  return { pictures, query: `shortSide=${shortSide}` };
}

function jpeg(bytes: Buffer): Picture {
  return { mediaType: 'image/jpeg', bytes };
}

function allGood(answers: readonly Answer[]): readonly Answer[] {
  const bad = answers.find(({ status }) => status !== 200);
  if (bad) throw new Error(`a request was answered with ${bad.status}`);
  return answers;
}

function rateOf({ answers, seconds }: Loaded): number {
  return allGood(answers).length / seconds;
}

function latencyOf(values: readonly number[]): Latency {
  if (values.length === 0) throw new Error('a series had no answer; give it more --seconds');
  const [p50, p95, p99, most] = [0.5, 0.95, 0.99, 1].map((share) => quantile(values, share));
  return { requests: values.length, p50, p95, p99, most };
}

/** Milliseconds. */
async function cpuOf(service: StartedService): Promise<number> {
  return 1000 * (await service.metrics()).get('process_cpu_seconds_total')!;
}

async function batches(service: StartedService): Promise<{ images: number; runs: number }> {
  const metrics = await service.metrics();
  return {
    images: metrics.get('panpp_batch_images_sum')!,
    runs: metrics.get('panpp_batch_images_count')!,
  };
}

async function stage(
  service: StartedService,
  name: string,
): Promise<{ sum: number; count: number }> {
  const metrics = await service.metrics();
  const value = (what: string) => metrics.get(`panpp_stage_seconds_${what}{stage="${name}"}`) ?? 0;
  return { sum: value('sum'), count: value('count') };
}
