// The known statistics of every default kernel on every family (baseline.json), which must not get
// worse.
import type { Precision } from '../../src/layers/precision.js';
import type { CodeStatistics } from './families.js';
import type { PipelineProfile } from './profile.js';

export type KnownCode = Pick<
  CodeStatistics,
  'subgroup' | 'registers' | 'spills' | 'fills' | 'waves'
>;

export interface Baseline {
  /** Mesa's version. */
  readonly mesa: string;
  /** Size of the network's input. */
  readonly size: { readonly height: number; readonly width: number };
  /** By family, precision, and a pipeline's first label. */
  readonly families: Readonly<
    Record<string, Readonly<Record<Precision, Readonly<Record<string, KnownCode>>>>>
  >;
}

/** What is required of a kernel that is not in the baseline. */
const wanted = { spills: 0, fills: 0, waves: 2 };

export function knownCode(pipelines: readonly PipelineProfile[]): Record<string, KnownCode> {
  return Object.fromEntries(
    pipelines.map(({ labels, subgroup, registers, spills, fills, waves }) => [
      labels[0],
      { subgroup, registers, spills, fills, waves },
    ]),
  );
}

/** How pipelines are worse than known, one line each: more spills, or fewer waves in flight. */
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
