import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { withPauses } from '../../src/node/polling.js';

/** How often the event loop turns until `end` is settled. */
async function turnsUntil(end: Promise<unknown>): Promise<number> {
  let turns = 0;
  let isOver = false;
  const turn = (): void => {
    turns++;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  await end.catch(() => {}).finally(() => (isOver = true));
  return turns;
}

it('while the GPU works, the event loop turns less often', async () => {
  const free = await turnsUntil(delay(200));
  const pausing = await turnsUntil(Promise.all([withPauses(delay(200)), withPauses(delay(150))]));
  expect(pausing).toBeLessThan(free / 4);
  // A pause is at most half a millisecond, so that other events need not wait for the GPU.
  expect(pausing).toBeGreaterThan(50);
});

it('what was awaited comes through, and afterwards nothing is paused', async () => {
  expect(await withPauses(Promise.resolve('done'))).toBe('done');
  await expect(withPauses(Promise.reject(new Error('lost')))).rejects.toThrow('lost');
  const pausing = await turnsUntil(withPauses(delay(200)));
  await delay(20);
  expect(await turnsUntil(delay(200))).toBeGreaterThan(4 * pausing);
});
