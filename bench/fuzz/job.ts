// The messages between run.ts and its reader threads.
import fc from 'fast-check';

/** The work of one thread. */
export interface ReaderJob {
  /** The target's name. */
  readonly name: string;
  readonly seed: number;
  /** The most inputs to read. */
  readonly inputs: number;
  /** Time limit, seconds. */
  readonly seconds: number;
  readonly shared: {
    /** The number of inputs begun, and the size of the current one in bytes. */
    readonly counters: SharedArrayBuffer;
    /** The current input. */
    readonly current: SharedArrayBuffer;
  };
}

/** An input that broke a promise, shrunk by fast-check as far as possible. */
export interface Finding {
  readonly input: Uint8Array;
  readonly problem: string;
}

export interface ReaderReport {
  readonly done: number;
  /** How many inputs were read; the others were refused. */
  readonly read: number;
  readonly finding?: Finding;
}

/** An input as bytes to keep: its own bytes, or its value as text. */
export function asBytes(input: unknown): Uint8Array {
  return input instanceof Uint8Array ? input : new TextEncoder().encode(fc.stringify(input));
}
