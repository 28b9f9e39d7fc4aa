// The service with engines that need no GPU: its limits, its errors, and its end.
import { connect } from 'node:net';
import dns from 'node:dns';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { PanppError } from '../../src/errors.js';
import { encodePng } from '../../src/images/encode.js';
import type { PixelImage } from '../../src/images/image.js';
import type { DetectOptions, SpotOptions } from '../../src/model/options.js';
import { Lexicon } from '../../src/recognition/lexicon.js';
import { plainImage } from '../support/picture.js';
import {
  FakeEngine,
  foundIn,
  form,
  metric,
  raw,
  readIn,
  reading,
  serving,
  servingHere,
} from './serving.js';

const picture = encodePng(plainImage(8));
/** Without a GPU, and with nothing set. */
const { url, log, service } = await serving();
afterAll(() => service.stop(0));

/** An answer's status, and its error's code and message. */
async function refusal(response: Promise<Response>) {
  const { status, headers, text } = await response.then(async (each) => ({
    status: each.status,
    headers: each.headers,
    text: await each.text(),
  }));
  expect(text).not.toMatch(/\n|\bat .*:\d+/);
  const { error, ...rest } = JSON.parse(text) as { error: { code: string; message: string } };
  expect(rest).toEqual({});
  return { status, headers, ...error };
}

/** A model whose detections end when the test says so, with the signals that they were given. */
function held() {
  const calls: { end: () => void; signal: AbortSignal }[] = [];
  const engine = new FakeEngine({
    detect: (image, { signal }) =>
      new Promise((resolve) => calls.push({ end: () => resolve(foundIn(image)), signal: signal! })),
  });
  return { engine, calls, called: (count: number) => vi.waitUntil(() => calls.length >= count) };
}

describe('an image', () => {
  it('comes as the body or in a form, and the result is the command line’s', async () => {
    const line = {
      width: 8,
      height: 8,
      regions: [
        {
          polygon: [
            [1, 1],
            [5, 1],
            [5, 3],
            [1, 3],
          ],
          box: { left: 1, top: 1, right: 6, bottom: 4 },
          score: 0.95,
          area: 8,
        },
      ],
      timings: { upload: 1, setup: 0, regions: 1, total: 3 },
    };
    const detect = async (init: RequestInit, query = '') =>
      (await fetch(`${url}/v1/detect${query}`, init)).json();
    expect(await detect(raw(picture))).toEqual({ file: 'image', ...line });
    expect(await detect(form(picture))).toEqual({ file: 'a.png', ...line });
    expect(await detect(form(picture), '?file=b%2Fc.png')).toEqual({ file: 'b/c.png', ...line });
    const octets = raw(picture, { 'content-type': 'application/octet-stream' });
    expect(await detect(octets)).toEqual({ file: 'image', ...line });
  });

  it('is refused if it can’t be read', async () => {
    const text = new TextEncoder().encode('GIF89a …');
    expect(await refusal(fetch(`${url}/v1/detect`, raw(text)))).toMatchObject({
      status: 422,
      code: 'image',
      message: 'image: this is a GIF image; a PNG, JPEG or WebP file is needed',
    });
    expect(await refusal(fetch(`${url}/v1/detect`, form(text, {}, 'a\n.gif')))).toMatchObject({
      status: 422,
      code: 'image',
      message: expect.stringMatching(/^a.*\.gif: this is a GIF image/),
    });
    for (const init of [raw(new Uint8Array()), form(new Uint8Array())])
      expect(await refusal(fetch(`${url}/v1/detect`, init))).toMatchObject({
        status: 422,
        code: 'image',
        message: expect.stringContaining('the file is empty'),
      });
    expect(await refusal(fetch(`${url}/v1/detect`, { method: 'POST' }))).toMatchObject({
      status: 400,
      code: 'body',
      message: expect.stringContaining('the request has no image'),
    });
    const half = picture.slice(0, picture.length / 2);
    expect(await refusal(fetch(`${url}/v1/detect`, raw(half)))).toMatchObject({
      status: 422,
      code: 'image',
    });
  });

  it('is refused if it has too many bytes, said or not', async () => {
    const large = new Uint8Array(150_000);
    const chunked = new ReadableStream({
      start(controller) {
        controller.enqueue(large);
        controller.close();
      },
    });
    const streamed = { ...raw(picture), body: chunked, duplex: 'half' };
    for (const init of [raw(large), form(large), streamed])
      expect(await refusal(fetch(`${url}/v1/detect`, init))).toMatchObject({
        status: 413,
        code: 'too-large',
        message: expect.stringContaining('one image of at most 100000 bytes'),
      });
  });

  it('is refused if it has too many pixels, before or after resizing', async () => {
    const small = await servingHere(new FakeEngine(), { maxPixels: 1000 * 32 });
    const detect = (side: number, shortSide: number) =>
      fetch(`${small.url}/v1/detect?shortSide=${shortSide}`, raw(encodePng(plainImage(side))));
    expect((await detect(100, 64)).status).toBe(200);
    expect(await refusal(detect(200, 64))).toMatchObject({
      status: 422,
      code: 'image',
      message: expect.stringContaining('the image has 200 x 200 pixels'),
    });
    expect(await refusal(detect(100, 192))).toMatchObject({
      status: 422,
      code: 'image',
      message: expect.stringContaining('becomes 192 x 192 at short side 192'),
    });
  });
});

