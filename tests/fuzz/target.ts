// What a fuzzed reader is, and what every reader promises about any input.
import type fc from 'fast-check';
import { PanppError } from '../../src/errors.js';

/** A reader with inputs for it; `target` makes one. */
export interface Target<T = unknown> {
  readonly name: string;
  readonly inputs: fc.Arbitrary<T>;
  /** Reads an input. A fault is thrown as anything but a `PanppError`. */
  readonly read: (input: T) => void | Promise<void>;
  /** How many inputs the test suite reads; all targets together take some 10 s. */
  readonly inSuite: number;
}

/** A target whose inputs' type only its own parts know. */
export function target<T>(typed: Target<T>): Target {
  return typed as unknown as Target;
}

/** Most milliseconds that an input may take. */
export const mostMilliseconds = 5000;

/** Most bytes of the process while small inputs are read. */
export const mostResidentBytes = 2 ** 30;

/** Longest message; names from files are shortened. */
const longestMessage = 2000;

/**
 * Reads an input and checks the promise: it is read, or refused with a `PanppError` of one line.
 * Returns whether it was read.
 * @throws Error that says which part of the promise is broken
 */
export async function keepsPromise({ read }: Target, input: unknown): Promise<boolean> {
  const start = performance.now();
  let problem: unknown;
  try {
    await read(input);
  } catch (error) {
    problem = error;
  }
  const took = performance.now() - start;
  if (took > mostMilliseconds) throw new Error(`took ${(took / 1000).toFixed(1)} s`);
  if (problem === undefined) return true;
  checkRefusal(problem);
  return false;
}

/**
 * Does what comes after reading, which may refuse what was read.
 * @throws Error as `keepsPromise`
 */
export function mayRefuse(work: () => void): void {
  try {
    work();
  } catch (problem) {
    checkRefusal(problem);
  }
}

function checkRefusal(problem: unknown): void {
  if (!(problem instanceof PanppError)) throw problem;
  const { message } = problem;
  if (message === '' || message.length > longestMessage)
    throw new Error(`a message of ${message.length} characters: ${message.slice(0, 200)}…`);
  if (/[\p{Cc}\u2028\u2029]/u.test(message))
    throw new Error(`a message that is not one printable line: ${JSON.stringify(message)}`);
}
