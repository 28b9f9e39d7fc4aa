// Estimates, within about 40 %, of a plan's time on GPUs that are not available, from
// multiply-adds, bytes and dispatches.
import type { Work } from './plan.js';

export interface Gpu {
  readonly name: string;
  /** Multiprocessors, compute units or cores: a workgroup runs on one of them. */
  readonly units: number;
  /** Float32 multiply-adds per unit and cycle. */
  readonly multiplyAdds: number;
  readonly gigahertz: number;
  /** Memory bandwidth, gigabytes per second. */
  readonly memory: number;
  /** The last-level cache: megabytes, and gigabytes per second. */
  readonly cacheMegabytes: number;
  readonly cache: number;
  /** Microseconds from the end of a dispatch to the start of the next one that waits for it. */
  readonly drain: number;
  /** Share of the peak that the inner loop of the largest tiles reaches. */
  readonly efficiency: number;
}

/**
 * Figures from data sheets, except cache speeds, drains and efficiencies, which are guesses based
 * on published measurements.
 */
export const gpus: readonly Gpu[] = [
  {
    name: 'H100 SXM',
    units: 132,
    multiplyAdds: 128,
    gigahertz: 1.75,
    memory: 3350,
    cacheMegabytes: 50,
    cache: 5500,
    drain: 3.5,
    efficiency: 0.72,
  },
  {
    name: 'RX 7900 XTX',
    units: 96,
    multiplyAdds: 128,
    gigahertz: 2.3,
    memory: 960,
    cacheMegabytes: 96,
    cache: 3000,
    drain: 4,
    efficiency: 0.6,
  },
  {
    name: 'RTX 4060 laptop',
    units: 24,
    multiplyAdds: 128,
    gigahertz: 2.1,
    memory: 256,
    cacheMegabytes: 32,
    cache: 1400,
    drain: 3,
    efficiency: 0.72,
  },
  {
    name: 'Apple M2',
    units: 10,
    multiplyAdds: 128,
    gigahertz: 1.4,
    memory: 95,
    cacheMegabytes: 8,
    cache: 200,
    drain: 6,
    efficiency: 0.6,
  },
  {
    name: 'Iris Xe 96 EU',
    units: 12,
    multiplyAdds: 64,
    gigahertz: 1.3,
    memory: 58,
    cacheMegabytes: 3.8,
    cache: 170,
    drain: 8,
    efficiency: 0.45,
  },
];

/** The formula's assumptions for every GPU. */
export const assumed = {
  /** Share of the memory bandwidth that is reached. */
  memoryShare: 0.85,
  /** Share of the cache that a band may take and still stay in it. */
  cacheShare: 0.8,
  /** Workgroups of the largest tiles that a unit holds at a time. */
  resident: 6,
  /** Cycles that a workgroup waits per 16 values of depth when it is alone on its unit. */
  stall: 650,
  /** The least time of a dispatch, microseconds. */
  least: 2,
} as const;

/** Microseconds of a dispatch, by memory, by arithmetic and as a whole; without the drain. */
export interface DispatchTime {
  readonly memory: number;
  readonly arithmetic: number;
  readonly whole: number;
}

export function dispatchTime(work: Work & { readonly workgroups: number }, gpu: Gpu): DispatchTime {
  const memory = memoryTime(work, gpu);
  const arithmetic = work.tile ? arithmeticTime(work.tile, work.workgroups, gpu) : 0;
  return { memory, arithmetic, whole: Math.max(memory, arithmetic, assumed.least) };
}

function memoryTime({ bytes, band }: Work, gpu: Gpu): number {
  const microseconds = (count: number, speed: number) =>
    count / (speed * 1e3 * assumed.memoryShare);
  const staysInCache = band && band.between < assumed.cacheShare * gpu.cacheMegabytes * 1e6;
  return staysInCache
    ? Math.max(microseconds(band.rest, gpu.memory), microseconds(bytes, gpu.cache))
    : microseconds(bytes, gpu.memory);
}

// The slower of two cases: units are full and always issue, or workgroups wait for memory alone.
function arithmeticTime(
  { perGroup, invocations, depth }: NonNullable<Work['tile']>,
  workgroups: number,
  gpu: Gpu,
): number {
  const perUnit = Math.ceil(workgroups / gpu.units);
  const full = perGroup / gpu.multiplyAdds / gpu.efficiency;
  // Each subgroup issues on one of a unit's four schedulers, at 0.8 of that one's rate.
  const alone =
    perGroup / (Math.min(128, invocations) * 0.8) + Math.ceil(depth / 16) * assumed.stall;
  return (
    Math.max(perUnit * full, Math.ceil(perUnit / assumed.resident) * alone) / gpu.gigahertz / 1e3
  );
}

/** Parts of a detection on the GPU, in order. */
export const parts = [
  'preprocess',
  'stem',
  'layer1',
  'layer2',
  'layer3',
  'layer4',
  'reduce',
  'FPEMs',
  'head',
  'aggregation',
] as const;
export type Part = (typeof parts)[number];

/** Which part a kernel belongs to, by its label. */
export function partOf({ stage, label }: { stage: string; label: string }): Part | undefined {
  if (stage === 'preprocess' || stage === 'aggregation') return stage;
  if (stage !== 'network') return undefined;
  const layer = /^backbone\.(layer\d)/.exec(label)?.[1] as Part | undefined;
  if (layer) return layer;
  if (label.startsWith('backbone.')) return 'stem';
  if (label.startsWith('reduce')) return 'reduce';
  return /^(fpem|ffm)/.test(label) ? 'FPEMs' : 'head';
}

export interface PartTime {
  /** Milliseconds without drains. */
  readonly body: number;
  readonly memory: number;
  readonly arithmetic: number;
  readonly drains: number;
  readonly dispatches: number;
}

export type PlanTime = Readonly<Record<Part, PartTime>>;

/** The times of a plan's parts on a GPU. */
export function planTime(
  kernels: readonly (Work & { stage: string; label: string; workgroups: number })[],
  gpu: Gpu,
): PlanTime {
  const timeOf = (part: Part): PartTime => {
    const own = kernels.filter((kernel) => partOf(kernel) === part);
    const times = own.map((kernel) => dispatchTime(kernel, gpu));
    const sum = (pick: (time: DispatchTime) => number) =>
      times.reduce((all, time) => all + pick(time), 0) / 1e3;
    return {
      body: sum(({ whole }) => whole),
      memory: sum(({ memory }) => memory),
      arithmetic: sum(({ arithmetic }) => arithmetic),
      drains: (own.length * gpu.drain) / 1e3,
      dispatches: own.length,
    };
  };
  return Object.fromEntries(parts.map((part) => [part, timeOf(part)])) as PlanTime;
}
