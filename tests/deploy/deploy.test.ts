// The commands in deploy/, with the variables that schedulers set, on small images.
import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { delimiter } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { withoutNotices } from '../../src/cli/dawn-notices.js';
import {
  crop,
  inScratch,
  onAdapter,
  panpp,
  parseLines,
  program,
  read,
  scratch,
  small,
  write,
} from '../cli/cli.js';

const pathOf = (name: string) => fileURLToPath(new URL(`../../deploy/${name}`, import.meta.url));
const textOf = (name: string) => readFileSync(pathOf(name), 'utf8');

interface Job {
  readonly spec: {
    readonly completions: number;
    readonly template: {
      readonly spec: {
        readonly containers: readonly [
          {
            readonly args: readonly string[];
            readonly env: readonly { readonly name: string; readonly value: string }[];
          },
        ];
      };
    };
  };
}

/** Runs a command where `panpp` is the built program, quick on small images. */
async function run(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const PATH = `${inScratch('bin')}${delimiter}${process.env.PATH}`;
  const options = { cwd: scratch, env: { ...process.env, PATH, ...env } };
  return new Promise((resolve) => {
    execFile(command, args, options, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr: withoutNotices(stderr) }),
    );
  });
}

const ofShards = (count: number, work: (index: number) => Promise<{ stdout: string }>) =>
  Array.from({ length: count }, (_, index) => index).reduce(
    async (before, index) => [...(await before), await work(index)],
    Promise.resolve<{ stdout: string }[]>([]),
  );
const filesOf = (results: readonly { stdout: string }[]) =>
  results
    .flatMap(({ stdout }) => parseLines(stdout))
    .map(({ file }) => file)
    .sort();

describe('the files for schedulers', () => {
  const images = ['images/img_1.png', 'images/img_5.png'];

  beforeAll(async () => {
    for (const folder of ['bin', 'images']) mkdirSync(inScratch(folder));
    write('images/img_1.png', await (await crop('bread')).png().toBuffer());
    write('images/img_5.png', await (await crop('open')).png().toBuffer());
    const detect = `exec "${process.execPath}" "${program}" "$@"`;
    write(
      'bin/panpp',
      `#!/bin/sh\nif [ "$1" = detect ]; then set -- "$@" ${[...small, ...onAdapter].join(' ')}; fi\n${detect}\n`,
    );
    chmodSync(inScratch('bin/panpp'), 0o755);
    const whole = await panpp([
      ...['detect', 'images', '--output', 'whole', '--format', 'json,coco-text'],
      ...[...small, ...onAdapter],
    ]);
    expect(whole.code).toBe(0);
  });

  it('of Kubernetes and Slurm do what one process does', async () => {
    const { completions, template } = (parse(textOf('kubernetes-job.yaml')) as Job).spec;
    const [{ args, env }] = template.spec.containers;
    expect(env).toEqual([{ name: 'PANPP_SHARDS', value: String(completions) }]);
    const here = (text: string) => text.replace(/\/(images|results)\b/g, '$1');
    const indexed = await ofShards(completions, async (index) => {
      const variables = { PANPP_SHARDS: env[0].value, JOB_COMPLETION_INDEX: String(index) };
      const done = await run('panpp', args.map(here), variables);
      expect(done.code, done.stderr).toBe(0);
      return done;
    });
    expect(filesOf(indexed)).toEqual(images);
    const [, merge] = /^# +(panpp merge .*)$/m.exec(textOf('kubernetes-job.yaml'))!;
    expect(await run('sh', ['-c', here(merge)])).toMatchObject({ code: 0 });
    expect(read('results/coco-text.json')).toEqual(read('whole/coco-text.json'));
    for (const name of ['img_1.json', 'img_5.json'])
      expect(parseLines(read(`results/${name}`).toString())[0].regions).toEqual(
        parseLines(read(`whole/${name}`).toString())[0].regions,
      );

    // In the same folder: all is done, and each task says so of its own images.
    const script = textOf('slurm-array.sh');
    const [, first, last] = /^#SBATCH --array=(\d+)-(\d+)$/m.exec(script)!.map(Number);
    const task = async (id: number, more: Readonly<Record<string, string>> = {}) =>
      run('bash', [pathOf('slurm-array.sh'), 'images', 'results'], {
        SLURM_ARRAY_TASK_ID: String(id),
        SLURM_ARRAY_TASK_MIN: String(first),
        SLURM_ARRAY_TASK_MAX: String(last),
        SLURM_ARRAY_TASK_STEP: '1',
        SLURM_ARRAY_TASK_COUNT: String(last - first + 1),
        ...more,
      });
    expect(last - first + 1).toBe(completions);
    const counts = indexed.map(({ stdout }) => parseLines(stdout).length);
    for (const index of [counts.indexOf(0), ...counts.keys()].filter(
      (n, i) => i === 0 || counts[n],
    )) {
      const done = await task(first + index);
      expect(done.code, done.stderr).toBe(0);
      expect(done.stderr).toMatch(/: 0 of 2 images\n|1 of 1 images were done before/);
      expect(filesOf([done])).toEqual(filesOf([indexed[index]]));
    }
    // One task again: refused as an array of one, done as a shard.
    const one = {
      SLURM_ARRAY_TASK_MIN: '3',
      SLURM_ARRAY_TASK_MAX: '3',
      SLURM_ARRAY_TASK_COUNT: '1',
    };
    expect(await task(3, one)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('PANPP_SHARDS is "8". The array has 1 task') as string,
    });
    expect(await task(3, { ...one, PANPP_SHARD: '3/8' })).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('shard 3/8: ') as string,
    });
    expect(await run('bash', [pathOf('slurm-array.sh'), 'images'])).toMatchObject({ code: 1 });
  });

  const hasParallel = spawnSync('parallel', ['--version']).status === 0;
  it.runIf(hasParallel)('of GNU parallel too', async () => {
    const [, lines] = /```sh\n(mkdir -p results\nseq [^`]*)```/.exec(textOf('README.md'))!;
    const done = await run('bash', ['-e', '-o', 'pipefail', '-c', lines]);
    expect(done.code, done.stderr).toBe(0);
    expect(filesOf([{ stdout: read('all.jsonl').toString() }])).toEqual(images);
    expect(
      readdirSync(inScratch('results')).filter((name) => name.startsWith('lines.')),
    ).toHaveLength(8);
  });
});

describe('the health check', () => {
  const check = async (...command: readonly string[]) => {
    write('cmdline', command.map((argument) => `${argument}\0`).join(''));
    return (await run(process.execPath, [pathOf('healthcheck.mjs'), inScratch('cmdline')])).code;
  };

  it('asks a service, and lets other commands run', async () => {
    let status = 200;
    const asked: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url);
      response.writeHead(status).end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const port = String((server.address() as AddressInfo).port);
    expect(await check('tini', '--', 'panpp', 'serve', '--host', '0.0.0.0', '--port', port)).toBe(
      0,
    );
    expect(await check('tini', '--', 'node', 'panpp', 'serve', `--port=${port}`)).toBe(0);
    status = 503;
    expect(await check('tini', '--', 'panpp', 'serve', '--port', port)).toBe(1);
    expect(asked).toEqual(['/healthz', '/healthz', '/healthz']);
    await new Promise((resolve) => server.close(resolve));
    expect(await check('tini', '--', 'panpp', 'serve', '--port', port)).toBe(1);
    expect(await check('tini', '--', 'panpp', 'detect', '/data')).toBe(0);
  });
});
