// Expecting two tensors to be close.
import { expect } from 'vitest';
import { relativeDifference } from './difference.js';

export { relativeDifference };

/**
 * Expects the relative difference of two tensors to be within `bound`; NaN is never close. Returns
 * the difference, for printing.
 */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  bound: number,
  what: string,
): number {
  expect(actual.length, `values of ${what}`).toBe(expected.length);
  const difference = relativeDifference(actual, expected);
  expect(difference, `relative difference of ${what}`).toBeLessThanOrEqual(bound);
  return difference;
}
