// Static GPU profile: what real GPUs' compilers make of the default kernels must not get worse.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { issueOf } from '../../bench/static-gpu/assembly.js';
import { type Baseline, findGrowth, knownCode } from '../../bench/static-gpu/baseline.js';
import { dispatchTime, gpus } from '../../bench/static-gpu/estimate.js';
import {
  driversHint,
  familyNamed,
  findDrivers,
  launchOf,
  readStatistics,
} from '../../bench/static-gpu/families.js';
import type { PipelineProfile } from '../../bench/static-gpu/profile.js';

const drivers = findDrivers();
const { mesa } = JSON.parse(readFileSync('bench/static-gpu/baseline.json', 'utf8')) as Baseline;
const missing = !drivers
  ? `no drivers; ${driversHint}`
  : drivers.version !== mesa
    ? `the baseline is of Mesa ${mesa}, the drivers are of ${drivers.version}`
    : undefined;
if (missing) console.log(`default kernels not compiled for GPUs that are not here: ${missing}`);

describe.skipIf(missing !== undefined)('default kernels', () => {
  it(
    'spill no more and keep as many subgroups in flight as known, on every family',
    { timeout: 900_000 },
    () => {
      execFileSync(process.execPath, ['bench/build.mjs']);
      const run = () =>
        execFileSync(process.execPath, ['bench/dist/static-gpu.js', '--check'], {
          encoding: 'utf8',
          stdio: 'pipe',
        });
      // What is worse is in the error's message.
      expect(run).not.toThrow();
    },
  );

  it("are compiled by drivers in the cache alone, not the machine's", () => {
    for (const name of ['navi31', 'tgl', 'ga102']) {
      const { VK_DRIVER_FILES } = launchOf(familyNamed(name), drivers!).env;
      expect(VK_DRIVER_FILES!.startsWith(drivers!.folder)).toBe(true);
      expect(existsSync(VK_DRIVER_FILES!)).toBe(true);
    }
  });
});

const pipeline = (code: Partial<PipelineProfile>): PipelineProfile => ({
  labels: ['conv'],
  subgroup: 64,
  registers: 100,
  spills: 0,
  fills: 0,
  scratchBytes: 0,
  waves: 4,
  workgroupBytes: 0,
  instructions: 1,
  dispatches: 1,
  milliseconds: 1,
  issue: { multiplyAdds: 1, slots: 1 },
  ...code,
});

describe('what counts as worse', () => {
  const known = knownCode([pipeline({ labels: ['conv', 'shared'], spills: 3, fills: 5 })]);

  it('is more spills, or registers that cost a wave', () => {
    expect(findGrowth([pipeline({ spills: 3, fills: 5, registers: 120 })], known)).toEqual([]);
    expect(findGrowth([pipeline({ spills: 4, fills: 5 })], known)).toEqual([
      'conv: spills 4, not 3',
    ]);
    expect(findGrowth([pipeline({ fills: 6 })], known)).toEqual(['conv: fills 6, not 5']);
    expect(findGrowth([pipeline({ waves: 3, registers: 160 })], known)).toEqual([
      'conv: 3 waves in flight (160 registers), not 4',
    ]);
  });

  it('is any spill, or a single wave, of a kernel that is new', () => {
    expect(findGrowth([pipeline({ labels: ['new'], waves: 2 })], known)).toEqual([]);
    expect(findGrowth([pipeline({ labels: ['new'], spills: 1, waves: 1 })], known)).toEqual([
      'new (new): spills 1, not 0, 1 waves in flight (100 registers), not 2',
    ]);
  });

  it('is found by any of the labels that share a pipeline', () => {
    expect(findGrowth([pipeline({ labels: ['first', 'conv'], spills: 3 })], known)).toEqual([]);
  });
});

describe('statistics', () => {
  const amd = {
    VGPRs: 168,
    'Spilled VGPRs': 1,
    'Spilled SGPRs': 2,
    'Scratch size': 64,
    'Subgroups per SIMD': 8,
    'LDS size': 8192,
    Instructions: 885,
  };

  it("count RDNA's waves in their own size: its driver counts in 32s", () => {
    expect(readStatistics(familyNamed('navi31'), 64, amd)).toMatchObject({
      registers: 168,
      spills: 3,
      waves: 4,
      scratchBytes: 64,
      workgroupBytes: 8192,
    });
    expect(readStatistics(familyNamed('navi31'), 32, amd).waves).toBe(8);
    expect(readStatistics(familyNamed('vega10'), 64, amd).waves).toBe(8);
  });

  it("count NVIDIA's subgroups by the registers of a scheduler", () => {
    const nvidia = {
      'Number of GPRs': 156,
      'SLM Size': 16,
      'Instruction count': 1402,
      'Code Size': 22432,
    };
    expect(readStatistics(familyNamed('ga102'), 32, nvidia)).toMatchObject({
      registers: 156,
      spills: 4,
      waves: 3,
    });
    expect(
      readStatistics(familyNamed('ga102'), 32, { ...nvidia, 'Number of GPRs': 19 }).waves,
    ).toBe(12);
  });

  it('name one that a driver does not have', () => {
    expect(() => readStatistics(familyNamed('tgl'), 16, amd)).toThrow(
      /tgl's driver counts no "Max live registers"; it has VGPRs/,
    );
  });
});

