// Writes bench/STATIC.md from the profiles: exact figures first, then estimates.
import { digits, table, writeFigures } from '../markdown.js';
import { projectFile } from '../paths.js';
import { type Size, nameOf } from '../sizes.js';
import { type Gpu, assumed, gpus, partOf, parts, planTime } from './estimate.js';
import type { CompiledPlan, PlanRun } from './compile.js';
import type { Drivers, Family } from './families.js';
import type { HostTimes } from './host.js';
import type { FamilyProfile, PipelineProfile } from './profile.js';
import type { Precision } from '../../src/layers/precision.js';

export const precisions: readonly Precision[] = ['f32', 'f16'];

/** A family's code at one size, in both precisions. */
export interface FamilyCode {
  readonly family: Family;
  readonly profiles: Readonly<Record<Precision, FamilyProfile>>;
}

/** A plan at one size: work, dispatches and host times. */
export interface SizedPlan extends PlanRun {
  readonly size: Size;
  readonly precision: Precision;
  readonly kernels: CompiledPlan['kernels'];
}

export interface Report {
  readonly drivers: Drivers;
  readonly commit: string;
  /** The network's input size for the code. */
  readonly size: Size;
  readonly codes: readonly FamilyCode[];
  readonly plans: readonly SizedPlan[];
}

/** Writes STATIC.md and returns its path. */
export async function writeReport(report: Report): Promise<string> {
  const path = projectFile('bench/STATIC.md');
  const text = [
    `Mesa ${report.drivers.version}, commit ${report.commit}. The packaged model, default tiles. Cells with two values are f32 · f16.`,
    '',
    '## Exact: what the compilers make of the kernels',
    '',
    ...summary(report),
    ...report.codes.flatMap((code) => [
      '',
      `### ${code.family.name}: ${code.family.examples}`,
      '',
      ...codeTable(code),
    ]),
    '',
    '## Exact: dispatches and barriers',
    '',
    ...dispatchTable(report.plans),
    '',
    '## Exact: work',
    '',
    ...workTable(report.plans),
    '',
    "## Measured: the host's part on a null driver",
    '',
    ...hostTable(report.plans),
    '',
    '## Estimated: time on GPUs that are not here',
    '',
    ...formula(),
    ...report.plans.flatMap((plan) => [
      '',
      `### ${nameOf(plan.size)}, ${plan.precision}`,
      '',
      ...estimateTable(plan),
    ]),
    '',
  ].join('\n');
  await writeFigures(path, 'npm run static-gpu', 'Static GPU profile', text);
  return path;
}

/** Both precisions' values, or one value if they are equal. */
function pair(values: readonly (string | undefined)[]): string {
  const [first = '–', second = '–'] = values;
  return first === second ? first : `${first} · ${second}`;
}

/** Faults in bold. */
const marked = (fault: boolean, text: string): string => (fault ? `**${text}**` : text);

function summary({ codes, size }: Report): string[] {
  const of = ({ profiles }: FamilyCode, show: (pipelines: readonly PipelineProfile[]) => string) =>
    pair(precisions.map((precision) => show(profiles[precision].pipelines)));
  const most = (
    pipelines: readonly PipelineProfile[],
    pick: (pipeline: PipelineProfile) => number,
  ) => Math.max(...pipelines.map(pick));
  const rows = codes.map((code) => [
    code.family.name,
    of(code, (pipelines) => String(pipelines.length)),
    of(code, (pipelines) =>
      String(pipelines.filter(({ spills, fills }) => spills + fills > 0).length),
    ),
    of(code, (pipelines) => String(most(pipelines, ({ spills }) => spills))),
    of(code, (pipelines) => String(Math.min(...pipelines.map(({ waves }) => waves)))),
    of(code, (pipelines) =>
      digits(pipelines.reduce((sum, { milliseconds }) => sum + milliseconds, 0)),
    ),
  ]);
  return [
    `Pipelines of detection at ${nameOf(size)} and of the recognition head. Subgroups in flight: on AMD by registers and workgroup memory, on NVIDIA by registers; on Intel`,
    'every execution unit has its fixed number of threads. Compilation is CPU time on the machine that wrote this, one core.',
    '',
    ...table(
      [
        'family',
        'pipelines',
        'that spill',
        'most spills in one',
        'fewest subgroups in flight',
        'compilation, ms',
      ],
      rows,
    ),
  ];
}

