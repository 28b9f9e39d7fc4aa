import { PanppError } from '../errors.js';

/** Ends the reading of a file with one line about it. */
export type Fail = (problem: string) => never;

/** Raises `checkpoint` errors that begin with the file's name. */
export function failIn(fileName: string): Fail {
  return (problem) => {
    throw new PanppError('checkpoint', `${fileName}: ${problem}`);
  };
}
