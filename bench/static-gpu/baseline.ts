// What is known of every default kernel on every family (baseline.json), and what must not get
// worse.
import type { Precision } from '../../src/layers/precision.js';
import type { CodeStatistics } from './families.js';
import type { PipelineProfile } from './profile.js';

export type KnownCode = Pick<
  CodeStatistics,
  'subgroup' | 'registers' | 'spills' | 'fills' | 'waves'
>;

export interface Baseline {
  /** The drivers' version. */
  readonly mesa: string;
  /** Of the network's input. */
  readonly size: { readonly height: number; readonly width: number };
  /** By family, precision, and a pipeline's first label. */
  readonly families: Readonly<
    Record<string, Readonly<Record<Precision, Readonly<Record<string, KnownCode>>>>>
  >;
}

/** What a kernel must be that the baseline does not know. */
const wanted = { spills: 0, fills: 0, waves: 2 };

export function knownCode(pipelines: readonly PipelineProfile[]): Record<string, KnownCode> {
  return Object.fromEntries(
    pipelines.map(({ labels, subgroup, registers, spills, fills, waves }) => [
      labels[0],
      { subgroup, registers, spills, fills, waves },
    ]),
  );
}

/** How pipelines are worse than known, a line each: more spills, or registers that cost a wave. */
export function findGrowth(
  pipelines: readonly PipelineProfile[],
  known: Readonly<Record<string, KnownCode>>,
): string[] {
  return pipelines.flatMap(({ labels, registers, spills, fills, waves }) => {
    const name = labels.find((label) => known[label]);
    const before = name === undefined ? wanted : known[name];
    const faults = [
      spills > before.spills && `spills ${spills}, not ${before.spills}`,
      fills > before.fills && `fills ${fills}, not ${before.fills}`,
      waves < before.waves &&
        `${waves} waves in flight (${registers} registers), not ${before.waves}`,
    ].filter((fault) => typeof fault === 'string');
    return faults.length === 0
      ? []
      : [`${labels[0]}${name === undefined ? ' (new)' : ''}: ${faults.join(', ')}`];
  });
}