describe('a request', () => {
  const refused = async (path: string, init: RequestInit = raw(picture)) =>
    refusal(fetch(`${url}${path}`, init));

  it('with a wrong parameter is refused with its name', async () => {
    const cases: [string, RegExp][] = [
      ['shortside=64', /^there is no parameter "shortside"; \/openapi.json lists/],
      ['shortSide=1', /^shortSide must be >= 32$/],
      ['shortSide=64.5', /^shortSide must be integer$/],
      ['shortSide=', /^shortSide must be integer$/],
      ['shortSide=64&shortSide=96', /^shortSide must be integer$/],
      ['tileSide=767', /^tileSide must be >= 768$/],
      ['tileSide=4096.5', /^tileSide must be integer$/],
      ['tileSide=1000001', /^tileSide must be <= 1000000$/],
      ['bbox=circle', /^bbox must be equal to one of the allowed values: rect,poly$/],
      ['minScore=2', /^minScore must be <= 1$/],
      ['tolerance=2', /^tolerance \(--tolerance\) is for outlines; set bbox/],
      ['beam=2', /^there is no parameter "beam"/],
      ['__proto__=1', /^there is no parameter "__proto__"/],
    ];
    for (const [query, message] of cases) {
      const { status, code, message: given } = await refused(`/v1/detect?${query}`);
      expect({ status, code }, query).toEqual({ status: 400, code: 'argument' });
      expect(given).toMatch(message);
    }
  });

  it('for something else gets the usual statuses', async () => {
    expect(await refused('/v1/detekt')).toMatchObject({
      status: 404,
      code: 'not-found',
      message: 'there is no "/v1/detekt"; see /openapi.json',
    });
    const { headers, ...wrong } = await refused('/v1/detect?bbox=poly', {});
    expect(wrong).toEqual({
      status: 405,
      code: 'method',
      message: '/v1/detect takes POST, not GET',
    });
    expect(headers.get('allow')).toBe('POST');
    const typed = (type: string) => refused('/v1/detect', raw(picture, { 'content-type': type }));
    for (const type of ['application/x-www-form-urlencoded', 'application/json', 'text/plain'])
      expect(await typed(type)).toMatchObject({ status: 415, code: 'media-type' });
    const accepting = (accept: string) => refused('/v1/detect', raw(picture, { accept }));
    for (const accept of ['image/png', 'text/vnd.hocr+html'])
      expect(await accepting(accept)).toMatchObject({
        status: 406,
        code: 'not-acceptable',
        message: expect.stringContaining('application/json, application/vnd.labelme+json'),
      });
  });

  it('for an address that is none is refused', async () => {
    const { headers, ...rest } = await refused('/v1/%zz', {});
    expect(rest).toMatchObject({ status: 400, code: 'body' });
    expect(headers.get('x-request-id')).toMatch(/^[\da-f-]{36}$/);
  });

  it.each([
    ['no HTTP', 'hello\r\n\r\n', '400 Bad Request', /^this is no HTTP request \(HPE_\w+\)$/],
    [
      'too long',
      `GET /healthz HTTP/1.1\r\nhost: a\r\nx: ${'x'.repeat(40_000)}\r\n\r\n`,
      '431 Request Header Fields Too Large',
      /^the headers are too long$/,
    ],
  ])('that is %s is refused as all others are', async (_, sent, status, message) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.on('error', () => {});
    socket.write(sent);
    let answer = '';
    for await (const part of socket) answer += String(part);
    const [head, body] = answer.split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status}\r\n`));
    expect(head).toMatch(/\r\nx-request-id: [\da-f-]{36}\r\n/);
    expect(JSON.parse(body)).toEqual({
      error: { code: 'body', message: expect.stringMatching(message) as unknown },
    });
  });

  it('with a form of other parts is refused', async () => {
    const cases: [RequestInit, string][] = [
      [form(picture, { shortSide: '64' }), 'a part "shortSide" that is not known'],
      [form(picture, { lexicon: 'words' }), 'a part "lexicon" that is not known'],
      [{ method: 'POST', body: new FormData() }, ''],
    ];
    const twice = form(picture);
    (twice.body as FormData).append('image', new Blob([picture as Uint8Array<ArrayBuffer>]), 'b');
    cases.push([twice, 'a part "image" twice']);
    for (const [init, message] of cases) {
      const { status, code, message: given } = await refused('/v1/detect', init);
      expect({ status, code }, given).toEqual({ status: 400, code: 'body' });
      expect(given).toContain(message);
    }
    const reader = await servingHere(new FakeEngine(), { config: reading, maxBytes: 4_000_000 });
    const long = form(picture, { lexicon: 'words\n'.repeat(200_000) });
    expect(await refusal(fetch(`${reader.url}/v1/spot`, long))).toMatchObject({
      status: 413,
      code: 'too-large',
      message: 'the part lexicon is a text of over 1 MiB; send it as a file: -F lexicon=@FILE',
    });
    const lexicon = 'content-disposition: form-data; name="lexicon"';
    const json = `--x\r\n${lexicon}\r\ncontent-type: application/json\r\n\r\n["open"]\r\n--x--\r\n`;
    const type = { 'content-type': 'multipart/form-data; boundary=x' };
    expect(
      await refusal(fetch(`${reader.url}/v1/spot`, raw(new TextEncoder().encode(json), type))),
    ).toMatchObject({
      status: 400,
      message:
        'the part lexicon is application/json; send it as text or as a file: -F lexicon=@FILE',
    });
    const broken = raw(picture, { 'content-type': 'multipart/form-data; boundary=x' });
    expect(await refused('/v1/detect', broken)).toMatchObject({ code: 'body', status: 400 });
  });

  it('keeps its id, if that is fit for a log', async () => {
    const idOf = async (id: string) =>
      (await fetch(`${url}/healthz`, { headers: { 'x-request-id': id } })).headers.get(
        'x-request-id',
      );
    expect(await idOf('abc-1:2.3_4')).toBe('abc-1:2.3_4');
    for (const bad of ['a b', '"}{', 'x'.repeat(65)])
      expect(await idOf(bad)).toMatch(/^[\da-f-]{36}$/);
  });

  it('is one line in the log, with nothing of the image', async () => {
    const headers = { 'x-request-id': 'the-request' };
    await fetch(`${url}/v1/detect?file=secret.png`, raw(picture, headers));
    const lines = () => log.filter(({ request }) => request === 'the-request');
    await vi.waitUntil(() => lines().length > 0);
    expect(lines()).toEqual([
      {
        level: 'info',
        time: expect.stringMatching(/^\d{4}-.*Z$/),
        request: 'the-request',
        method: 'POST',
        route: '/v1/detect',
        status: 200,
        milliseconds: expect.any(Number),
        msg: 'request',
      },
    ]);
  });

  it('that fails by a fault of the service says so, and the log says what', async () => {
    const faulty = await servingHere(
      new FakeEngine({
        detect: async () => {
          throw new TypeError('secret is undefined');
        },
      }),
    );
    expect(await refusal(fetch(`${faulty.url}/v1/detect`, raw(picture)))).toMatchObject({
      status: 500,
      code: 'internal',
      message: 'a fault of the service; its log has it under the request’s x-request-id',
    });
    expect(faulty.log.find(({ level }) => level === 'error')).toMatchObject({
      err: { message: 'secret is undefined', stack: expect.stringContaining('TypeError') },
    });
  });

  it('needs the token, if there is one, except for the probes', async () => {
    const token = 'a-token-of-length-22!!';
    const guarded = await servingHere(new FakeEngine(), { token });
    const get = (path: string, authorization?: string) =>
      fetch(`${guarded.url}${path}`, { headers: authorization ? { authorization } : {} });
    for (const path of ['/healthz', '/readyz']) expect((await get(path)).status).toBe(200);
    for (const path of ['/metrics', '/openapi.json', '/v1/detect', '/other'])
      for (const authorization of [undefined, 'Bearer a-token-of-length-22!?', token]) {
        const { status, code, headers } = await refusal(get(path, authorization));
        expect({ status, code }).toEqual({ status: 401, code: 'unauthorized' });
        expect(headers.get('www-authenticate')).toBe('Bearer realm="panpp"');
      }
    const authorization = `Bearer ${token}`;
    expect((await get('/metrics', authorization)).status).toBe(200);
    expect((await fetch(`${guarded.url}/v1/detect`, raw(picture, { authorization }))).status).toBe(
      200,
    );
  });

  it('from another site’s page is refused', async () => {
    const headers = { origin: 'https://example.org' };
    expect(await refusal(fetch(`${url}/v1/detect`, raw(picture, headers)))).toMatchObject({
      status: 403,
      code: 'forbidden',
    });
  });
});

describe('spot', () => {
  it('is 501 without a recognition head, and the service is ready all the same', async () => {
    expect(await refusal(fetch(`${url}/v1/spot`, raw(picture)))).toMatchObject({
      status: 501,
      code: 'weights',
      message: expect.stringContaining(
        'this service only detects text: it has no recognition head',
      ),
    });
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
  });

  it('reads, with the options of the command line', async () => {
    const given: SpotOptions[] = [];
    const engine = new FakeEngine({
      spot: async (image, options) => {
        given.push(options);
        return readIn(image);
      },
    });
    const reader = await servingHere(engine, { config: reading });
    const spot = async (query: string, init: RequestInit) =>
      (await fetch(`${reader.url}/v1/spot?${query}`, init)).json();
    expect(
      await spot('beam=4&characters=true&rectify=false&minScore=0.5', raw(picture)),
    ).toMatchObject({
      regions: [{ text: 'OPEN', textScore: 0.9 }],
    });
    expect(given.at(-1)).toMatchObject({
      beam: 4,
      characters: true,
      rectify: false,
      minScore: 0.5,
      shortSide: 736,
    });
    expect(given.at(-1)).toMatchObject({ correction: undefined, lexicon: undefined });

    await spot('correct=true&scoreThreshold=0.7', raw(picture));
    expect(given.at(-1)).toMatchObject({ correction: { scoreThreshold: 0.7 } });
    await spot('lengthThreshold=1', form(picture, { lexicon: 'open\nshut\n' }));
    expect(given.at(-1)!.correction).toEqual({ lengthThreshold: 1 });
    expect((given.at(-1)!.lexicon as Lexicon).words).toEqual(['open', 'shut']);

    expect(
      await refusal(fetch(`${reader.url}/v1/spot?scoreThreshold=0.7`, raw(picture))),
    ).toMatchObject({
      status: 400,
      message: expect.stringMatching(
        /^scoreThreshold is for words that are corrected; give a lexicon/,
      ),
    });
    const wrong = form(picture, { lexicon: '\n' });
    expect(await refusal(fetch(`${reader.url}/v1/spot`, wrong))).toMatchObject({
      status: 400,
      code: 'argument',
      message: expect.stringContaining('the lexicon holds no word'),
    });
    const hocr = await fetch(
      `${reader.url}/v1/spot`,
      raw(picture, { accept: 'text/vnd.hocr+html' }),
    );
    expect(hocr.headers.get('content-type')).toMatch(/^text\/vnd\.hocr\+html/);
    expect(await hocr.text()).toMatch(/ocr-system" content="panpp 1\.2\.3"[^]*>OPEN<\/span>/);
  });
});

describe('too many requests', () => {
  it('are refused at once while the queue is full', async () => {
    const { engine, calls, called } = held();
    const full = await servingHere(engine, { maxRequests: 3 });
    const answers = [1, 2, 3].map(() => fetch(`${full.url}/v1/detect`, raw(picture)));
    // The third waits for the GPU.
    await called(2);
    await vi.waitUntil(async () => (await metric(full.url, 'panpp_queue_length')) === 1);
    expect(await metric(full.url, 'panpp_requests_open')).toBe(3);
    const times: number[] = [];
    for (let turn = 0; turn < 5; turn++) {
      const start = performance.now();
      const { headers, ...busy } = await refusal(fetch(`${full.url}/v1/detect`, raw(picture)));
      times.push(performance.now() - start);
      expect(busy).toMatchObject({ status: 503, code: 'busy' });
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    }
    // The fastest, because other tests use the CPU too.
    expect(Math.min(...times)).toBeLessThan(50);
    expect(await (await fetch(`${full.url}/readyz`)).json()).toEqual({
      status: 'not ready',
      reason: 'the queue is full',
    });
    for (let done = 0; done < 3; done++) {
      await called(done + 1);
      calls[done].end();
    }
    for (const answer of answers) expect((await answer).status).toBe(200);
    expect((await fetch(`${full.url}/readyz`)).status).toBe(200);
  });
});

describe('a request that takes too long', () => {
  it('is answered with 504, and its work is given up', async () => {
    const { engine, calls } = held();
    const slow = await servingHere(engine, { timeout: 150 });
    expect(await refusal(fetch(`${slow.url}/v1/detect`, raw(picture)))).toMatchObject({
      status: 504,
      code: 'timeout',
      message: expect.stringMatching(/no answer within 0\.15 s/),
    });
    expect(calls[0].signal.aborted).toBe(true);
    expect(await metric(slow.url, 'panpp_requests_open')).toBe(0);
    expect(slow.log.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('to be sent is answered with 504 too', async () => {
    const slow = await servingHere(new FakeEngine(), { timeout: 150 });
    for (const type of ['image/png', 'multipart/form-data; boundary=x']) {
      const socket = connect(Number(new URL(slow.url).port), '127.0.0.1');
      socket.write(
        `POST /v1/detect HTTP/1.1\r\nhost: a\r\ncontent-type: ${type}\r\ncontent-length: 1000\r\n\r\n--x`,
      );
      const [data] = (await once(socket, 'data')) as [Buffer];
      expect(data.toString()).toMatch(/^HTTP\/1\.1 504 [^]*"code":"timeout"/);
      socket.destroy();
    }
    await vi.waitUntil(async () => (await metric(slow.url, 'panpp_requests_open')) === 0);
  });
});

it('a client that does not take its answer loses its place in time', async () => {
  const engine = new FakeEngine({
    detect: async (image) => {
      const { regions, ...rest } = foundIn(image);
      return { ...rest, regions: Array.from({ length: 200_000 }, () => regions[0]) };
    },
  });
  const slow = await servingHere(engine, { timeout: 3000 });
  const socket = connect(Number(new URL(slow.url).port), '127.0.0.1');
  socket.on('error', () => {}).pause();
  socket.write('POST /v1/detect HTTP/1.1\r\nhost: a\r\ncontent-type: image/png\r\n');
  socket.write(`content-length: ${picture.length}\r\n\r\n`);
  socket.write(picture);
  await vi.waitUntil(async () => (await metric(slow.url, 'panpp_requests_open')) === 1);
  const free = async () => (await metric(slow.url, 'panpp_requests_open')) === 0;
  await vi.waitUntil(free, { timeout: 20_000, interval: 100 });
  expect(await metric(slow.url, 'panpp_requests_total{route="/v1/detect",status="499"}')).toBe(1);
  socket.destroy();
});

describe('a client that goes away', () => {
  it('frees its place, and ends its work', async () => {
    const { engine, calls, called } = held();
    const left = await servingHere(engine, { maxRequests: 1 });
    const controller = new AbortController();
    const answer = fetch(`${left.url}/v1/detect`, { ...raw(picture), signal: controller.signal });
    await called(1);
    expect(calls[0].signal.aborted).toBe(false);
    controller.abort();
    await expect(answer).rejects.toThrow(/abort/);
    await vi.waitUntil(() => calls[0].signal.aborted);
    calls[0].end();
    const next = fetch(`${left.url}/v1/detect`, raw(picture));
    await called(2);
    calls[1].end();
    expect((await next).status).toBe(200);
    expect(await metric(left.url, 'panpp_requests_total{route="/v1/detect",status="499"}')).toBe(1);
    expect(left.log.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('frees its place while it still sends', async () => {
    const left = await servingHere(new FakeEngine(), { maxRequests: 1 });
    const socket = connect(Number(new URL(left.url).port), '127.0.0.1');
    socket.write('POST /v1/detect HTTP/1.1\r\nhost: a\r\ncontent-type: image/png\r\n');
    socket.write('content-length: 1000\r\n\r\nabc');
    await vi.waitUntil(async () => (await metric(left.url, 'panpp_requests_open')) === 1);
    socket.destroy();
    await vi.waitUntil(async () => (await metric(left.url, 'panpp_requests_open')) === 0);
    expect((await fetch(`${left.url}/v1/detect`, raw(picture))).status).toBe(200);
    expect(left.log.filter(({ level }) => level === 'error')).toEqual([]);
  });
});

describe('a batch', () => {
  const patient = { batchWait: 300, batchSize: 8, maxPixels: 2 ** 22 };
  const detect = (url: string, query = 'shortSide=64', side = 8) =>
    fetch(`${url}/v1/detect?${query}`, raw(encodePng(plainImage(side))));

  it('has the images of one size and the same settings', async () => {
    const batches: [count: number, shortSide: number | undefined][] = [];
    const model = {
      detect: async (image: PixelImage, { shortSide }: DetectOptions) => {
        batches.push([1, shortSide]);
        return foundIn(image);
      },
      detectBatch: async (images: readonly PixelImage[], { shortSide }: DetectOptions) => {
        batches.push([images.length, shortSide]);
        const found = foundIn(images[0]);
        return { ...found, regions: images.map(() => found.regions) };
      },
    };
    const together = await servingHere(new FakeEngine(model), patient);
    const answers = [
      detect(together.url),
      detect(together.url),
      detect(together.url, 'shortSide=64', 9),
      detect(together.url, 'shortSide=64&minScore=0.5'),
    ];
    for (const answer of await Promise.all(answers)) expect(answer.status).toBe(200);
    expect(batches.map(([count]) => count).sort()).toEqual([1, 1, 2]);
    expect(await metric(together.url, 'panpp_batch_images_sum')).toBe(4);
    expect(await metric(together.url, 'panpp_batch_images_count')).toBe(3);

    // One fills a GPU alone, and tiles are processed one after another.
    batches.length = 0;
    const large = [1, 2].map(() => detect(together.url, 'shortSide=1472'));
    for (const answer of await Promise.all(large)) expect(answer.status).toBe(200);
    const tiled = [1, 2].map(() => detect(together.url, 'shortSide=64&tileSide=768'));
    for (const answer of await Promise.all(tiled)) expect(answer.status).toBe(200);
    expect(batches).toEqual([
      [1, 1472],
      [1, 1472],
      [1, 64],
      [1, 64],
    ]);
  });

  it('is not waited for while no other request is on its way', async () => {
    const { url } = await servingHere(new FakeEngine(), { ...patient, batchWait: 60_000 });
    const answer = await fetch(`${url}/v1/detect`, {
      ...raw(picture),
      signal: AbortSignal.timeout(10_000),
    });
    expect(answer.status).toBe(200);
  });

  it('that fails is done again one by one, so that only the culprit fails', async () => {
    let batches = 0;
    const engine = new FakeEngine({
      detectBatch: async () => {
        batches++;
        throw new PanppError('image', 'the map has NaN');
      },
      detect: async (image) => {
        if (image.data[0] === 7) throw new PanppError('image', 'the map has NaN');
        return foundIn(image);
      },
    });
    const { url } = await servingHere(engine, patient);
    const one = (value: number) =>
      fetch(`${url}/v1/detect?shortSide=64`, raw(encodePng(plainImage(8, value))));
    const statuses = (await Promise.all([one(1), one(7)])).map(({ status }) => status);
    expect({ statuses, batches }).toEqual({ statuses: [200, 422], batches: 1 });
  });
});

describe('a lost device', () => {
  it('shows in readiness, which asks for a fresh one', async () => {
    const engine = new FakeEngine();
    const recovering = await servingHere(engine);
    engine.ready = undefined;
    engine.losses = 1;
    expect(await metric(recovering.url, 'panpp_ready')).toBe(0);
    expect(await metric(recovering.url, 'panpp_gpu_bytes{kind="weights"}')).toBeUndefined();
    const first = await fetch(`${recovering.url}/readyz`);
    expect({ status: first.status, recoveries: engine.recoveries }).toEqual({
      status: 503,
      recoveries: 1,
    });
    expect(await first.json()).toMatchObject({
      reason: expect.stringContaining('device was lost'),
    });
    expect((await fetch(`${recovering.url}/readyz`)).status).toBe(200);
    expect(await metric(recovering.url, 'panpp_device_losses_total')).toBe(1);
    expect(await metric(recovering.url, 'panpp_gpu_bytes{kind="weights"}')).toBe(1000);
  });

  it('that can’t be replaced is 503, for a while', async () => {
    const engine = new FakeEngine();
    engine.run = async () => {
      throw new PanppError('device-lost', 'the GPU device was lost; open it');
    };
    const lost = await servingHere(engine);
    const { status, code, headers } = await refusal(fetch(`${lost.url}/v1/detect`, raw(picture)));
    expect({ status, code }).toEqual({ status: 503, code: 'device-lost' });
    expect(headers.get('retry-after')).toBe('1');
  });
});

describe('the end', () => {
  it('answers what is under way, and takes nothing new', async () => {
    const { engine, calls, called } = held();
    const ending = await serving(engine);
    const answer = fetch(`${ending.url}/v1/detect`, raw(picture));
    await called(1);
    const stopped = ending.service.stop(60_000);
    await delay(50);
    await expect(fetch(`${ending.url}/healthz`)).rejects.toThrow();
    calls[0].end();
    const { status, headers } = await answer;
    expect({ status, connection: headers.get('connection') }).toEqual({
      status: 200,
      connection: 'close',
    });
    expect(await stopped).toBe(true);
  });

  it('waits for all addresses of localhost', async () => {
    const both = ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, family: 4 }));
    type Done = (...found: unknown[]) => void;
    const lookup = (host: string, options: unknown, done?: Done) => {
      if (done) done(null, both);
      else (options as Done)(null, host === 'localhost' ? both[0].address : host, 4);
    };
    vi.spyOn(dns, 'lookup').mockImplementation(lookup);
    onTestFinished(() => void vi.restoreAllMocks());
    const { engine, calls, called } = held();
    const { service: ending, url: address } = await serving(engine, {}, 'localhost');
    const other = `http://127.0.0.2:${new URL(address).port}`;
    const answer = fetch(`${other}/v1/detect`, raw(picture));
    await called(1);
    const stopped = ending.stop(60_000);
    expect(await Promise.race([stopped, delay(300, 'under way')])).toBe('under way');
    calls[0].end();
    expect((await answer).status).toBe(200);
    expect(await stopped).toBe(true);
  });

  it('ends what takes longer than it may', async () => {
    const { engine, called } = held();
    const ending = await serving(engine);
    const answer = refusal(fetch(`${ending.url}/v1/detect`, raw(picture)));
    await called(1);
    expect(await ending.service.stop(100)).toBe(false);
    expect(await answer).toMatchObject({ status: 503, code: 'stopping' });
  });
});

