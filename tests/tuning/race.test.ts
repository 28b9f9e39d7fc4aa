import { describe, expect, it } from 'vitest';
import { race, raceRules } from '../../src/tuning/race.js';

/**
 * A clock by contestant: a constant, or what a function says of the contestant's n-th measurement.
 */
function clock(times: Record<string, number | ((measurement: number) => number)>) {
  const asked: string[] = [];
  const counts = new Map<string, number>();
  const time = async (name: string) => {
    asked.push(name);
    const measurement = counts.get(name) ?? 0;
    counts.set(name, measurement + 1);
    const own = times[name];
    return typeof own === 'number' ? own : own(measurement);
  };
  return { time, asked, counts };
}

describe('race', () => {
  it('is won by the fastest, with the medians of the final', async () => {
    const { time } = clock({ usual: 10, a: 8, b: 7 });
    expect(await race('usual', ['a', 'b'], time)).toEqual({ winner: 'b', usual: 10, best: 7 });
  });

  it('is not won by less than the margin', async () => {
    expect(await race('usual', ['a'], clock({ usual: 10, a: 9.71 }).time)).toEqual({
      usual: 10,
      best: 10,
    });
    expect((await race('usual', ['a'], clock({ usual: 10, a: 9.7 }).time)).winner).toBe('a');
  });

  it('stays with the usual one where that is fastest, without a final', async () => {
    const { time, counts } = clock({ usual: 10, a: 11 });
    expect(await race('usual', ['a'], time)).toEqual({ usual: 10, best: 10 });
    expect(counts.get('usual')).toBe(raceRules.heats);
  });

  it('takes turns', async () => {
    const { time, asked } = clock({ usual: 10, a: 9, b: 9.5 });
    await race('usual', ['a', 'b'], time);
    const heat = ['usual', 'a', 'b'];
    expect(asked.slice(0, 9)).toEqual([...heat, ...heat, ...heat]);
    expect(asked.slice(9)).toEqual(new Array(raceRules.finals).fill(['usual', 'a']).flat());
  });

  it('drops the hopeless after one measurement, but never the usual one', async () => {
    const { time, counts } = clock({ usual: 10, slow: 20, fast: 1 });
    expect((await race('usual', ['slow', 'fast'], time)).winner).toBe('fast');
    expect(counts.get('slow')).toBe(1);
    expect(counts.get('usual')).toBe(raceRules.heats + raceRules.finals);
  });

  it('does not believe luck in the heats', async () => {
    // As fast as the usual one, but for its heats.
    const { time } = clock({
      usual: 10,
      lucky: (measurement) => (measurement < raceRules.heats ? 8 : 10),
    });
    expect(await race('usual', ['lucky'], time)).toEqual({ usual: 10, best: 10 });
  });

  it('is not misled by a machine that slows down for a while', async () => {
    let measurements = 0;
    const slow = (own: number) => () => own * (measurements++ % 7 > 4 ? 3 : 1);
    expect((await race('usual', ['a'], clock({ usual: slow(10), a: slow(9) }).time)).winner).toBe(
      'a',
    );
    measurements = 0;
    expect(
      (await race('usual', ['a'], clock({ usual: slow(10), a: slow(10) }).time)).winner,
    ).toBeUndefined();
  });

  it('of the usual one alone is none', async () => {
    expect(await race('usual', [], clock({ usual: 3 }).time)).toEqual({ usual: 3, best: 3 });
  });
});
