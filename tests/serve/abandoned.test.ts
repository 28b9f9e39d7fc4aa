// Images whose clients went away while they were decoded, which can't be stopped.
import { expect, it, vi } from 'vitest';
import { encodePng } from '../../src/images/encode.js';
import type { PixelImage } from '../../src/images/image.js';
import { plainImage } from '../support/picture.js';
import { FakeEngine, metric, raw, servingHere } from './serving.js';

const decoded: ((image: PixelImage) => void)[] = [];
vi.mock('../../src/images/decode.js', () => ({
  decodeImage: () => new Promise((resolve) => decoded.push(resolve)),
}));

it('keep their places until they are decoded', async () => {
  const image = plainImage(8);
  const { url } = await servingHere(new FakeEngine(), { maxRequests: 1 });
  const send = (signal?: AbortSignal) =>
    fetch(`${url}/v1/detect`, { ...raw(encodePng(image)), signal });
  const controller = new AbortController();
  const left = send(controller.signal);
  await vi.waitUntil(() => decoded.length === 1);
  controller.abort();
  await expect(left).rejects.toThrow(/abort/);
  const answered = 'panpp_requests_total{route="/v1/detect",status="499"}';
  await vi.waitUntil(async () => (await metric(url, answered)) === 1);
  expect(await metric(url, 'panpp_requests_open')).toBe(1);
  expect((await send()).status).toBe(503);
  decoded[0](image);
  await vi.waitUntil(async () => (await metric(url, 'panpp_requests_open')) === 0);
  const next = send();
  await vi.waitUntil(() => decoded.length === 2);
  decoded[1](image);
  expect((await next).status).toBe(200);
});
