// What is in the queue: an image is a job. The queue itself is loaded only when it is used.
import { type Command, Option } from 'commander';
import { onDisk } from '../../node/paths.js';
import { hashOf } from '../output-record.js';

export interface QueueFlags {
  readonly redis: string;
  readonly queue: string;
}

const localRedis = 'redis://127.0.0.1:6379';

/** Adds `--redis` and `--queue`. */
export function withQueueOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--redis <url>', 'the Redis server; a password belongs into the variable')
        .env('PANPP_REDIS')
        // An empty variable counts as missing.
        .argParser((url) => url || localRedis)
        .default(localRedis),
    )
    .addOption(new Option('--queue <name>', 'name of the queue').default('panpp'));
}

/** An image that waits for a worker. */
export interface ImageJob {
  /** Path of a file, or an address that begins with http://, https:// or s3://. */
  readonly address: string;
}

/** A finished image. */
export interface ImageDone {
  /** Name of the result in the worker's output. */
  readonly result: string;
  /** Whether this job wrote it; otherwise an image with the same content was done before. */
  readonly isNew: boolean;
}

/** An address has one job at most. Names that are not UTF-8 differ only in their bytes. */
export function jobId(address: string): string {
  return hashOf(onDisk(address));
}

/** An image that fails so often goes to the dead letters. */
const attempts = 5;

/** Pause before the second attempt, milliseconds; it doubles with each further one. */
const firstPause = 1000;

/** How often the work on an image may end with its worker, which a damaged driver could do. */
export const maxCrashes = 3;

/** Why an image failed; BullMQ's own words for crashed workers would mean nothing to a user. */
export function reasonOf(failure: string): string {
  return /stalled more than allowable limit/.test(failure)
    ? `${maxCrashes} workers in a row ended while they had the image`
    : failure;
}

/** How an address is put into the queue. */
export function jobOf(address: string) {
  return {
    name: 'image',
    data: { address },
    opts: {
      jobId: jobId(address),
      attempts,
      backoff: { type: 'exponential', delay: firstPause },
    },
  };
}
