// Which of several ways to do the same is fastest, where every measurement has noise: contestants
// take turns, so that what slows the machine down for a while slows all of them; those far behind
// drop out early; and who leads must then win against the usual way in measurements of their own,
// for the least of many noisy medians is no proof of anything.

/** What a race is run by. */
export interface RaceRules {
  /** Times that every contestant is measured before the final. */
  readonly heats: number;
  /** Times that the two of the final are. */
  readonly finals: number;
  /** Who is so many times slower than the fastest drops out. */
  readonly hopeless: number;
  /** What the winner must save, as a part of the usual way's time. */
  readonly margin: number;
}

export const raceRules: RaceRules = { heats: 3, finals: 7, hopeless: 1.3, margin: 0.03 };

export interface RaceResult<T> {
  /** Who beats the usual way by the margin. */
  readonly winner?: T;
  /** The usual way's median. */
  readonly usual: number;
  /**
   * As much less as the winner takes, by the median of the final's rounds; the same without a
   * winner.
   */
  readonly best: number;
}

/**
 * Finds the contestant that is faster than `usual`.
 * @param time measures once
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
  // Round by round: a slow moment of the machine is in both.
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
