// Runs in the environment of a family's driver (families.ts), one process per plan. Compiles every
// pipeline, one at a time so that the layer's lines can be assigned to it, submits the plan once,
// and times what the host does for that.
//   node bench/dist/static-gpu-compile.js HEIGHTxWIDTH f32|f16 FILE
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { GpuProfile } from '../../src/gpu/context.js';
import { pipelineKey, pipelineOf } from '../../src/gpu/dispatch.js';
import { Program } from '../../src/gpu/program.js';
import type { Precision } from '../../src/layers/precision.js';
import { openGpu } from '../../src/node.js';
import { parseSizes } from '../sizes.js';
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

/**
 * Milliseconds per run of recording and submitting: until the GPU has the first part, until it has
 * all, and CPU time of all threads; the median and the least of the runs.
 */
export type HostTimes = Readonly<
  Record<'first' | 'together' | 'cpu', { readonly median: number; readonly least: number }>
>;

const hostRuns = 100;

const [sizeText, precision, file] = process.argv.slice(2);
const [size] = parseSizes(sizeText);
const report = `${file}.layer`;
rmSync(report, { force: true });
process.env.PANPP_NULLGPU_OUT = report;

const gpu = await openGpu();
void gpu.device.lost.then(({ message }) => console.error(`device lost: ${message}`));
const { plan, kernels: planned } = await planPackaged(gpu, size, precision as Precision);
const packing = layerLines('pipeline').length;
const indices = new Map<string, number>();
const kernels = [];
for (const { stage, dispatch, work } of planned) {
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
const pipelines = layerLines('pipeline').slice(packing);
const submitted = layerLines('submit').length;
const host = await timeHost();
// Those of the first run, which comes in parts.
const submit = layerLines<CompiledPlan['submit']>('submit')
  .slice(submitted)
  .reduce((sum, part) => ({
    dispatches: sum.dispatches + part.dispatches,
    afterBarrier: sum.afterBarrier + part.afterBarrier,
    barriers: sum.barriers + part.barriers,
  }));
const compiled = { profile: gpu.profile, kernels, pipelines, submit, host };
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

async function timeHost(): Promise<HostTimes> {
  const { device } = gpu;
  const program = await Program.create(gpu, plan.stages, plan.pinned);
  const runs: Record<keyof HostTimes, number>[] = [];
  const { queue } = device;
  const submit = queue.submit.bind(queue);
  let first = 0;
  queue.submit = (buffers) => {
    submit(buffers);
    first ||= performance.now();
  };
  const run = async () => {
    first = 0;
    const cpu = process.cpuUsage();
    const begin = performance.now();
    queue.submit([program.start().finish()]);
    const end = performance.now();
    const { user, system } = process.cpuUsage(cpu);
    runs.push({ first: first - begin, together: end - begin, cpu: (user + system) / 1000 });
    await queue.onSubmittedWorkDone();
  };
  // The layer reports the first run; writing that report must not be timed.
  await run();
  delete process.env.PANPP_NULLGPU_OUT;
  for (let index = 0; index < 10; index++) await run();
  runs.length = 0;
  while (runs.length < hostRuns) await run();
  const summary = (name: keyof HostTimes) => {
    const sorted = runs.map((run) => run[name]).sort((a, b) => a - b);
    return { median: sorted[hostRuns >> 1], least: sorted[0] };
  };
  return {
    first: summary('first'),
    together: summary('together'),
    cpu: summary('cpu'),
  };
}
