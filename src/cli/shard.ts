// The part of a run's images that one of several processes does: --shard.
//
// An image's part follows from its name alone: the name's hash, modulo the number of parts. Processes
// start at different times, so they may not see the same folder; parts by position in a list would
// then overlap or leave gaps, and nobody would notice. The price is that parts differ in size, by
// about the square root of their images; more parts than processes at a time even that out, and
// images that differ in size need that anyway.
import { createHash } from 'node:crypto';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { PanppError, quoted } from '../errors.js';
import { onDisk } from '../node/paths.js';
import { say } from './report.js';

/** One of `count` parts of a run; `index` counts from 1. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

export interface ShardFlags {
  readonly shard?: Shard;
}

/** Adds `--shard`. */
export function withShardOption(command: Command): Command {
  return command.addOption(
    new Option(
      '--shard <i/n>',
      'do only part i of n of the images, from 1/n to n/n; the others are for other processes with the same command. ' +
        'auto: the part that a scheduler gives this process (PANPP_SHARD, Kubernetes Indexed Job, Slurm job array)',
    ).argParser((text) => (text === 'auto' ? shardOfEnvironment(process.env) : parseShard(text))),
  );
}

/** Most parts of a run. */
const maxShards = 1_000_000;
const advice = `Give i/n with i from 1 to n, such as 2/4 (n at most ${maxShards}), or auto.`;

/** Parses `i/n`. @throws commander's `InvalidArgumentError` */
export function parseShard(text: string): Shard {
  const shard = shardIn(text);
  if (!shard) throw new InvalidArgumentError(advice);
  return shard;
}

function shardIn(text: string): Shard | undefined {
  const [, index, count] = /^(\d{1,7})\/(\d{1,7})$/.exec(text)?.map(Number) ?? [];
  return index >= 1 && index <= count && count <= maxShards ? { index, count } : undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The part that a scheduler gives a process by environment variables: `PANPP_SHARD` (i/n), else
 * those of a Kubernetes Indexed Job (with `PANPP_SHARDS` as n), else those of a Slurm job array. An
 * empty variable counts as missing.
 * @throws PanppError `argument` that names the variable
 */
export function shardOfEnvironment(env: Environment): Shard {
  if (env.PANPP_SHARD) return shardIn(env.PANPP_SHARD) ?? refuse('PANPP_SHARD', env, advice);
  if (env.JOB_COMPLETION_INDEX) return shardOfIndexedJob(env);
  if (env.SLURM_ARRAY_TASK_ID) return shardOfArray(env);
  throw new PanppError(
    'argument',
    '--shard auto: no variable says which part this is: PANPP_SHARD (i/n), JOB_COMPLETION_INDEX with PANPP_SHARDS, ' +
      'or SLURM_ARRAY_TASK_ID; give --shard i/n',
  );
}

function shardOfIndexedJob(env: Environment): Shard {
  const index = wholeNumber('JOB_COMPLETION_INDEX', env);
  // Kubernetes does not tell a pod how many there are.
  const count = wholeNumber('PANPP_SHARDS', env, 'Set it to the Job’s completions.');
  if (count < 1 || count > maxShards)
    refuse('PANPP_SHARDS', env, `Give a whole number from 1 to ${maxShards}.`);
  if (index >= count)
    refuse(
      'JOB_COMPLETION_INDEX',
      env,
      `PANPP_SHARDS is ${count}, so it can be 0 to ${count - 1}; set PANPP_SHARDS to the Job’s completions.`,
    );
  return { index: index + 1, count };
}

function shardOfArray(env: Environment): Shard {
  const id = wholeNumber('SLURM_ARRAY_TASK_ID', env);
  const first = wholeNumber('SLURM_ARRAY_TASK_MIN', env);
  const count = wholeNumber('SLURM_ARRAY_TASK_COUNT', env);
  const step = env.SLURM_ARRAY_TASK_STEP ? wholeNumber('SLURM_ARRAY_TASK_STEP', env) : 1;
  const last = first + (count - 1) * step;
  const max = env.SLURM_ARRAY_TASK_MAX ? wholeNumber('SLURM_ARRAY_TASK_MAX', env) : last;
  const index = (id - first) / step + 1;
  if (max !== last || !(Number.isInteger(index) && index >= 1 && index <= count))
    refuse(
      'SLURM_ARRAY_TASK_ID',
      env,
      `The array's ${count} tasks are not numbered evenly from ${first} to ${max}; submit a whole range, such as --array=1-8, ` +
        'or set PANPP_SHARD=i/n to repeat one task.',
    );
  // An array of the tasks that failed has fewer tasks than the run has parts.
  if (env.PANPP_SHARDS && wholeNumber('PANPP_SHARDS', env) !== count)
    refuse(
      'PANPP_SHARDS',
      env,
      `The array has ${count} ${count === 1 ? 'task' : 'tasks'}; to repeat one part, set PANPP_SHARD=i/n.`,
    );
  if (count > maxShards)
    refuse('SLURM_ARRAY_TASK_COUNT', env, `At most ${maxShards} parts are possible.`);
  return { index, count };
}

function wholeNumber(name: string, env: Environment, hint = 'It must be a whole number.'): number {
  const text = env[name] ?? '';
  return /^\d{1,9}$/.test(text) ? Number(text) : refuse(name, env, hint);
}

function refuse(name: string, env: Environment, hint: string): never {
  const value = env[name];
  throw new PanppError(
    'argument',
    `--shard auto: ${name} is ${value ? quoted(value) : 'not set'}. ${hint}`,
  );
}

/** Whether an image belongs to a part, by what tells it from the others on every machine. */
export function isInShard({ index, count }: Shard, key: string): boolean {
  const hash = createHash('sha256').update(onDisk(key)).digest();
  return hash.readUIntBE(0, 6) % count === index - 1;
}

/** The images that this process does: those of its part, which is reported, or all. */
export function imagesOf<I extends { readonly key: string }>(
  shard: Shard | undefined,
  images: readonly I[],
): readonly I[] {
  if (!shard) return images;
  const own = images.filter(({ key }) => isInShard(shard, key));
  say(`panpp: shard ${shard.index}/${shard.count}: ${own.length} of ${images.length} images`);
  return own;
}

/** Goes into the names of files that each part has for itself: `.2-of-4`; nothing for a whole run. */
export function inFileName(shard: Shard | undefined): string {
  return shard ? `.${shard.index}-of-${shard.count}` : '';
}
