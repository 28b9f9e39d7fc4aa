// The GPU families that Mesa's compilers support without a GPU: how to start their drivers, and
// what the drivers' statistics mean.
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { PanppError } from '../../src/errors.js';

export interface Family {
  /** The driver's name for it. */
  readonly name: string;
  /** GPUs of the family. */
  readonly examples: string;
  readonly vendor: 'amd' | 'intel' | 'nvidia';
  /** Invocations that an instruction processes per cycle. */
  readonly lanes: number;
  /** AMD: two multiply-adds of a wave of 64 issue as one (RDNA3). */
  readonly dualIssue?: boolean;
  /** AMD before RDNA: the driver counts waves of 64; for RDNA it counts waves of 32. */
  readonly wave64?: boolean;
  /** Intel: threads per execution unit. Each has its own registers, so their number is fixed. */
  readonly threads?: number;
  /** NVIDIA: the driver's number for it, in hexadecimal. */
  readonly chipset?: string;
  /** NVIDIA: the most subgroups that a scheduler holds. */
  readonly warps?: number;
}

export const families: readonly Family[] = [
  { name: 'navi31', examples: 'RX 7900 XTX (RDNA3)', vendor: 'amd', lanes: 32, dualIssue: true },
  { name: 'navi21', examples: 'RX 6800, 6900 (RDNA2)', vendor: 'amd', lanes: 32 },
  { name: 'vega10', examples: 'RX Vega 56, 64 (GCN5)', vendor: 'amd', lanes: 16, wave64: true },
  {
    name: 'tgl',
    examples: 'Iris Xe, 11th to 13th generation (Xe-LP)',
    vendor: 'intel',
    lanes: 8,
    threads: 7,
  },
  { name: 'dg2', examples: 'Arc A770 (Xe-HPG)', vendor: 'intel', lanes: 8, threads: 8 },
  { name: 'lnl', examples: 'Core Ultra 200V (Xe2)', vendor: 'intel', lanes: 16, threads: 8 },
  {
    name: 'ga102',
    examples: 'RTX 3080, 3090 (Ampere)',
    vendor: 'nvidia',
    lanes: 32,
    chipset: '172',
    warps: 12,
  },
];

export function familyNamed(name: string): Family {
  const family = families.find((each) => each.name === name);
  if (!family)
    throw new PanppError(
      'argument',
      `no GPU family is called "${name}"; there are ${families.map((each) => each.name).join(', ')}`,
    );
  return family;
}

// ---- starting a driver ----

export interface Drivers {
  readonly folder: string;
  /** Mesa's version. */
  readonly version: string;
}

/** The drivers that drivers.sh has built, if any. */
export function findDrivers(): Drivers | undefined {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const folder = process.env.PANPP_STATIC_GPU || join(cache, 'panpp', 'static-gpu');
  const version = join(folder, 'version');
  return existsSync(version)
    ? { folder, version: readFileSync(version, 'utf8').trim() }
    : undefined;
}

export const driversHint = 'bench/static-gpu/drivers.sh fetches and builds them';

