// Finds the fastest of several ways to compute the same, despite noisy measurements. Contestants
// take turns, so that a temporary slowdown of the machine affects all; slow ones drop out early.
// The leader must then beat the usual way in separate measurements, because the smallest of many
// noisy medians proves nothing.

/** Rules of a race. */
export interface RaceRules {
  /** Measurements of each contestant before the final. */
  readonly heats: number;
  /** Measurements of each of the two finalists. */
  readonly finals: number;
  /** A contestant slower than the fastest by this factor drops out. */
  readonly hopeless: number;
  /** The minimum that the winner must save, as a fraction of the usual way's time. */
  readonly margin: number;
}

export const raceRules: RaceRules = { heats: 3, finals: 7, hopeless: 1.3, margin: 0.03 };

export interface RaceResult<T> {
  /** The contestant that beats the usual way by the margin; missing if none does. */
  readonly winner?: T;
  /** Median time of the usual way. */
  readonly usual: number;
  /**
   * The winner's time: `usual` times the median ratio of the final's rounds; without a winner,
   * `usual`.
   */
  readonly best: number;
}

/**
 * Finds the fastest contestant that beats `usual`.
 * @param time takes one measurement
 */
export async function race<T>(
  usual: T,
  others: readonly T[],
  time: (contestant: T) => Promise<number>,
  rules = raceRules,
): Promise<RaceResult<T>> {
  const times = new Map<T, number[]>([usual, ...others].map((contestant) => [contestant, []]));
  for (let heat = 0; heat < rules.heats; heat++) {
    for (const [contestant, own] of times) own.push(await time(contestant));
    const least = Math.min(...[...times.values()].flat());
    for (const [contestant, own] of times) {
      if (contestant !== usual && Math.min(...own) > rules.hopeless * least)
        times.delete(contestant);
    }
  }
  const [leader] = [...times].reduce((best, next) =>
    median(next[1]) < median(best[1]) ? next : best,
  );
  if (leader === usual)
    return { usual: median(times.get(usual)!), best: median(times.get(usual)!) };
  const [usualTimes, leaderTimes]: [number[], number[]] = [[], []];
  for (let round = 0; round < rules.finals; round++) {
    usualTimes.push(await time(usual));
    leaderTimes.push(await time(leader));
  }
  // Compared round by round: a temporary slowdown affects both.
  const ratio = median(leaderTimes.map((own, round) => own / usualTimes[round]));
  const wins = ratio <= 1 - rules.margin;
  const ofUsual = median(usualTimes);
  return { ...(wins && { winner: leader }), usual: ofUsual, best: ofUsual * (wins ? ratio : 1) };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
