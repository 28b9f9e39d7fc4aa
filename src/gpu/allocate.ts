// Allocates GPU memory so that a shortage is an error of the call that needs the memory.
import { PanppError } from '../errors.js';
import type { Gpu } from './context.js';

/** What to do if a call needs more memory than the device gives. */
export const needLess = 'use a smaller short side, smaller tiles, or a smaller batch';

/**
 * Makes GPU objects, synchronously.
 * @param what names the memory in the error message
 * @param free frees what was made if there is not enough memory
 * @param todo ends the error message
 * @param code `adapter` if no other call would need less
 * @throws PanppError of this code if memory runs out
 */
export async function allocated<T>(
  { device, profile }: Gpu,
  what: string,
  make: () => T,
  free: (made: T) => void,
  todo = needLess,
  code: 'argument' | 'adapter' = 'argument',
): Promise<T> {
  device.pushErrorScope('out-of-memory');
  const made = make();
  const shortage = await device.popErrorScope();
  if (!shortage) return made;
  free(made);
  throw new PanppError(code, `${profile.adapter} can't allocate ${what}; ${todo}`);
}
