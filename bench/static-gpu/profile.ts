// A family's profile: the packaged model's kernels as compiled by the family's compiler.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Precision } from '../../src/layers/precision.js';
import { projectFile } from '../paths.js';
import type { Size } from '../sizes.js';
import { type Issue, issueOf } from './assembly.js';
import type { CompiledPlan } from './compile.js';
import {
  type CodeStatistics,
  type Drivers,
  type Family,
  launchOf,
  readStatistics,
} from './families.js';

/** A pipeline, and the kernels that share it. */
export interface PipelineProfile extends CodeStatistics {
  /** Labels of its kernels, in the plan's order, without duplicates. */
  readonly labels: readonly string[];
  /** How many of the plan's dispatches run it. */
  readonly dispatches: number;
  /** CPU time that the driver takes to compile it. */
  readonly milliseconds: number;
  readonly issue: Issue;
  /** For convolutions. */
  readonly tile?: string;
}

export interface FamilyProfile {
  readonly plan: CompiledPlan;
  readonly pipelines: readonly PipelineProfile[];
}

/**
 * Compiles a plan's pipelines in a separate process.
 * @param results what an image's run reads back; with them, the plan is run as well
 */
export async function profileFamily(
  family: Family,
  drivers: Drivers,
  { height, width }: Size,
  precision: Precision,
  results?: Uint8Array,
): Promise<FamilyProfile> {
  const folder = await mkdtemp(join(tmpdir(), 'panpp-static-gpu-'));
  try {
    const args = [`${height}x${width}`, precision, join(folder, 'plan.json')];
    if (results) {
      args.push(join(folder, 'results'));
      await writeFile(args.at(-1)!, results);
    }
    const plan = await compiledPlan(family, drivers, args);
    return { plan, pipelines: plan.pipelines.map((_, index) => profileOf(family, plan, index)) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function compiledPlan(
  family: Family,
  drivers: Drivers,
  ownArgs: readonly string[],
): Promise<CompiledPlan> {
  const [, precision, file] = ownArgs;
  const script = projectFile('bench/dist/static-gpu-compile.js');
  const { command, args, env } = launchOf(family, drivers);
  return new Promise((resolve, reject) => {
    execFile(command, [...args, script, ...ownArgs], { env }, (_, __, stderr) => {
      // The process always ends by a signal; its output file shows whether it finished.
      readFile(file, 'utf8').then(
        (text) => resolve(JSON.parse(text) as CompiledPlan),
        () =>
          reject(new Error(`${family.name} ${precision}: nothing was compiled: ${stderr.trim()}`)),
      );
    });
  });
}

function profileOf(family: Family, plan: CompiledPlan, index: number): PipelineProfile {
  const { milliseconds, executables } = plan.pipelines[index];
  const [{ subgroupSize, statistics, assembly }] = executables;
  const kernels = plan.kernels.filter(({ pipeline }) => pipeline === index);
  return {
    ...readStatistics(family, subgroupSize, statistics),
    labels: [...new Set(kernels.map(({ label }) => label))],
    dispatches: kernels.length,
    milliseconds,
    issue: issueOf(assembly, family),
    tile: kernels[0].tile?.name,
  };
}
