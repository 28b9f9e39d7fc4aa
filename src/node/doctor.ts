// What `panpp doctor` reports: the machine, Dawn, every adapter with its capabilities, and what is
// missing.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { release } from 'node:os';
import { dirname, join } from 'node:path';

import { largestSquare } from '../detection/largest-image.js';
import { PanppError } from '../errors.js';
import { adapterName } from '../gpu/context.js';
import { type ModelConfig, detectionPresets, resnet18 } from '../network/config.js';
import {
  type FoundAdapter,
  LAVAPIPE_PACKAGES,
  defaultToggles,
  eachAdapter,
  findAdapter,
} from './adapters.js';
import { DRIVER_VARIABLES, EMBEDDED_PACKAGE, findEmbeddedPackage } from './embedded-driver.js';
import { type TuningReport, reportTuning } from './tuning-cache.js';

/** An adapter and what it can do. */
export interface AdapterReport {
  /** Name and driver, for display. */
  readonly description: string;
  /** As in WebGPU's `GPUAdapterInfo`, like the next two. */
  readonly vendor: string;
  /** The family of GPUs, such as `ampere`. */
  readonly architecture: string;
  /** The driver's name for the device. */
  readonly device: string;
  /** Whether it computes on the CPU. */
  readonly software: boolean;
  /** Whether it is the driver unpacked from an npm package. */
  readonly embedded: boolean;
  /** Whether shaders can use half floats. */
  readonly f16: boolean;
  /** Whether shaders can use subgroup operations. */
  readonly subgroups: boolean;
  /** Whether GPU timestamps can be read. */
  readonly timestamps: boolean;
  /** The WebGPU features that it supports. */
  readonly features: readonly string[];
  /** All limits of WebGPU, by WebGPU's names. */
  readonly limits: Readonly<Record<string, number>>;
  /**
   * The side in pixels of the largest square image, after resizing, that the package's network can
   * process whole within its limits, by precision. `detect` processes larger ones in tiles.
   */
  readonly largestImage: { readonly f32: number; readonly f16?: number };
  /** The state of its tuning from `panpp tune`. */
  readonly tuning: TuningReport;
}

/** The report of `panpp doctor`. */
export interface Diagnosis {
  /** Operating system, processor and kernel version. */
  readonly platform: string;
  /** Node's version. */
  readonly node: string;
  /** Version of npm `webgpu`, the bindings of Dawn. */
  readonly webgpu?: string;
  /** The embedded driver's package, where it is installed. */
  readonly embedded?: { readonly package: string; readonly version: string };
  /** Variables that choose Vulkan drivers, where they are set. */
  readonly environment: Readonly<Record<string, string>>;
  /** Dawn toggles that are on by default. */
  readonly toggles: readonly string[];
  /** In Dawn's order, the embedded one last. */
  readonly adapters: readonly AdapterReport[];
  /** Whether there is a usable adapter. */
  readonly usable: boolean;
  /** Description of the default adapter. */
  readonly preferred?: string;
  /** What is missing and what to do, one line each; empty if nothing is missing. */
  readonly advice: readonly string[];
}

/** Examines the machine. Never throws for what it finds: problems become advice. */
export async function diagnose(): Promise<Diagnosis> {
  const embedded = findEmbeddedPackage();
  const problems = new Set<string>();
  const adapters: AdapterReport[] = [];
  await unlessProblem(problems, () => collectReports(adapters));
  const preferred = await unlessProblem(problems, describePreferred);
  return {
    platform: `${process.platform} ${process.arch}, ${release()}`,
    node: process.version,
    webgpu: webgpuVersion(),
    embedded: embedded && { package: EMBEDDED_PACKAGE, version: embedded.version },
    environment: Object.fromEntries(
      DRIVER_VARIABLES.flatMap((name) => {
        const value = process.env[name];
        return value ? [[name, value] as const] : [];
      }),
    ),
    toggles: defaultToggles,
    adapters,
    usable: preferred !== undefined,
    preferred,
    advice: [...problems, ...advise(adapters)],
  };
}

/** The diagnosis as text for a terminal. */
export function describeDiagnosis(diagnosis: Diagnosis): string {
  const { platform, node, webgpu, embedded, environment, toggles, adapters, preferred, advice } =
    diagnosis;
  return [
    `platform   ${platform}`,
    `node       ${node}`,
    `webgpu     ${webgpu ? `${webgpu} (Dawn)` : 'not installed: npm install webgpu sharp'}`,
    `toggles    ${toggles.join(' ')}`,
    `embedded   ${embedded ? `${embedded.package} ${embedded.version}` : 'not installed'}`,
    ...Object.entries(environment).map(([name, value]) => `${name}=${value}`),
    ...adapters.flatMap(describeAdapter),
    '',
    `used       ${preferred ?? 'none'}`,
    ...advice.map((line) => `! ${line}`),
  ].join('\n');
}

/** The limits that decide how large an image and a model can be. */
const SHOWN_LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupsPerDimension',
];

