// How far two tensors are apart.
import { expect } from 'vitest';

/** ‖actual − expected‖ / ‖expected‖, in float64. */
export function relativeDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  let difference = 0;
  let norm = 0;
  for (let index = 0; index < expected.length; index++) {
    difference += (actual[index] - expected[index]) ** 2;
    norm += expected[index] ** 2;
  }
  return Math.sqrt(difference / norm);
}

/** Expects two tensors to be within `bound`, relative; NaN is never close. Returns the difference, for printing. */
export function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, bound: number, what: string): number {
  const difference = relativeDifference(actual, expected);
  expect(difference, `relative difference of ${what}`).toBeLessThanOrEqual(bound);
  return difference;
}
