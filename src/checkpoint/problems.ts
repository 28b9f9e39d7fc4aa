import { PanppError } from '../errors.js';

/** Ends the reading of a file with one line about it. */
export type Fail = (problem: string) => never;

/** Raises `checkpoint` errors that begin with the file's name. */
export function failIn(fileName: string): Fail {
  return (problem) => {
    throw new PanppError('checkpoint', `${fileName}: ${problem}`);
  };
}

/** A name from a file for an error message: on one line and of a bounded length. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 120 ? `${name.slice(0, 120)}…` : name);
}