function describeAdapter(adapter: AdapterReport): string[] {
  const kind = adapter.embedded ? 'software, embedded' : adapter.software ? 'software' : 'hardware';
  const yesNo = (value: boolean) => (value ? 'yes' : 'no');
  return [
    '',
    `adapter    ${adapter.description} (${kind})`,
    `  f16 ${yesNo(adapter.f16)}, subgroups ${yesNo(adapter.subgroups)}, timestamps ${yesNo(adapter.timestamps)}`,
    ...SHOWN_LIMITS.map((name) => `  ${name} ${adapter.limits[name]}`),
    `  largest image processed whole, after resizing: ${describeLargest(adapter.largestImage)}`,
    `  features: ${adapter.features.join(' ')}`,
    `  tuning: ${describeTuning(adapter.tuning)}`,
  ];
}

function describeLargest({ f32, f16 }: AdapterReport['largestImage']): string {
  const square = (side: number) => `${side} x ${side} (${(side ** 2 / 1e6).toFixed(1)} megapixels)`;
  return square(f32) + (f16 ? `, in half precision ${square(f16)}` : '');
}

function describeTuning({ state, path, shapes, tuned, classes, changed }: TuningReport): string {
  switch (state) {
    case 'used':
      return (
        `${path}, ${tuned} of ${shapes} shapes use other tiles than the default` +
        (classes > 0 ? `, ${changed} of ${classes} classes by another method` : '')
      );
    case 'none':
      return 'none; make one with panpp tune';
    case 'unreadable':
      return `${path} can't be read; delete it, or make it again with panpp tune`;
    default:
      return `${path} was made ${state === 'other-adapter' ? 'for another adapter' : 'by another version of panpp'} and is not used; make a new one with panpp tune`;
  }
}

/** Fills the list one by one, so that one adapter's failure doesn't hide the others. */
async function collectReports(reports: AdapterReport[]): Promise<void> {
  for await (const found of eachAdapter()) reports.push(await reportAdapter(found));
}

async function describePreferred(): Promise<string> {
  return (await findAdapter()).description;
}

async function unlessProblem<T>(
  problems: Set<string>,
  action: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof PanppError)) throw error;
    problems.add(error.message);
    return undefined;
  }
}

async function reportAdapter({
  adapter,
  description,
  software,
  embedded,
}: FoundAdapter): Promise<AdapterReport> {
  const { vendor, architecture, device } = adapter.info;
  const features = [...adapter.features].sort();
  return {
    description,
    vendor,
    architecture,
    device,
    software,
    embedded,
    f16: features.includes('shader-f16'),
    subgroups: features.includes('subgroups'),
    timestamps: features.includes('timestamp-query'),
    features,
    limits: limitsOf(adapter.limits),
    largestImage: largestImageOf(adapter, software),
    tuning: await reportTuning({ adapter: adapterName(adapter.info), vendor, architecture }),
  };
}

/** The shipped weights' network. */
const network: ModelConfig = {
  backbone: resnet18,
  neck: { fpems: 2, fusion: 'pan++' },
  detection: detectionPresets.icdar2015,
};

function largestImageOf(
  { limits, features }: GPUAdapter,
  software: boolean,
): AdapterReport['largestImage'] {
  const device = {
    software,
    maxWorkgroupBytes: limits.maxComputeWorkgroupStorageSize,
    maxBindingBytes: limits.maxStorageBufferBindingSize,
    maxBufferBytes: limits.maxBufferSize,
  };
  const f32 = largestSquare(network, 'f32', device);
  return features.has('shader-f16') ? { f32, f16: largestSquare(network, 'f16', device) } : { f32 };
}

/** The limits are getters on the prototype, so each one is read by name. */
function limitsOf(limits: GPUSupportedLimits): Record<string, number> {
  const names = Object.keys(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(limits))).sort();
  const all = limits as unknown as Record<string, unknown>;
  return Object.fromEntries(
    names.flatMap((name) => (typeof all[name] === 'number' ? [[name, all[name]]] : [])),
  );
}

function advise(adapters: readonly AdapterReport[]): string[] {
  if (adapters.some((adapter) => !adapter.software)) return [];
  const advice = [
    'no hardware adapter: if the machine has a GPU, install its driver (on Linux the one with Vulkan)',
  ];
  if (
    process.platform === 'linux' &&
    adapters.length > 0 &&
    adapters.every((adapter) => adapter.embedded)
  ) {
    advice.push(
      `only the embedded software adapter: ${LAVAPIPE_PACKAGES} is about 3 times as fast`,
    );
  }
  return advice;
}

/** Undefined where the package is not installed. */
function webgpuVersion(): string | undefined {
  let main: string;
  try {
    main = createRequire(import.meta.url).resolve('webgpu');
  } catch {
    return undefined;
  }
  return (
    JSON.parse(readFileSync(join(dirname(main), 'package.json'), 'utf8')) as { version: string }
  ).version;
}
