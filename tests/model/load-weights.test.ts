// Loading weights over HTTP; the Cache API, which Node lacks, is tested in tests/browser.
import { type RequestListener, type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { type LoadProgress, loadWeights } from '../../src/model/load-weights.js';

let server: Server | undefined;

/** An address where one listener answers. */
async function listen(listener: RequestListener): Promise<string> {
  server = createServer(listener);
  await new Promise<void>((resolve) => server!.listen(0, 'localhost', resolve));
  return `http://localhost:${(server.address() as AddressInfo).port}/weights`;
}

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
});

// As a weights file begins: the length of its header in 8 bytes, and its first brace.
const content = Uint8Array.from({ length: 30_000 }, (_, index) => index % 251);
content.set([100, 0, 0, 0, 0, 0, 0, 0, 0x7b]);

describe('loadWeights', () => {
  it('streams a file and reports progress', async () => {
    const url = await listen((_, response) => {
      response.setHeader('content-length', content.length);
      response.write(content.subarray(0, 10_000));
      setTimeout(() => response.end(content.subarray(10_000)), 50);
    });
    const steps: LoadProgress[] = [];
    expect(await loadWeights(new URL(url), { onProgress: (step) => steps.push(step) })).toEqual(
      content,
    );
    expect(steps.length).toBeGreaterThan(1);
    expect(steps.every(({ total }) => total === content.length)).toBe(true);
    expect(steps.map(({ loaded }) => loaded)).toEqual(
      steps.map(({ loaded }) => loaded).sort((a, b) => a - b),
    );
    expect(steps.at(-1)!.loaded).toBe(content.length);
  });

  it('does not take the length of a compressed transfer for the file’s', async () => {
    const packed = gzipSync(content);
    const url = await listen((_, response) => {
      response
        .writeHead(200, { 'content-encoding': 'gzip', 'content-length': packed.length })
        .end(packed);
    });
    const steps: LoadProgress[] = [];
    expect(await loadWeights(url, { onProgress: (step) => steps.push(step) })).toEqual(content);
    expect(steps.at(-1)).toEqual({ loaded: content.length, total: undefined });
  });

  it('takes a response, and bytes without copying them', async () => {
    expect(await loadWeights(new Response(content))).toEqual(content);
    const steps: LoadProgress[] = [];
    expect(
      (await loadWeights(content.buffer, { onProgress: (step) => steps.push(step) })).buffer,
    ).toBe(content.buffer);
    const view = content.subarray(10, 20);
    expect(await loadWeights(view)).toBe(view);
    expect(steps).toEqual([{ loaded: content.length, total: content.length }]);
  });

  it('stops when aborted: before, while it waits for the server, and while a response comes in', async () => {
    const reason = new Error('enough');
    await expect(loadWeights(content, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);

    const url = await listen((_, response) => {
      response
        .writeHead(200, { 'content-length': content.length })
        .write(content.subarray(0, 1000));
    });
    for (const source of [url, await fetch(url)]) {
      const controller = new AbortController();
      const onProgress = () => controller.abort(reason);
      await expect(loadWeights(source, { onProgress, signal: controller.signal })).rejects.toBe(
        reason,
      );
    }
  });

  it('refuses a web page in place of a file', async () => {
    const page = '<!DOCTYPE html><title>Log in</title>';
    const url = await listen(
      (_, response) => void response.setHeader('content-type', 'text/html').end(page),
    );
    const expected = {
      code: 'file',
      message: `${url} returned an HTML page, not a weights file; check the address`,
    };
    await expect(loadWeights(url)).rejects.toMatchObject(expected);
    await expect(loadWeights(new Response(''))).rejects.toThrow(
      'the response returned 0 bytes that are not a weights file',
    );
  });

  it('keeps files and no pages, and throws a page out that somebody kept', async () => {
    const page = '<!DOCTYPE html><title>Log in</title>';
    const kept = new Map<string, Response>();
    const store = {
      match: async (key: string) => kept.get(key)?.clone(),
      put: async (key: string, response: Response) => void kept.set(key, response),
      delete: async (key: string) => kept.delete(key),
    };
    Object.assign(globalThis, { caches: { open: async () => store } });
    try {
      let answer: string | Uint8Array = page;
      const url = await listen((_, response) => void response.end(answer));
      await expect(loadWeights(url, { cache: true })).rejects.toThrow('not a weights file');
      expect(kept.size).toBe(0);
      kept.set(url, new Response(page));
      await expect(loadWeights(url, { cache: true })).rejects.toThrow('not a weights file');
      expect(kept.size).toBe(0);
      answer = content;
      expect(await loadWeights(url, { cache: true })).toEqual(content);
      answer = page;
      expect(await loadWeights(url, { cache: true })).toEqual(content);
    } finally {
      Reflect.deleteProperty(globalThis, 'caches');
    }
  });

  it('says what failed', async () => {
    const url = await listen((request, response) => {
      if (request.url !== '/weights') response.writeHead(404).end();
      else
        response
          .writeHead(200, { 'content-length': content.length })
          .write(content.subarray(0, 1000), () => response.destroy());
    });
    const file = (message: string | RegExp) => ({
      name: 'PanppError',
      code: 'file',
      message: expect.stringMatching(message),
    });
    await expect(loadWeights(`${url}/none`)).rejects.toMatchObject(
      file(/\/weights\/none can't be loaded \(HTTP 404 Not Found\); check/),
    );
    await expect(loadWeights(url)).rejects.toMatchObject(
      file(/loading http.*\/weights broke off after 1000 bytes \(.+\); try again/),
    );
    const short = new Response(content, { headers: { 'content-length': '30001' } });
    await expect(loadWeights(short)).rejects.toMatchObject(
      file(/^the response was cut off: 30000 bytes came of 30001; try again$/),
    );
    await expect(loadWeights(new Response(null, { status: 204 }))).rejects.toMatchObject(
      file('HTTP 204'),
    );
    await expect(loadWeights('http://localhost:1/')).rejects.toMatchObject(
      file(/^http:\/\/localhost:1\/ can't be loaded \(.+\); check/),
    );
    await expect(loadWeights(url, { cache: true })).rejects.toMatchObject(
      file('there is no Cache API here'),
    );
  });
});
