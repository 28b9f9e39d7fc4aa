import { describe, expect, it } from 'vitest';
import { selectFastest, selectionRules } from '../../src/tuning/select.js';

/**
 * Simulated times by candidate: a constant, or a function of the number of earlier measurements.
 */
function simulated(times: Record<string, number | ((measurement: number) => number)>) {
  const measured: string[] = [];
  const counts = new Map<string, number>();
  const measure = async (name: string) => {
    measured.push(name);
    const measurement = counts.get(name) ?? 0;
    counts.set(name, measurement + 1);
    const own = times[name];
    return typeof own === 'number' ? own : own(measurement);
  };
  return { measure, measured, counts };
}

describe('selecting the fastest candidate', () => {
  it('takes the fastest, with the medians of the confirmation rounds', async () => {
    const { measure } = simulated({ baseline: 10, a: 8, b: 7 });
    expect(await selectFastest('baseline', ['a', 'b'], measure)).toEqual({
      winner: 'b',
      baseline: 10,
      best: 7,
    });
  });

  it('keeps the baseline if less than the margin is saved', async () => {
    expect(
      await selectFastest('baseline', ['a'], simulated({ baseline: 10, a: 9.71 }).measure),
    ).toEqual({
      baseline: 10,
      best: 10,
    });
    expect(
      (await selectFastest('baseline', ['a'], simulated({ baseline: 10, a: 9.7 }).measure)).winner,
    ).toBe('a');
  });

  it('keeps the baseline without confirmation rounds if it is the fastest', async () => {
    const { measure, counts } = simulated({ baseline: 10, a: 11 });
    expect(await selectFastest('baseline', ['a'], measure)).toEqual({ baseline: 10, best: 10 });
    expect(counts.get('baseline')).toBe(selectionRules.screeningRounds);
  });

  it('measures candidates in turn', async () => {
    const { measure, measured } = simulated({ baseline: 10, a: 9, b: 9.5 });
    await selectFastest('baseline', ['a', 'b'], measure);
    const round = ['baseline', 'a', 'b'];
    expect(measured.slice(0, 9)).toEqual([...round, ...round, ...round]);
    expect(measured.slice(9)).toEqual(
      new Array(selectionRules.confirmationRounds).fill(['baseline', 'a']).flat(),
    );
  });

  it('drops slow candidates after one measurement, but never the baseline', async () => {
    const { measure, counts } = simulated({ baseline: 10, slow: 20, fast: 1 });
    expect((await selectFastest('baseline', ['slow', 'fast'], measure)).winner).toBe('fast');
    expect(counts.get('slow')).toBe(1);
    expect(counts.get('baseline')).toBe(
      selectionRules.screeningRounds + selectionRules.confirmationRounds,
    );
  });

  it('keeps the baseline if the leader was fast only while screening', async () => {
    const { measure } = simulated({
      baseline: 10,
      lucky: (measurement) => (measurement < selectionRules.screeningRounds ? 8 : 10),
    });
    expect(await selectFastest('baseline', ['lucky'], measure)).toEqual({ baseline: 10, best: 10 });
  });

  it('is not misled by a machine that slows down for a while', async () => {
    let measurements = 0;
    const slow = (own: number) => () => own * (measurements++ % 7 > 4 ? 3 : 1);
    expect(
      (
        await selectFastest(
          'baseline',
          ['a'],
          simulated({ baseline: slow(10), a: slow(9) }).measure,
        )
      ).winner,
    ).toBe('a');
    measurements = 0;
    expect(
      (
        await selectFastest(
          'baseline',
          ['a'],
          simulated({ baseline: slow(10), a: slow(10) }).measure,
        )
      ).winner,
    ).toBeUndefined();
  });

  it('keeps the baseline if there are no candidates', async () => {
    expect(await selectFastest('baseline', [], simulated({ baseline: 3 }).measure)).toEqual({
      baseline: 3,
      best: 3,
    });
  });
});
