// Parses option values; an invalid one is a usage error (exit code 2).
import { InvalidArgumentError } from 'commander';

/** A parser for a number within bounds, for commander. */
export function numberBetween(low: number, high: number): (text: string) => number {
  return parserOf(
    (value) => value >= low && value <= high,
    `Give a number from ${low} to ${high}.`,
  );
}

/** A parser for a whole number within bounds, for commander. */
export function integerBetween(low: number, high: number): (text: string) => number {
  return parserOf(
    (value) => Number.isInteger(value) && value >= low && value <= high,
    `Give a whole number from ${low} to ${high}.`,
  );
}

function parserOf(fits: (value: number) => boolean, advice: string): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? NaN : Number(text);
    if (!fits(value)) throw new InvalidArgumentError(advice);
    return value;
  };
}

/**
 * An action for commander that sets the exit code that `work` resolves to, unless a higher one is
 * already set.
 */
export function exiting<A extends unknown[]>(
  work: (...values: A) => Promise<number>,
): (...values: A) => Promise<void> {
  return async (...values) => {
    const code = await work(...values);
    process.exitCode = Math.max(code, Number(process.exitCode ?? 0));
  };
}
