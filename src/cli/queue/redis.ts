// The queue, which BullMQ keeps in Redis, and the connection to it.
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { PanppError } from '../../errors.js';
import { errorLine, say } from '../report.js';
import type { ImageDone, ImageJob, QueueFlags } from './jobs.js';

/** The queue and its connection. */
export interface OpenQueue {
  readonly queue: Queue<ImageJob, ImageDone>;
  readonly redis: Redis;
  close(): Promise<void>;
}

/** @throws PanppError `argument` for an invalid name or address, `file` if Redis can't be reached */
export async function openQueue({ redis: url, queue: name }: QueueFlags): Promise<OpenQueue> {
  // BullMQ joins the parts of its keys with colons.
  if (name === '' || name.includes(':'))
    throw new PanppError('argument', `--queue ${name}: give a name without a colon`);
  const redis = await connect(url);
  const queue = new Queue<ImageJob, ImageDone>(name, { connection: redis });
  // The connection reports for itself; without a listener BullMQ would print a stack trace.
  queue.on('error', () => {});
  return {
    queue,
    redis,
    async close() {
      await queue.close();
      redis.disconnect();
    },
  };
}

/** Longest pause between attempts to reach a server that went away, milliseconds. */
const longestPause = 2000;

/**
 * Connects to a server that must be there now. If it goes away later, commands wait until it is
 * back, and stderr says so.
 */
async function connect(url: string): Promise<Redis> {
  const address = /^rediss?:\/\//.test(url) && URL.canParse(url) ? new URL(url) : undefined;
  if (!address)
    throw new PanppError('argument', '--redis is no address; it looks like redis://HOST:6379');
  // Without the password.
  const server = `${address.protocol}//${address.host}`;
  let wasReached = false;
  const redis = new Redis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: null,
    retryStrategy: (times) => (wasReached ? Math.min(times * 100, longestPause) : null),
  });
  let reason: unknown;
  redis.on('error', (error) => (reason = error));
  try {
    await redis.connect();
  } catch (cause) {
    throw new PanppError(
      'file',
      `Redis at ${server} can't be reached (${errorLine(reason ?? cause)}); start redis-server, or set --redis or PANPP_REDIS`,
      { cause },
    );
  }
  wasReached = true;
  let isAway = false;
  redis.on('reconnecting', () => {
    if (!isAway) say(`panpp: the connection to Redis at ${server} is lost; waiting for it`);
    isAway = true;
  });
  redis.on('ready', () => {
    if (isAway) say(`panpp: Redis at ${server} is back`);
    isAway = false;
  });
  return redis;
}
