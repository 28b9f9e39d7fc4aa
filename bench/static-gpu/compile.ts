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
 * Milliseconds per run: recording, finishing the command buffer and submitting, all of these
 * together, and CPU time of all threads; the median and the least of the runs.
 */
export type HostTimes = Readonly<
  Record<
    'record' | 'finish' | 'submit' | 'together' | 'cpu',
    { readonly median: number; readonly least: number }
  >
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
const host = await timeHost();
const submit = layerLines('submit').at(-1);
const compiled = { profile: gpu.profile, kernels, pipelines, submit, host };
writeFileSync(file, JSON.stringify(compiled));
rmSync(report);
// Without a GPU these drivers crash on a normal exit.
process.kill(process.pid, 'SIGKILL');

/** The layer's lines of one kind. */
function layerLines(kind: string): Record<string, never>[] {
  if (!existsSync(report)) return [];
  const lines = readFileSync(report, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith(`{"kind":"${kind}"`));
  return lines.map((line) => JSON.parse(line) as Record<string, never>);
}

async function timeHost(): Promise<HostTimes> {
  const { device } = gpu;
  const program = await Program.create(gpu, plan.stages, plan.pinned);
  const runs: Record<keyof HostTimes, number>[] = [];
  const run = async () => {
    const encoder = device.createCommandEncoder();
    const cpu = process.cpuUsage();
    const times = [performance.now()];
    program.encode(encoder);
    times.push(performance.now());
    const buffer = encoder.finish();
    times.push(performance.now());
    device.queue.submit([buffer]);
    times.push(performance.now());
    const { user, system } = process.cpuUsage(cpu);
    const [begin, recorded, finished, submitted] = times;
    runs.push({
      record: recorded - begin,
      finish: finished - recorded,
      submit: submitted - finished,
      together: submitted - begin,
      cpu: (user + system) / 1000,
    });
    await device.queue.onSubmittedWorkDone();
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
    record: summary('record'),
    finish: summary('finish'),
    submit: summary('submit'),
    together: summary('together'),
    cpu: summary('cpu'),
  };
}