/** Code with fewer multiply-adds serves another purpose, so their share means nothing there. */
const leastMultiplyAdds = 16;

function codeTable({ family, profiles }: FamilyCode): string[] {
  const names = new Set(
    precisions.flatMap((precision) => profiles[precision].pipelines.map(({ labels }) => labels[0])),
  );
  const rows = [...names].map((name) => {
    const both = precisions.map((precision) =>
      profiles[precision].pipelines.find(({ labels }) => labels[0] === name),
    );
    const cell = (show: (pipeline: PipelineProfile) => string) =>
      pair(both.map((pipeline) => pipeline && show(pipeline)));
    return [
      name,
      cell(({ dispatches }) => String(dispatches)),
      cell(({ tile = '' }) => tile),
      cell(({ subgroup }) => String(subgroup)),
      cell(({ registers }) => String(registers)),
      cell(({ spills, fills }) =>
        marked(
          spills + fills > 0,
          family.vendor === 'intel' ? `${spills}/${fills}` : String(spills),
        ),
      ),
      cell(({ scratchBytes }) => String(scratchBytes)),
      cell(({ waves }) => marked(waves < 2, String(waves))),
      cell(({ workgroupBytes = '' }) => String(workgroupBytes)),
      cell(({ instructions }) => String(instructions)),
      cell(({ issue }) =>
        issue.multiplyAdds < leastMultiplyAdds ? '' : (issue.multiplyAdds / issue.slots).toFixed(2),
      ),
      cell(({ milliseconds }) => digits(milliseconds)),
    ];
  });
  const spilled = family.vendor === 'intel' ? 'spills/fills' : 'registers spilled';
  const header = [
    'kernel (first of those that share it)',
    'dispatches',
    'tile',
    'subgroup',
    'registers',
    spilled,
    'scratch, bytes',
    'in flight',
    'workgroup memory, bytes',
    'instructions',
    'multiply-adds a slot',
    'compiled in, ms',
  ];
  return table(header, rows);
}

function dispatchTable(plans: readonly SizedPlan[]): string[] {
  const rows = plans.map(({ size, precision, kernels, submit }) => [
    `${nameOf(size)} ${precision}`,
    ...parts.map((part) => String(kernels.filter((kernel) => partOf(kernel) === part).length)),
    ...[submit.dispatches, submit.afterBarrier, submit.barriers].map(String),
  ]);
  return [
    'Counted by the layer in one image. Every dispatch with a barrier before it waits until the one before has drained.',
    '',
    ...table(['', ...parts, 'all', 'with a barrier before', 'barriers'], rows),
  ];
}

function workTable(plans: readonly SizedPlan[]): string[] {
  const rows = plans.flatMap(({ size, precision, kernels }) => {
    const sum = (part: string, pick: (kernel: (typeof kernels)[number]) => number) =>
      kernels
        .filter((kernel) => partOf(kernel) === part)
        .reduce((all, kernel) => all + pick(kernel), 0);
    const line = (what: string, show: (part: string) => number) => {
      const values = parts.map(show);
      return [
        `${nameOf(size)} ${precision}, ${what}`,
        ...values.map(digits),
        digits(values.reduce((all, value) => all + value, 0)),
      ];
    };
    return [
      line('10⁹ multiply-adds', (part) => sum(part, ({ multiplyAdds }) => multiplyAdds) / 1e9),
      line('MB', (part) => sum(part, ({ bytes }) => bytes) / 1e6),
    ];
  });
  return [
    "Multiply-adds of convolutions, after Winograd's saving. Bytes that dispatches read and write, each value once a dispatch; aggregation's are an upper bound:",
    'all of its buffers, of which it reads parts.',
    '',
    ...table(['', ...parts, 'all'], rows),
  ];
}

