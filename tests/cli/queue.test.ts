// The queue, on a Redis of the test's own: what is killed meanwhile loses no image, and no result
// is written twice.
import { mkdirSync, readdirSync } from 'node:fs';
import { once } from 'node:events';
import type { ChildProcess } from 'node:child_process';
import { type Job, Worker } from 'bullmq';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ImageWorker } from '../../src/cli/queue/image-worker.js';
import { jobId, jobOf } from '../../src/cli/queue/jobs.js';
import { openQueue } from '../../src/cli/queue/redis.js';
import { PanppError } from '../../src/errors.js';
import { encodePng } from '../../src/node.js';
import { packagedDetectorFile } from '../support/detector.js';
import { plainImage } from '../support/picture.js';
import { RedisServer, hasRedis } from '../support/redis.js';
import {
  finished,
  inScratch,
  onAdapter,
  panpp,
  parseLines,
  read,
  refused,
  start,
  write,
} from './cli.js';

if (!hasRedis) console.log('the queue is not tested with Redis: no redis-server here');

const noTimings = { upload: 0, setup: 0, regions: 0, total: 0 };
const tiny = ['--short-side', '32', '--lease', '5', ...onAdapter];

it('is refused in one line where there is no Redis, or it is named wrongly', async () => {
  const nowhere = ['--redis', 'redis://:secret@127.0.0.1:1'];
  const message = await refused(['queue', ...nowhere]);
  expect(message).toMatch(
    /^panpp: Redis at redis:\/\/127\.0\.0\.1:1 can't be reached \(.*ECONNREFUSED.*\); start redis-server/,
  );
  write('image.png', encodePng(plainImage(32)));
  expect(await refused(['enqueue', 'image.png', ...nowhere])).toBe(message);
  expect(await refused(['worker', '--output', 'out', ...nowhere])).toBe(message);
  expect(await refused(['queue', '--redis', 'localhost'])).toMatch(/--redis is no address/);
  expect(await refused(['queue', '--queue', 'a:b'])).toMatch(/give a name without a colon/);
  expect(await refused(['queue', 'done', '--json'])).toBe(
    'panpp: --json is for panpp queue status',
  );
  expect(await refused(['queue', 'failed', '--follow'])).toMatch(/--follow is for/);
  expect((await panpp(['queue', '--redis', ''])).messages.join()).not.toMatch(/no address/);
  expect(await refused(['enqueue'])).toMatch(/nothing to put into the queue/);
  expect(await refused(['worker', '--output', 's3://'])).toMatch(/give a folder or s3:/);
  write('detector.safetensors', packagedDetectorFile());
  const detector = ['--weights', 'detector.safetensors'];
  expect(await refused(['worker', '--output', 'out', '--no-rectify'])).toBe(
    'panpp: --no-rectify is for --task spot',
  );
  expect(await refused(['worker', '--output', 'out', '--task', 'spot', ...detector])).toMatch(
    /recognition head/,
  );
});