/** How to start Node with a family's driver as the only one, and with the layer. */
export interface Launch {
  readonly command: string;
  /** Arguments before the script. */
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

export function launchOf(family: Family, { folder }: Drivers): Launch {
  const { VK_ICD_FILENAMES: _, VK_ADD_DRIVER_FILES: __, ...inherited } = process.env;
  const root = join(folder, family.vendor === 'nvidia' ? 'root-nvidia' : 'root');
  const libraries = join(root, 'usr/lib/x86_64-linux-gnu');
  const icd = { amd: 'radeon', intel: 'intel', nvidia: 'nouveau' }[family.vendor];
  const env = {
    ...inherited,
    VK_DRIVER_FILES: join(root, 'usr/share/vulkan/icd.d', `${icd}_icd.json`),
    VK_LAYER_PATH: join(folder, 'layer'),
    VK_INSTANCE_LAYERS: 'VK_LAYER_PANPP_nullgpu',
    // Cached shaders would not be compiled.
    MESA_SHADER_CACHE_DISABLE: 'true',
  };
  const shim = (name: string) => join(folder, `lib${name}_noop_drm_shim.so`);
  const usual = { command: process.execPath, args: [] };
  const withLibraries = {
    ...env,
    LD_LIBRARY_PATH: [libraries, process.env.LD_LIBRARY_PATH].filter(Boolean).join(':'),
  };
  switch (family.vendor) {
    case 'amd':
      return { ...usual, env: { ...withLibraries, RADV_FORCE_FAMILY: family.name } };
    case 'intel':
      return {
        ...usual,
        env: {
          ...withLibraries,
          LD_PRELOAD: shim('intel'),
          INTEL_STUB_GPU: '1',
          INTEL_STUB_GPU_PLATFORM: family.name,
        },
      };
    case 'nvidia':
      // The driver is from a newer distribution, so it runs with that one's C library.
      return {
        command: join(libraries, 'ld-linux-x86-64.so.2'),
        args: ['--library-path', libraries, realpathSync(process.execPath)],
        env: {
          ...env,
          LD_PRELOAD: shim('nouveau'),
          NOUVEAU_CHIPSET: family.chipset,
          NVK_I_WANT_A_BROKEN_VULKAN_DRIVER: '1',
        },
      };
  }
}

// ---- reading its statistics ----

/** Statistics of a pipeline's code, as counted by its driver. */
export interface CodeStatistics {
  /** Invocations of a subgroup: AMD's wave, Intel's SIMD width. */
  readonly subgroup: number;
  /**
   * AMD and NVIDIA: (vector) registers allocated, 32 bits for each invocation. Intel: registers of
   * 32 bytes live at once, before allocation; beyond 128 they spill.
   */
  readonly registers: number;
  /**
   * AMD: registers spilled, to other registers or to memory. Intel: writes to memory in the code.
   * NVIDIA: words spilled.
   */
  readonly spills: number;
  /** Intel: reads back in the code. */
  readonly fills: number;
  /** Memory that an invocation (AMD, NVIDIA) or a thread (Intel) spills to, bytes. */
  readonly scratchBytes: number;
  /**
   * Subgroups that are in flight on a SIMD (AMD), an execution unit (Intel) or a scheduler
   * (NVIDIA).
   */
  readonly waves: number;
  /** Workgroup memory, bytes; NVIDIA's driver does not report it. */
  readonly workgroupBytes?: number;
  readonly instructions: number;
}

/** @param statistics by the names that the driver gives them */
export function readStatistics(
  family: Family,
  subgroup: number,
  statistics: Readonly<Record<string, number>>,
): CodeStatistics {
  const get = (name: string) => {
    const value = statistics[name];
    if (value === undefined)
      throw new Error(
        `${family.name}'s driver counts no "${name}"; it has ${Object.keys(statistics).join(', ')}`,
      );
    return value;
  };
  switch (family.vendor) {
    case 'amd':
      return {
        subgroup,
        registers: get('VGPRs'),
        spills: get('Spilled VGPRs') + get('Spilled SGPRs'),
        fills: 0,
        scratchBytes: get('Scratch size'),
        waves: family.wave64
          ? get('Subgroups per SIMD')
          : (get('Subgroups per SIMD') * 32) / subgroup,
        workgroupBytes: get('LDS size'),
        instructions: get('Instructions'),
      };
    case 'intel':
      return {
        subgroup,
        registers: get('Max live registers'),
        spills: get('Spill Count'),
        fills: get('Fill Count'),
        scratchBytes: get('Scratch Memory Size'),
        waves: family.threads!,
        workgroupBytes: get('Workgroup Memory Size'),
        instructions: get('Instruction Count'),
      };
    case 'nvidia': {
      const registers = get('Number of GPRs');
      // A scheduler has 16384 registers and gives them out in eights to each of a subgroup's 32
      // invocations.
      const waves = Math.min(
        family.warps!,
        Math.floor(16384 / 32 / (8 * Math.ceil(registers / 8))),
      );
      const scratchBytes = get('SLM Size');
      return {
        subgroup,
        registers,
        spills: scratchBytes / 4,
        fills: 0,
        scratchBytes,
        waves,
        instructions: get('Instruction count'),
      };
    }
  }
}
