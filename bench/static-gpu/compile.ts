// Runs in the environment of a family's driver (families.ts), one process per plan. Compiles every
// pipeline, one at a time so that the layer's lines can be assigned to it. If results are given, it
// also runs the plan on an image and times what the host does for that.
//   node bench/dist/static-gpu-compile.js HEIGHTxWIDTH f32|f16 FILE [RESULTS]
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { GpuProfile } from '../../src/gpu/context.js';
import { pipelineKey, pipelineOf } from '../../src/gpu/dispatch.js';
import type { Precision } from '../../src/layers/precision.js';
import { openGpu } from '../../src/node.js';
import { photographAt } from '../photograph.js';
import { parseSizes } from '../sizes.js';
import { type HostTimes, ImageRun, timeHost } from './host.js';
import { type Work, planPackaged } from './plan.js';

/** What the process writes to FILE. */
export interface CompiledPlan {
  readonly profile: GpuProfile;
  readonly kernels: readonly (Work & {
    readonly stage: string;
    readonly label: string;
    /** Index of its pipeline. */
    readonly pipeline: number;
    readonly workgroups: number;
  })[];
  readonly pipelines: readonly LayerPipeline[];
  /** Of an image, if results were given. */
  readonly run?: PlanRun;
}

export interface PlanRun {
  /** Counted by the layer. */
  readonly submit: {
    readonly dispatches: number;
    readonly afterBarrier: number;
    readonly barriers: number;
  };
  readonly host: HostTimes;
}

/** As written by the layer (layer/nullgpu.c). */
export interface LayerPipeline {
  readonly milliseconds: number;
  readonly executables: readonly {
    readonly subgroupSize: number;
    readonly statistics: Readonly<Record<string, number>>;
    readonly assembly: string;
  }[];
}

const [sizeText, precision, file, resultsFile] = process.argv.slice(2) as [
  string,
  Precision,
  string,
  string?,
];
const [size] = parseSizes(sizeText);
const report = `${file}.layer`;
rmSync(report, { force: true });
process.env.PANPP_NULLGPU_OUT = report;

const gpu = await openGpu();
void gpu.device.lost.then(({ message }) => console.error(`device lost: ${message}`));
const detection = await planPackaged(gpu, size, precision);
const packing = layerLines('pipeline').length;
const indices = new Map<string, number>();
const kernels = [];
for (const { stage, dispatch, work } of detection.kernels) {
  const key = pipelineKey(dispatch);
  if (!indices.has(key)) {
    await pipelineOf(gpu, dispatch);
    const index = layerLines('pipeline').length - packing - 1;
    if (index !== indices.size)
      throw new Error(
        `${dispatch.label}: ${index + 1} pipelines were compiled where ${indices.size + 1} are expected`,
      );
    indices.set(key, index);
  }
  const [x, y, z] = dispatch.workgroups;
  kernels.push({
    ...work,
    stage,
    label: dispatch.label,
    pipeline: indices.get(key)!,
    workgroups: x * y * z,
  });
}
const pipelines = layerLines<LayerPipeline>('pipeline').slice(packing);
const run = resultsFile === undefined ? undefined : await runOn(resultsFile);
const compiled: CompiledPlan = { profile: gpu.profile, kernels, pipelines, run };
writeFileSync(file, JSON.stringify(compiled));
rmSync(report);
// Without a GPU these drivers crash on a normal exit.
process.kill(process.pid, 'SIGKILL');

/** The layer's lines of one kind. */
function layerLines<T = Record<string, never>>(kind: string): T[] {
  if (!existsSync(report)) return [];
  const lines = readFileSync(report, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith(`{"kind":"${kind}"`));
  return lines.map((line) => JSON.parse(line) as T);
}

async function runOn(path: string): Promise<PlanRun> {
  const image = await ImageRun.create(gpu, detection, await photographAt(size));
  await image.pretend(readFileSync(path));
  // The layer reports the first run, which comes in parts; writing that report must not be timed.
  const before = layerLines('submit').length;
  await image.run();
  const submit = layerLines<PlanRun['submit']>('submit')
    .slice(before)
    .reduce((sum, part) => ({
      dispatches: sum.dispatches + part.dispatches,
      afterBarrier: sum.afterBarrier + part.afterBarrier,
      barriers: sum.barriers + part.barriers,
    }));
  delete process.env.PANPP_NULLGPU_OUT;
  return { submit, host: await timeHost(image) };
}
