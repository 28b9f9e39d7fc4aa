// Selects the fastest of several candidates despite noisy measurements. Candidates are measured in
// turn, so that a temporary slowdown of the machine affects all; slow ones are dropped early. The
// leader must then beat the baseline in separate measurements, because the smallest of many noisy
// medians proves nothing.

/** How candidates are measured and compared. */
export interface SelectionRules {
  /** Measurements of each candidate, to find the leader. */
  readonly screeningRounds: number;
  /** Measurements of the baseline and of the leader, to confirm that the leader is faster. */
  readonly confirmationRounds: number;
  /** A candidate slower than the fastest by this factor is dropped. */
  readonly dropFactor: number;
  /** The minimum that the winner must save, as a fraction of the baseline's time. */
  readonly margin: number;
}

export const selectionRules: SelectionRules = {
  screeningRounds: 3,
  confirmationRounds: 7,
  dropFactor: 1.3,
  margin: 0.03,
};

export interface Selection<T> {
  /** The candidate that beats the baseline by the margin; missing if none does. */
  readonly winner?: T;
  /** Median time of the baseline. */
  readonly baseline: number;
  /**
   * The winner's time: `baseline` times the median ratio of the confirmation rounds; without a
   * winner, `baseline`.
   */
  readonly best: number;
}

/**
 * Selects the fastest candidate that beats the baseline.
 * @param measure takes one measurement
 */
export async function selectFastest<T>(
  baseline: T,
  candidates: readonly T[],
  measure: (candidate: T) => Promise<number>,
  rules = selectionRules,
): Promise<Selection<T>> {
  const times = new Map<T, number[]>([baseline, ...candidates].map((candidate) => [candidate, []]));
  for (let round = 0; round < rules.screeningRounds; round++) {
    for (const [candidate, own] of times) own.push(await measure(candidate));
    const least = Math.min(...[...times.values()].flat());
    for (const [candidate, own] of times) {
      if (candidate !== baseline && Math.min(...own) > rules.dropFactor * least)
        times.delete(candidate);
    }
  }
  const [leader] = [...times].reduce((best, next) =>
    median(next[1]) < median(best[1]) ? next : best,
  );
  if (leader === baseline) {
    const time = median(times.get(baseline)!);
    return { baseline: time, best: time };
  }
  const [baselineTimes, leaderTimes]: [number[], number[]] = [[], []];
  for (let round = 0; round < rules.confirmationRounds; round++) {
    baselineTimes.push(await measure(baseline));
    leaderTimes.push(await measure(leader));
  }
  // Compared round by round: a temporary slowdown affects both.
  const ratio = median(leaderTimes.map((own, round) => own / baselineTimes[round]));
  const wins = ratio <= 1 - rules.margin;
  const time = median(baselineTimes);
  return { ...(wins && { winner: leader }), baseline: time, best: time * (wins ? ratio : 1) };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