describe("code's multiply-adds", () => {
  it('are those of the innermost loop with the most of them (AMD)', () => {
    const assembly = [
      'BB0:',
      '\tv_mov_b32_e32 v0, 0 ; 7e000280',
      'BB1:',
      '\tv_mul_lo_u32 v1, v2, s1 ; d72c',
      'BB2:',
      '\tv_fmac_f32_e32 v8, v124, v92 ; 5610b97c',
      '\tv_dual_fmac_f32 v8, v1, v2 :: v_dual_fmac_f32 v9, v3, v4 ; c800',
      '\tv_add3_u32 v1, v2, 4, v3 ; d655',
      '\tds_load_b128 v[0:3], v4 ; d9fc',
      '\ts_cbranch_scc0 BB2 ; bfa1',
      '\ts_branch BB1 ; bfa0',
      'BB3:',
      '\ts_endpgm ; bfb0',
    ].join('\n');
    // RDNA3 issues both halves of a wave of 64 at once, but not for every instruction.
    expect(issueOf(assembly, familyNamed('navi31'))).toEqual({ multiplyAdds: 3, slots: 4 });
    expect(issueOf(assembly, familyNamed('navi21'))).toEqual({ multiplyAdds: 3, slots: 3 });
  });

  it('take as many slots as the width needs (Intel)', () => {
    const assembly = [
      'LABEL1:',
      'mad(16)         g74<1>F         g82<8,8,1>F     g10<8,8,1>F     g1<1,1,1>F { align1 1H };',
      'sync nop(1)                     null<0,1,0>UB                   { align1 WE_all 1N @1 };',
      'send(8)         g44UD           g45UD           nullUD          0x021802fd                0x00000000',
      '                            data MsgDesc: (DC OWORD block read, bti 253)  mlen 1 { align1 WE_all 1Q $1 };',
      'sel.ge(8)       g1<1>F          g2<8,8,1>F      g3<8,8,1>F      { align1 1Q };',
      '(-f0.0) while(16) JIP:  LABEL1                                    { align1 1H };',
      'mad(8)          g74<1>F         g82<8,8,1>F     g10<8,8,1>F     g1<1,1,1>F { align1 1Q };',
    ].join('\n');
    expect(issueOf(assembly, familyNamed('tgl'))).toEqual({ multiplyAdds: 2, slots: 6 });
  });

  it('are those of the blocks between a jump back and its target (NVIDIA)', () => {
    const assembly = [
      'block 0 L1 [] -> {',
      '      r1        = mov rZ                                         // delay=1',
      '} -> [1]',
      'block 1 L2 [0, 2] -> {',
      '      r148..152 = ld.shared.strong.cta.b128 [r89]                // delay=4 wt=010000 rd:0 wr:4',
      '      r82       = ffma.ftz r124 r92 r82                          // delay=1',
      '@!p0              bra L9                                         // delay=1',
      '} -> [2, 3]',
      'block 2 L3 [1] -> {',
      '      r83       = ffma.ftz r124 r93 r83                          // delay=1',
      '                  nop L0                                         // delay=1',
      '} -> [1]',
      'block 3 L4 [1] -> {',
      '                  exit                                           // delay=1',
      '} -> []',
    ].join('\n');
    expect(issueOf(assembly, familyNamed('ga102'))).toEqual({ multiplyAdds: 2, slots: 4 });
  });

  it('are those of all code where nothing loops', () => {
    expect(
      issueOf('BB0:\n\tv_fma_f32 v0, v1, v2, v3\n\tv_rcp_f32_e32 v1, v1', familyNamed('navi21')),
    ).toEqual({ multiplyAdds: 1, slots: 5 });
  });
});

describe('estimates', () => {
  const gpu = {
    ...gpus[0],
    units: 10,
    multiplyAdds: 100,
    gigahertz: 1,
    memory: 100,
    cache: 1000,
    cacheMegabytes: 1,
    efficiency: 0.5,
  };

  it('are bound by memory, unless a band stays in the cache', () => {
    const work = { multiplyAdds: 0, bytes: 850_000, workgroups: 1 };
    expect(dispatchTime(work, gpu)).toEqual({ memory: 10, arithmetic: 0, whole: 10 });
    expect(dispatchTime({ ...work, band: { between: 2e6, rest: 425_000 } }, gpu).whole).toBeCloseTo(
      10,
    );
    expect(
      dispatchTime({ ...work, band: { between: 0.7e6, rest: 425_000 } }, gpu).whole,
    ).toBeCloseTo(5);
  });

  it('are bound by arithmetic, whole workgroups a unit', () => {
    const work = {
      multiplyAdds: 0,
      bytes: 0,
      workgroups: 61,
      tile: { name: '', depth: 16, perGroup: 1e6, invocations: 128 },
    };
    // Seven workgroups of 10⁶ at half of 100 a cycle.
    expect(dispatchTime(work, gpu).whole).toBeCloseTo(7 * 20);
  });

  it('count every dispatch as at least 2 µs', () => {
    expect(dispatchTime({ multiplyAdds: 0, bytes: 4, workgroups: 1 }, gpu).whole).toBe(2);
  });
});
