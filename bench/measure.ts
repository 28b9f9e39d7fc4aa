// Repeated timing. Contestants take turns (A B A B …), so that other load on the machine affects
// all of them alike.

/** Milliseconds of one run, by what was timed; each run has `wall`. */
export type Times = Readonly<Record<string, number>> & { readonly wall: number };

export interface Effort {
  /** The least number of runs that count; fast ones are repeated more often. */
  readonly runs: number;
  /** The least number of warm-up rounds. */
  readonly warmups: number;
  /** Time limit of a series, seconds; at least three runs are made. */
  readonly seconds: number;
}

const leastRuns = 3;
/**
 * Fast work is repeated for at least this many milliseconds: first clocks ramp up and compilers
 * warm up, then medians settle.
 */
const spent = { warming: 500, running: 1000 };
const mostRounds = 100;

export interface Statistics {
  readonly median: number;
  readonly least: number;
  readonly most: number;
  readonly runs: number;
}

/** Runs every contestant once per round, and returns their times, equally many for each. */
export async function measureInTurns<Name extends string>(
  contestants: Readonly<Record<Name, () => Promise<Times>>>,
  { runs, warmups, seconds }: Effort,
): Promise<Record<Name, Times[]>> {
  const names = Object.keys(contestants) as Name[];
  const times = Object.fromEntries(names.map((name) => [name, [] as Times[]])) as Record<
    Name,
    Times[]
  >;
  const round = async (counts: boolean) => {
    for (const name of names) {
      const run = await contestants[name]();
      if (counts) times[name].push(run);
    }
  };
  const beginning = performance.now();
  if (warmups > 0) await repeat(warmups, spent.warming, () => round(false));
  await repeat(
    runs,
    spent.running,
    () => round(true),
    1000 * seconds - (performance.now() - beginning),
  );
  return times;
}

/**
 * Repeats at least `least` times and for at least `milliseconds`. Stops after `limit` milliseconds,
 * once `leastRuns` are done.
 */
async function repeat(
  least: number,
  milliseconds: number,
  work: () => Promise<void>,
  limit = Infinity,
): Promise<void> {
  const start = performance.now();
  for (let count = 0; ; count++) {
    const elapsed = performance.now() - start;
    if (count >= least && (elapsed >= milliseconds || count >= mostRounds)) return;
    if (count >= leastRuns && elapsed >= limit) return;
    await work();
  }
}

/** Like `measureInTurns`, for a single contestant. */
export async function measure(run: () => Promise<Times>, effort: Effort): Promise<Times[]> {
  return (await measureInTurns({ it: run }, effort)).it;
}

/** Times some work by the wall clock. */
export async function timed<T>(work: () => T | Promise<T>): Promise<{ result: T; wall: number }> {
  const start = performance.now();
  const result = await work();
  return { result, wall: performance.now() - start };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The least value that a share of all values does not exceed. @param share from 0 to 1 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

/**
 * Statistics of everything that was timed. GPU timestamps may be missing in single runs, so counts
 * may differ.
 */
export function summarise(
  times: readonly Times[],
): Readonly<Record<string, Statistics>> & { readonly wall: Statistics } {
  const names = [...new Set(times.flatMap((run) => Object.keys(run)))];
  const statistics = names.map((name) => {
    const values = times.map((run) => run[name]).filter((value) => value !== undefined);
    return [
      name,
      {
        median: median(values),
        least: Math.min(...values),
        most: Math.max(...values),
        runs: values.length,
      },
    ];
  });
  return Object.fromEntries(statistics) as Record<string, Statistics> & { wall: Statistics };
}

/** The median over rounds of the wall time of `theirs` divided by that of `ours`. */
export function ratioOf(theirs: readonly Times[], ours: readonly Times[]): number {
  return median(theirs.map(({ wall }, round) => wall / ours[round].wall));
}