it('takes images by their names, which may be no UTF-8, but no standard input', async () => {
  const names = ['/caf\udce9.jpg', '/caf\udce8.jpg', '/caf\ufffd.jpg'];
  expect(new Set(names.map(jobId)).size).toBe(3);
  expect(await refused(['enqueue', '-'])).toMatch(/an image on standard input can't be queued/);
});

describe.skipIf(!hasRedis)('a queue', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server?.remove());
  const queue = (...args: string[]) => panpp(['queue', ...args, '--redis', server.url]);
  const status = async () => JSON.parse((await queue('status', '--json')).stdout) as object;
  const worker = (...args: string[]) =>
    start(['worker', '--redis', server.url, '--output', 'results', ...tiny, ...args]);

  it('gives every image to a worker, although workers and Redis are killed', async () => {
    const names = Array.from({ length: 7 }, (_, index) => `${index}.png`);
    mkdirSync(inScratch('images'));
    for (const [value, name] of names.entries())
      write(`images/${name}`, encodePng(plainImage(32, value)));
    // Two addresses of one content.
    write('images/again.png', encodePng(plainImage(32, 0)));
    const enqueue = () => panpp(['enqueue', 'images', '--redis', server.url]);
    expect((await enqueue()).messages).toEqual(['panpp: 8 images put into the queue panpp']);
    expect((await enqueue()).messages).toEqual([
      'panpp: 0 images put into the queue panpp, 8 were in it before',
    ]);

    const { queue: jobs, close } = await openQueue({ redis: server.url, queue: 'panpp' });
    const first = worker();
    const firstEnd = finished(first);
    // The first image compiles shaders, so there is time.
    await vi.waitUntil(async () => (await jobs.getActiveCount()) > 0, {
      timeout: 60_000,
      interval: 5,
    });
    first.kill('SIGKILL');
    await firstEnd;
    expect(await jobs.getActiveCount()).toBeGreaterThan(0);

    const second = worker('--until-empty');
    const secondEnd = finished(second);
    await firstLine(second);
    await server.kill();
    await close();
    await server.start();
    const { code, stdout, messages } = await secondEnd;
    expect({ code, messages }).toMatchObject({ code: 0 });
    expect(messages.join('\n')).toMatch(/Redis at \S+ is lost; waiting for it\n.*is back/s);
    expect(await status()).toEqual({
      waiting: 0,
      underWay: 0,
      later: 0,
      done: 8,
      failed: 0,
      workers: 0,
    });

    const written = parseLines(stdout) as unknown as { result: string; isNew: boolean }[];
    const results = readdirSync(inScratch('results')).sort();
    expect(results).toHaveLength(7);
    const isNew = written.filter((line) => line.isNew).map(({ result }) => result);
    expect(new Set(isNew).size).toBe(isNew.length);
    for (const name of results)
      expect(JSON.parse(read(`results/${name}`).toString())).toMatchObject({
        width: 32,
        regions: [],
      });
    const done = parseLines((await queue('done')).stdout) as unknown as { result: string }[];
    expect([...new Set(done.map(({ result }) => result))].sort()).toEqual(results);
  });

  it('ends a worker that finds no adapter', async () => {
    const { code, messages } = await finished(worker('--adapter', 'no such adapter'));
    expect({ code, messages }).toEqual({
      code: 2,
      messages: [expect.stringMatching(/no WebGPU adapter matches "no such adapter"/)],
    });
  }, 30_000);

  it('gives up an image that can’t be read, and one that is never there after some attempts', async () => {
    await queue('clear');
    write('broken.png', 'no picture');
    write('list', `broken.png\n\n${inScratch('missing.png')}\nhttp://127.0.0.1:1/a.png\n`);
    await panpp(['enqueue', '--list', 'list', '--redis', server.url]);
    const child = worker();
    const end = finished(child);
    await vi.waitUntil(async () => (await queue('failed')).stdout.split('\n').length > 2, 60_000);
    await vi.waitUntil(async () => ((await status()) as { later: number }).later === 1, {
      timeout: 60_000,
    });
    child.kill('SIGTERM');
    const { code, messages } = await end;
    expect(code).toBe(1);
    const text = messages.join('\n');
    expect(text).toMatch(/broken\.png: this is data in an unknown format.*; given up/);
    expect(text).toMatch(/this worker reads no web addresses; start it with --fetch; given up/);
    expect(text).toMatch(/missing\.png: no such file or folder; it is tried again/);
    const failed = parseLines((await queue('failed')).stdout) as unknown as { attempts: number }[];
    expect(failed.map(({ attempts }) => attempts)).toEqual([1, 1]);
    expect((await queue()).stdout).toMatch(
      /^panpp: 0 waiting, .* 1 to be tried again, 0 done, 2 failed;/,
    );
    expect((await queue('retry')).messages).toEqual([
      'panpp: 2 images put back into the queue panpp',
    ]);
    expect(await status()).toMatchObject({ waiting: 2, failed: 0 });
    const open = await openQueue({ redis: server.url, queue: 'panpp' });
    const again = await open.queue.getWaiting();
    await open.close();
    expect(again.map(({ attemptsMade, stalledCounter }) => [attemptsMade, stalledCounter])).toEqual(
      [
        [0, 0],
        [0, 0],
      ],
    );
  });

  const gone = new PanppError('adapter', 'no WebGPU adapter was found');
  const full = new PanppError('file', 'results: no space left on the device');
  const lost = () => Promise.reject(gone);
  const cannot = () => Promise.reject(full);
  const find = async () => ({ regions: [], width: 32, height: 32, timings: noTimings });
  const has = async () => false;
  const create = async () => true;

  it.each([
    ['has lost its device', { find: lost, results: { has, create } }, gone],
    ['can’t store results', { find, results: { has, create: cannot } }, full],
    ['can’t look for results', { find, results: { has: cannot, create } }, full],
  ])('keeps the image of a worker that %s', async (_, work, error) => {
    await queue('clear');
    const open = await openQueue({ redis: server.url, queue: 'panpp' });
    await open.queue.add('image', { address: 'a.png' }, jobOf('a.png').opts);
    const worker = new ImageWorker(
      open,
      { fingerprint: 'f', read: async () => encodePng(plainImage(32)), ...work },
      { atOnce: 1, lease: 5000, maxPixels: 1e6 },
    );
    await expect(worker.run(false)).rejects.toBe(error);
    const [job] = await open.queue.getWaiting();
    await open.close();
    expect([job.data.address, job.attemptsMade]).toEqual(['a.png', 0]);
    expect(worker.failed).toBe(0);
  });

  it('gives up an image that three workers in a row did not survive', async () => {
    await queue('clear');
    const open = await openQueue({ redis: server.url, queue: 'panpp' });
    const put = (address: string) => open.queue.add('image', { address }, jobOf(address).opts);
    await put('busy.png');
    // This one looks after the queue, and is busy with its image until it is let go.
    const hold = { begin: () => {}, end: () => {} };
    const begun = new Promise<void>((resolve) => (hold.begin = resolve));
    const ended = new Promise<void>((resolve) => (hold.end = resolve));
    let worked = 0;
    const worker = new ImageWorker(
      open,
      {
        fingerprint: 'f',
        read: async () => encodePng(plainImage(32)),
        find: async () => {
          worked++;
          hold.begin();
          await ended;
          throw new PanppError('image', 'it was only held');
        },
        results: { has: async () => false, create: async () => true },
      },
      { atOnce: 1, lease: 400, maxPixels: 1e6 },
    );
    const working = worker.run(true);
    await begun;
    const deadly = await put('deadly.png');
    // Workers that take the image and are never heard of again.
    const options = { connection: open.redis, autorun: false, lockDuration: 50 };
    for (let crashes = 0; crashes < 3; crashes++) {
      const dying = new Worker(open.queue.name, null, options);
      const job = (await dying.getNextJob('its token', { block: false })) as Job | undefined;
      expect([job?.id, job?.deferredFailure]).toEqual([deadly.id, undefined]);
      await dying.close();
      await vi.waitUntil(async () => (await deadly.getState()) === 'waiting', 5000);
    }
    hold.end();
    await working;
    expect({ worked, failed: worker.failed }).toEqual({ worked: 1, failed: 2 });
    await open.close();
    const failed = parseLines((await queue('failed')).stdout) as unknown as { error: string }[];
    expect(failed.map(({ error }) => error)).toContain(
      '3 workers in a row ended while they had the image',
    );
  }, 20_000);
});

/** Waits for a line of results. */
async function firstLine(child: ChildProcess): Promise<void> {
  await once(child.stdout!, 'data');
}