describe('what is told about the service', () => {
  it('is a valid OpenAPI document of what it does', async () => {
    const document = await (await fetch(`${url}/openapi.json`)).json();
    const { valid, errors } = await new Validator().validate(document);
    expect(errors).toBeUndefined();
    expect({ valid, version: document.openapi }).toEqual({ valid: true, version: '3.1.0' });
    const paths = Object.keys(document.paths).sort();
    expect(paths).toEqual([
      ...['/healthz', '/metrics', '/openapi.json', '/readyz', '/v1/detect', '/v1/spot'],
    ]);
    const { post } = document.paths['/v1/detect'];
    const names = post.parameters.map(({ name }: { name: string }) => name).sort();
    expect(names).toEqual([
      'bbox',
      'file',
      'maxSide',
      'minArea',
      'minScore',
      'shortSide',
      'tileSide',
      'tolerance',
    ]);
    expect(Object.keys(post.requestBody.content)).toContain('multipart/form-data');
    // Its schema of a result, and a result.
    const { schema } = post.responses[200].content['application/json'];
    const result = await (await fetch(`${url}/v1/detect`, raw(picture))).json();
    const [found] = result.regions;
    expect(Object.keys(result)).toEqual(schema.required);
    expect(Object.keys(found)).toEqual(schema.properties.regions.items.required);
    expect(Object.keys(found.box)).toEqual(schema.properties.regions.items.properties.box.required);
  });

  it('is metrics in Prometheus’ format', async () => {
    const response = await fetch(`${url}/metrics`);
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const lines = (await response.text()).split('\n');
    const pattern = /^(# (HELP|TYPE) .+|[a-z_]\w*(\{.*\})? (-?[\d.e+-]+|Nan))?$/;
    expect(lines.filter((line) => !pattern.test(line))).toEqual([]);
    expect(await metric(url, 'panpp_requests_total{route="other",status="404"}')).toBe(1);
    for (const stage of ['decode', 'queue', 'upload', 'total'])
      expect(await metric(url, `panpp_stage_seconds_count{stage="${stage}"}`)).toBeGreaterThan(0);
    expect(await metric(url, 'panpp_gpu_bytes{kind="programs"}')).toBe(200);
  });
});
