// Reading option values; what does not fit is wrong usage (exit code 2).
import { InvalidArgumentError } from 'commander';

/** A parser for a number within bounds, for commander. */
export function numberBetween(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= low && value <= high)) throw new InvalidArgumentError(`Give a number from ${low} to ${high}.`);
    return value;
  };
}

/** A parser for a whole number within bounds, for commander. */
export function integerBetween(low: number, high: number): (text: string) => number {
  const parse = numberBetween(low, high);
  return (text) => {
    const value = parse(text);
    if (!Number.isInteger(value)) throw new InvalidArgumentError(`Give a whole number from ${low} to ${high}.`);
    return value;
  };
}

/** An action for commander that ends the process with the exit code that `work` resolves to. */
export function exiting<A extends unknown[]>(work: (...values: A) => Promise<number>): (...values: A) => Promise<void> {
  return async (...values) => {
    process.exitCode = await work(...values);
  };
}
