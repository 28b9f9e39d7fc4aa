// What workers read and write besides files: web addresses, and a store that speaks S3's protocol.
import { createHash } from 'node:crypto';
import { type IncomingMessage, type Server, createServer } from 'node:http';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type AddressOptions, readAddress } from '../../src/cli/queue/addresses.js';
import { openResults } from '../../src/cli/queue/results.js';
import { openBucket } from '../../src/cli/queue/s3.js';

let server: Server;
let url: string;
/** Objects of the store by path. */
const objects = new Map<string, string>();
const refusals: string[] = [];
/** How often the bucket `unlisted` says that another object is being stored. */
let conflicts = 0;

beforeAll(async () => {
  server = createServer((request, response) => {
    void answer(request).then(([status, body]) => response.writeHead(status).end(body));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
});
afterAll(() => server.close());
afterEach(() => vi.unstubAllEnvs());

async function answer(request: IncomingMessage): Promise<[status: number, body?: string]> {
  const { method, url: path = '', headers } = request;
  let body = '';
  for await (const part of request) body += String(part);
  if (path === '/picture') return [200, 'a picture'];
  if (path === '/slow') return new Promise(() => {});
  if (path.startsWith('/unlisted/'))
    return method === 'PUT' ? [conflicts-- > 0 ? 409 : objects.has(path) ? 412 : 200] : [403];
  if (!path.startsWith('/bucket/')) return [404];
  // What is signed: the method, the path, and the hash of the body.
  const signed = headers.authorization ?? '';
  const hash = headers['x-amz-content-sha256'];
  if (
    !/^AWS4-HMAC-SHA256 Credential=name\/\d{8}\/eu-west-1\/s3\/aws4_request, /.test(signed) ||
    (hash !== 'UNSIGNED-PAYLOAD' && hash !== createHash('sha256').update(body).digest('hex'))
  ) {
    refusals.push(`${method} ${path} ${signed} ${String(hash)}`);
    return [403];
  }
  if (method === 'PUT') {
    if (headers['if-none-match'] !== '*') return [400];
    if (objects.has(path)) return [412];
    objects.set(path, body);
    return [200];
  }
  return objects.has(path) ? [200, method === 'HEAD' ? undefined : objects.get(path)] : [404];
}

function inStore(): void {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'name');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret');
  vi.stubEnv('AWS_REGION', 'eu-west-1');
  vi.stubEnv('AWS_ENDPOINT_URL', url);
}

const options: AddressOptions = { fetches: true, maxBytes: 100, timeout: 5000, bucket: openBucket };
const text = async (address: string, given: Partial<AddressOptions> = {}) =>
  Buffer.from(await readAddress(address, { ...options, ...given })).toString();

describe('an address', () => {
  it('is a path, a web address or an object', async () => {
    inStore();
    objects.set('/bucket/folder/a%20b.png', 'an object');
    expect(await text(`${url}/picture`)).toBe('a picture');
    expect(await text('s3://bucket/folder/a b.png')).toBe('an object');
    expect(await text('package.json', { maxBytes: 1 })).toContain('"panpp"');
    expect(refusals).toEqual([]);
  });

  it('that can’t be read says why', async () => {
    await expect(text(`${url}/picture`, { fetches: false })).rejects.toMatchObject({
      code: 'argument',
      message: `${url}/picture: this worker reads no web addresses; start it with --fetch`,
    });
    await expect(text(`${url}/picture`, { maxBytes: 8 })).rejects.toThrow('more than 8 bytes');
    await expect(text(`${url}/nothing`)).rejects.toThrow("can't be loaded (HTTP 404)");
    await expect(text(`${url}/slow`, { timeout: 50 })).rejects.toThrow(/can't be loaded \(.*time/);
    await expect(text('http://127.0.0.1:1/')).rejects.toThrow("can't be loaded (bad port)");
    await expect(text('ftp://host/a.png')).rejects.toThrow('neither a path, http(s):// nor s3://');
    vi.stubEnv('AWS_ACCESS_KEY_ID', '');
    await expect(text('s3://bucket/a')).rejects.toThrow('needs the variables AWS_ACCESS_KEY_ID');
    inStore();
    await expect(text('s3://bucket/missing')).rejects.toThrow('HTTP 404');
  });
});

describe('results', () => {
  const folder = mkdtempSync(join(tmpdir(), 'panpp-results-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each([
    ['a folder', join(folder, 'new', 'results')],
    ['a store', 's3://bucket/some/results'],
  ])('in %s are written once, also by several at once', async (_, output) => {
    inStore();
    const results = await openResults(output);
    expect(await results.has('one.json')).toBe(false);
    const outcomes = await Promise.all(
      ['a', 'b', 'c'].map(async (content) => results.create('one.json', content)),
    );
    expect(outcomes.filter(Boolean)).toHaveLength(1);
    expect(await results.has('one.json')).toBe(true);
    expect(await results.create('one.json', 'd')).toBe(false);
    const stored = output.startsWith('s3')
      ? objects.get('/bucket/some/results/one.json')
      : readFileSync(join(output, 'one.json'), 'utf8');
    expect(stored).toBe('abc'[outcomes.indexOf(true)]);
  });

  it('are stored in a bucket that does not tell what it holds, and beside others', async () => {
    inStore();
    const results = await openResults('s3://unlisted');
    expect(await results.has('a.json')).toBe(false);
    conflicts = 2;
    expect(await results.create('a.json', '')).toBe(true);
    expect(conflicts).toBe(-1);
    objects.set('/unlisted/a.json', '');
    expect(await results.create('a.json', '')).toBe(false);
    conflicts = Infinity;
    await expect(results.create('b.json', '')).rejects.toThrow(
      's3://unlisted/b.json: the store refuses it (HTTP 409)',
    );
  });

  it('are an error, which names the store, if it can’t be reached', async () => {
    inStore();
    const free = createServer().listen(0, '127.0.0.1');
    await once(free, 'listening');
    const nowhere = `http://127.0.0.1:${(free.address() as { port: number }).port}`;
    free.close();
    vi.stubEnv('AWS_ENDPOINT_URL', nowhere);
    const results = await openResults('s3://bucket');
    for (const attempt of [results.has('a.json'), results.create('a.json', '')])
      await expect(attempt).rejects.toMatchObject({
        code: 'file',
        message: expect.stringMatching(
          `^${nowhere}/bucket: the store can't be reached \\(.*ECONNREFUSED`,
        ) as unknown,
      });
  });

  it('that a store refuses are an error', async () => {
    inStore();
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'another');
    const results = await openResults('s3://bucket');
    await expect(results.create('a.json', '')).rejects.toThrow(
      's3://bucket/a.json: the store refuses it (HTTP 403)',
    );
    refusals.length = 0;
    await expect(openResults('s3:///x')).rejects.toThrow('give a folder or s3://BUCKET/FOLDER');
  });
});
