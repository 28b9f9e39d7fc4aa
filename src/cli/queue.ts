// panpp queue: what is in the queue, and what to do with images that failed.
import { setTimeout as delay } from 'node:timers/promises';
import { Argument, type Command, Option } from 'commander';
import { PanppError } from '../errors.js';
import { jsonLine } from '../formats/result-line.js';
import { type QueueFlags, reasonOf, withQueueOptions } from './queue/jobs.js';
import type { OpenQueue } from './queue/redis.js';
import { Progress, exitCodes, print, say } from './report.js';
import { exiting } from './usage.js';

interface StatusFlags extends QueueFlags {
  readonly json?: boolean;
  readonly follow?: boolean;
}

export function addQueue(program: Command): void {
  const command = program
    .command('queue')
    .summary('look at the queue')
    .description('Looks at the queue of `panpp enqueue` and `panpp worker` (docs/queue.md).')
    .addArgument(
      new Argument(
        '[action]',
        'status: how many images wait, are under way, done or failed; done, failed: JSON lines of those; retry: puts failed images ' +
          'back; clear: empties the queue, also of what is done (results stay)',
      )
        .choices(['status', 'done', 'failed', 'retry', 'clear'])
        .default('status'),
    )
    .addOption(new Option('--json', 'status as JSON'))
    .addOption(new Option('--follow', 'status: a progress bar until no image is left'));
  withQueueOptions(command).action(exiting(look));
}

type Action = 'status' | 'done' | 'failed' | 'retry' | 'clear';

async function look(action: Action, flags: StatusFlags): Promise<number> {
  const unused = (['json', 'follow'] as const).find((name) => flags[name]);
  if (action !== 'status' && unused)
    throw new PanppError('argument', `--${unused} is for panpp queue status`);
  const { openQueue } = await import('./queue/redis.js');
  const open = await openQueue(flags);
  const { queue } = open;
  try {
    if (action === 'status') {
      if (flags.follow) await follow(open);
      return await printStatus(open, flags);
    }
    if (action === 'retry') {
      say(`panpp: ${await putBack(open)} images put back into the queue ${flags.queue}`);
    } else if (action === 'clear') {
      await queue.obliterate({ force: true });
      say(`panpp: the queue ${flags.queue} is empty`);
    } else await printJobs(open, action);
  } finally {
    await open.close();
  }
  return exitCodes.done;
}

/** Puts the images back that have failed so far, as if they were new; returns how many. */
async function putBack({ queue, redis }: OpenQueue): Promise<number> {
  // All at once: a worker may fail one again meanwhile.
  const jobs = await queue.getFailed();
  let count = 0;
  for (const job of jobs) {
    // How often a worker crashed with it; BullMQ has no function for that.
    await redis.hdel(queue.toKey(job.id!), 'stc');
    try {
      await job.retry('failed', { resetAttemptsMade: true, resetAttemptsStarted: true });
      count++;
    } catch (error) {
      // Somebody else may have put it back meanwhile.
      if (await job.isFailed()) throw error;
    }
  }
  return count;
}

interface Status {
  readonly waiting: number;
  readonly underWay: number;
  /** Waiting for another attempt. */
  readonly later: number;
  readonly done: number;
  readonly failed: number;
  readonly workers: number;
}

async function statusOf({ queue }: OpenQueue): Promise<Status> {
  const [counts, workers] = await Promise.all([queue.getJobCounts(), queue.getWorkersCount()]);
  const { waiting, active, delayed, completed, failed } = counts;
  return { waiting, underWay: active, later: delayed, done: completed, failed, workers };
}

/** @returns `someFailed` if images failed for good */
async function printStatus(open: OpenQueue, { queue, json }: StatusFlags): Promise<number> {
  const status = await statusOf(open);
  const { waiting, underWay, later, done, failed, workers } = status;
  await print(
    json
      ? jsonLine(status)
      : `${queue}: ${waiting} waiting, ${underWay} under way, ${later} to be tried again, ${done} done, ${failed} failed; ` +
          `${workers} ${workers === 1 ? 'worker' : 'workers'}\n`,
  );
  if (failed > 0) say('panpp: panpp queue failed lists the failed images; retry puts them back');
  return failed === 0 ? exitCodes.done : exitCodes.someFailed;
}

/** Shows a progress bar until nothing is left to do. */
async function follow(open: OpenQueue): Promise<void> {
  const leftIn = ({ waiting, underWay, later }: Status) => waiting + underWay + later;
  let status = await statusOf(open);
  const progress = new Progress(leftIn(status), 'images');
  for (let left = leftIn(status); left > 0;) {
    await delay(1000);
    status = await statusOf(open);
    for (; left > leftIn(status); left--) progress.step();
  }
  progress.stop();
}

/** Jobs read from Redis at a time. */
const page = 500;

async function printJobs({ queue }: OpenQueue, which: 'done' | 'failed'): Promise<void> {
  const state = which === 'done' ? 'completed' : 'failed';
  for (let first = 0; ; first += page) {
    const jobs = await queue.getJobs([state], first, first + page - 1, true);
    for (const { data, returnvalue, failedReason, attemptsMade } of jobs)
      await print(
        jsonLine(
          which === 'done'
            ? { address: data.address, result: returnvalue.result }
            : { address: data.address, error: reasonOf(failedReason), attempts: attemptsMade },
        ),
      );
    if (jobs.length < page) return;
  }
}
