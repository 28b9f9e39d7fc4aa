// What run.ts and its reader threads tell one another.
import fc from 'fast-check';

/** The work of one thread. */
export interface ReaderJob {
  /** The target's name. */
  readonly name: string;
  readonly seed: number;
  /** Most inputs to read. */
  readonly inputs: number;
  /** Most seconds to take. */
  readonly seconds: number;
  readonly shared: {
    /** Inputs begun, and bytes of the current one. */
    readonly counters: SharedArrayBuffer;
    /** The current input. */
    readonly current: SharedArrayBuffer;
  };
}

/** An input that broke a promise, as small as fast-check could make it. */
export interface Finding {
  readonly input: Uint8Array;
  readonly problem: string;
}

export interface ReaderReport {
  readonly done: number;
  /** How many were read; the others were refused. */
  readonly read: number;
  readonly finding?: Finding;
}

/** An input as bytes to keep: its own, or a text of its value. */
export function asBytes(input: unknown): Uint8Array {
  return input instanceof Uint8Array ? input : new TextEncoder().encode(fc.stringify(input));
}
