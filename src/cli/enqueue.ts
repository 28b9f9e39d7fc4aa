// panpp enqueue: puts images into the queue that workers take them from.
import { resolve } from 'node:path';
import { Argument, type Command, Option } from 'commander';
import { PanppError } from '../errors.js';
import { findImages, readBytes, standardInput } from './files.js';
import { textOf } from './json.js';
import { isRunsPicture } from './output-record.js';
import { isPath } from './queue/addresses.js';
import { type QueueFlags, jobId, jobOf, withQueueOptions } from './queue/jobs.js';
import type { OpenQueue } from './queue/redis.js';
import { exitCodes, say } from './report.js';
import { exiting } from './usage.js';

interface EnqueueFlags extends QueueFlags {
  readonly list?: string;
}

export function addEnqueue(program: Command): void {
  const command = program
    .command('enqueue')
    .summary('put images into a queue for workers')
    .description(
      'Puts images into a queue in Redis, from which `panpp worker` takes them (docs/queue.md). An image that is in the ' +
        'queue already, done or not, is not put in again. Workers read files by the same paths.',
    )
    .addArgument(new Argument('[images...]', 'files, folders (searched recursively), globs'))
    .addOption(
      new Option(
        '--list <file>',
        'file with one address a line: paths, http://, https://, s3://BUCKET/KEY; - is standard input',
      ),
    );
  withQueueOptions(command).action(exiting(enqueue));
}

async function enqueue(inputs: string[], flags: EnqueueFlags): Promise<number> {
  if (inputs.length === 0 && flags.list === undefined)
    throw new PanppError('argument', 'nothing to put into the queue; name images, or a --list');
  const { addresses, problems } = await addressesOf(inputs, flags.list);
  for (const problem of problems) say(`panpp: ${problem}`);
  const { openQueue } = await import('./queue/redis.js');
  const open = await openQueue(flags);
  try {
    const added = await addAll(open, addresses);
    const before = addresses.length - added;
    const known = before > 0 ? `, ${before} were in it before` : '';
    say(`panpp: ${added} images put into the queue ${flags.queue}${known}`);
  } finally {
    await open.close();
  }
  return problems.length === 0 ? exitCodes.done : exitCodes.someFailed;
}

async function addressesOf(
  inputs: readonly string[],
  list: string | undefined,
): Promise<{ addresses: string[]; problems: string[] }> {
  const problems: string[] = [];
  const addresses = new Set<string>();
  if (inputs.includes(standardInput))
    throw new PanppError(
      'argument',
      "an image on standard input can't be queued: workers read images by their addresses; give a file",
    );
  if (inputs.length > 0) {
    const found = await findImages(inputs, isRunsPicture);
    problems.push(...found.problems.map(({ error }) => error.message));
    for (const line of found.passedOver) say(`panpp: ${line}`);
    for (const { path } of found.images) addresses.add(resolve(path));
  }
  if (list !== undefined) {
    const lines = textOf(await readBytes(list), list).split(/\r?\n/);
    for (const line of lines.map((text) => text.trim()).filter(Boolean))
      addresses.add(isPath(line) ? resolve(line) : line);
  }
  if (addresses.size === 0)
    throw new PanppError('file', `${list ?? inputs.join(', ')}: no images are named`);
  return { addresses: [...addresses], problems };
}

/** Addresses sent to Redis at a time. */
const atOnce = 1000;

/** @returns how many were not in the queue */
async function addAll({ queue, redis }: OpenQueue, addresses: readonly string[]): Promise<number> {
  let added = 0;
  for (let first = 0; first < addresses.length; first += atOnce) {
    const some = addresses.slice(first, first + atOnce);
    const asked = redis.pipeline();
    for (const address of some) asked.exists(queue.toKey(jobId(address)));
    const known = ((await asked.exec()) ?? []).filter(([, there]) => there === 1);
    await queue.addBulk(some.map(jobOf));
    added += some.length - known.length;
  }
  return added;
}