function hostTable(plans: readonly SizedPlan[]): string[] {
  const rows = plans.map(({ size, precision, submit, host }) => [
    `${nameOf(size)} ${precision}`,
    ...(['first', 'together', 'read', 'regions', 'cpu'] as const).map(
      (name) => `${host[name].median.toFixed(2)} (${host[name].least.toFixed(2)})`,
    ),
    (host.together.least + afterGpu(host)).toFixed(2),
    ((1000 * host.cpu.least) / submit.dispatches).toFixed(1),
  ]);
  return [
    'The example photograph from its pixels to its regions, milliseconds: medians of 100 runs, the least in brackets. The time until the first part includes the upload; the GPU',
    "begins with that part. When the GPU is done, the label map and the sums are read back, and the regions' shapes computed. The driver's own share is not in it, nor the delay until the",
    "host notices that the GPU is done. The photograph has the size of the network's input. Where the machine does other things too, the least is the steadier figure.",
    '',
    ...table(
      [
        '',
        'until the first part',
        'until the last',
        'reading back',
        'regions',
        'CPU time',
        'all, least',
        'least CPU time a dispatch, µs',
      ],
      rows,
    ),
  ];
}

/** Milliseconds that the host takes once the GPU is done. */
const afterGpu = ({ read, regions }: HostTimes): number => read.least + regions.least;

function formula(): string[] {
  const { memoryShare, cacheShare, resident, stall, least } = assumed;
  return [
    '±40 %, for comparing one state of the project with another. A dispatch takes the longest of',
    '',
    `- memory: its bytes at ${memoryShare} of the memory's speed; of Winograd's steps, where a band's transformed maps and products take less than ${cacheShare} of the cache, those at the`,
    "  cache's speed and only the rest at the memory's;",
    '- arithmetic: *n* workgroups on a unit (all, divided by the units, rounded up), each with a tile of *P* multiply-adds: *n* · *P* ÷ (rate · efficiency); or, where they are too few to',
    `  hide latency, ⌈*n* ÷ ${resident}⌉ · (*P* ÷ (0.8 · min(128, invocations)) + ${stall} cycles for each 16 of the depth);`,
    `- ${least} µs;`,
    '',
    'and then drains. Spills are not in it. In the tables: a part without its drains; all drains; the network with its drains; the whole detection, which is preprocessing, network,',
    "aggregation, and the host's time until the first part, for reading back and for regions, at the least measured above (the rest is recorded while the GPU works). For aggregation nothing but bytes and drains is counted.",
    'Roofline: the sums of what memory alone and arithmetic alone would take, and all multiply-adds at the peak.',
    '',
    ...table(
      [
        '',
        'units',
        'multiply-adds a cycle and unit',
        'GHz',
        'memory, GB/s',
        'cache, MB',
        'cache, GB/s',
        'drain, µs',
        'efficiency',
      ],
      gpus.map((gpu) => [
        gpu.name,
        ...[
          gpu.units,
          gpu.multiplyAdds,
          gpu.gigahertz,
          gpu.memory,
          gpu.cacheMegabytes,
          gpu.cache,
          gpu.drain,
          gpu.efficiency,
        ].map(String),
      ]),
    ),
  ];
}

function estimateTable({ kernels, host }: SizedPlan): string[] {
  const rows = gpus.map((gpu: Gpu) => {
    const times = planTime(kernels, gpu);
    const network = parts.filter((part) => part !== 'preprocess' && part !== 'aggregation');
    const sum = (
      names: readonly (typeof parts)[number][],
      pick: 'body' | 'drains' | 'memory' | 'arithmetic',
    ) => names.reduce((all, part) => all + times[part][pick], 0);
    const { first, together } = host;
    const whole =
      first.least +
      Math.max(sum(parts, 'body') + sum(parts, 'drains'), together.least - first.least) +
      afterGpu(host);
    const peak =
      kernels
        .filter((kernel) => partOf(kernel) !== undefined)
        .reduce((all, { multiplyAdds }) => all + multiplyAdds, 0) /
      (gpu.units * gpu.multiplyAdds * gpu.gigahertz * 1e6);
    return [
      gpu.name,
      ...parts.map((part) => digits(times[part].body)),
      ...[sum(parts, 'drains'), sum(network, 'body') + sum(network, 'drains'), whole].map(
        (value) => `**${digits(value)}**`,
      ),
      ...[sum(network, 'memory'), sum(network, 'arithmetic'), peak].map(digits),
    ];
  });
  return table(
    [
      'ms',
      ...parts,
      'drains',
      'network',
      'detection',
      'memory alone',
      'arithmetic alone',
      'at the peak',
    ],
    rows,
  );
}
