// The record of one bench run on one adapter: the figures, and everything a reader needs to know
// about their origin (also that of bench/serve).
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, release } from 'node:os';
import { dirname, join } from 'node:path';
import type { Gpu } from '../src/gpu/context.js';
import { defaultToggles } from '../src/node/adapters.js';
import type { ModelConfig } from '../src/network/config.js';
import type { AggregationEntry } from './aggregation.js';
import type { RecognitionEntry } from './recognition.js';
import type { ColdStartEntry } from './cold-start.js';
import type { DetectionEntry } from './detection.js';
import type { Effort } from './measure.js';
import type { PeersEntry } from './peers.js';
import type { Size } from './sizes.js';
import type { BenchWeights } from './weights.js';
import type { BenchOptions } from './options.js';
import { type Precision, choosePrecision } from '../src/layers/precision.js';

/** A size without figures, and why. */
export interface LeftOut extends Size {
  readonly reason: string;
}

/** Where figures come from. */
export interface Origin {
  readonly date: string;
  /** Commit of the sources, with `+` if they have been changed since. */
  readonly commit: string;
  readonly machine: ReturnType<typeof describeMachine>;
  readonly adapter: ReturnType<typeof describeAdapter>;
  readonly model: string;
  readonly precision: Precision;
  /** Whether convolutions are tuned (`--tuning`). */
  readonly tuned: boolean;
}

export interface BenchRecord extends Origin {
  readonly quick: boolean;
  readonly effort: Effort;
  coldStart?: ColdStartEntry;
  readonly detection: (DetectionEntry | LeftOut)[];
  readonly peers: (PeersEntry | LeftOut)[];
  readonly aggregation: AggregationEntry[];
  readonly recognition: RecognitionEntry[];
}

/** Written into the bundle by bench/build.mjs. */
declare const builtCommit: string;

/** The commit of the sources, with `+` if they have been changed since. */
export function builtFrom(): string {
  return builtCommit;
}

export function newRecord(
  gpu: Gpu,
  weights: BenchWeights,
  { quick, effort, disabledToggles }: BenchOptions,
): BenchRecord {
  return {
    ...originOf(gpu, weights, disabledToggles),
    quick,
    effort,
    detection: [],
    peers: [],
    aggregation: [],
    recognition: [],
  };
}

/** @param disabledToggles Dawn's toggles that were switched off */
export function originOf(
  gpu: Gpu,
  { file: { config }, load }: BenchWeights,
  disabledToggles: readonly string[],
): Origin {
  return {
    date: new Date().toISOString(),
    commit: builtCommit,
    machine: describeMachine(),
    adapter: describeAdapter(gpu, disabledToggles),
    model: describeModel(config),
    precision: choosePrecision(load.precision, gpu.profile),
    tuned: load.tuning !== undefined,
  };
}

function describeModel({
  backbone: { block, blocks },
  neck: { fpems, fusion },
}: ModelConfig): string {
  const layers = blocks.reduce((sum, count) => sum + count, 0) * (block === 'basic' ? 2 : 3) + 2;
  return `${fusion.toUpperCase()} ResNet-${layers}, ${fpems} FPEMs`;
}

export function describeMachine() {
  const [cpu] = cpus();
  return {
    cpu: cpu?.model.trim() ?? 'unknown',
    cores: cpus().length,
    platform: `${process.platform} ${process.arch}, ${release()}`,
    node: process.version,
    webgpu: installedVersion('webgpu'),
    onnxruntime: installedVersion('onnxruntime-node'),
  };
}

function installedVersion(name: string): string | undefined {
  const require = createRequire(import.meta.url);
  try {
    let folder = dirname(require.resolve(name));
    for (; ; folder = dirname(folder)) {
      const manifest = readManifest(join(folder, 'package.json'));
      if (manifest?.name === name) return manifest.version;
      if (folder === dirname(folder)) return undefined;
    }
  } catch {
    return undefined;
  }
}

function readManifest(path: string): { name: string; version: string } | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as { name: string; version: string };
  } catch {
    return undefined;
  }
}

function describeAdapter({ device, profile }: Gpu, disabledToggles: readonly string[]) {
  const { vendor, architecture, device: name, description: driver } = device.adapterInfo;
  const { software, f16, subgroups, timestamps, maxBindingBytes, toggles } = profile;
  // Dawn replaces everything but letters and digits in a device's name with hyphens.
  return {
    name: name.replace(/-+$/, '') || driver,
    driver,
    vendor,
    architecture,
    software,
    f16,
    subgroups,
    timestamps,
    maxBindingBytes,
    toggles,
    disabledToggles,
  };
}

/** Base name of a record's files: the adapter, and whatever differs from the defaults. */
export function fileNameOf({
  adapter: { name, toggles },
  precision,
  tuned,
}: Pick<Origin, 'adapter' | 'precision' | 'tuned'>): string {
  const others = toggles.filter((toggle) => !defaultToggles.includes(toggle));
  const missing = defaultToggles
    .filter((toggle) => !toggles.includes(toggle))
    .map((toggle) => `no ${toggle}`);
  return [
    name,
    ...(precision === 'f32' ? [] : [precision]),
    ...(tuned ? ['tuned'] : []),
    ...others,
    ...missing,
  ]
    .join(' ')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
}
