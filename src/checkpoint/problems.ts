import { PanppError } from '../errors.js';

/** Throws an error about the file that is being read. */
export type Fail = (problem: string) => never;

/** Makes a function that throws `checkpoint` errors; their messages begin with the file's name. */
export function failIn(fileName: string): Fail {
  return (problem) => {
    throw new PanppError('checkpoint', `${fileName}: ${problem}`);
  };
}
