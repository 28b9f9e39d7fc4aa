// The service with a model on a GPU: it answers what the model gives.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Engine, openEngine } from '../../src/cli/engine.js';
import { formatCocoText } from '../../src/formats/coco-text.js';
import { formatHocr } from '../../src/formats/hocr.js';
import { formatLabelme } from '../../src/formats/labelme.js';
import { resultLine } from '../../src/formats/result-line.js';
import { formatSvg } from '../../src/formats/svg.js';
import { encodePng } from '../../src/images/encode.js';
import type { PixelImage } from '../../src/images/image.js';
import type { Detection, Spotting } from '../../src/model/options.js';
import { readWeights } from '../../src/network/weights-file.js';
import { packagedWeights } from '../../src/node.js';
import { signImage } from '../support/picture.js';
import { type Serving, form, metric, raw, serving } from './serving.js';

const settings = { shortSide: 64, bbox: 'poly', minScore: 0.5 } as const;
const query = 'shortSide=64&bbox=poly&minScore=0.5';
const reports: string[] = [];
let engine: Engine;
let serve: Serving;
let images: { image: PixelImage; file: Uint8Array; expected: Detection }[];

beforeAll(async () => {
  const path = packagedWeights();
  const weights = { path, bytes: readFileSync(path) };
  const { config } = readWeights(weights.bytes);
  engine = await openEngine({ adapter: 'swiftshader' }, weights, (line) => reports.push(line));
  serve = await serving(engine, { config, maxBytes: 2 ** 20, batchWait: 200 });
  const sign = await signImage();
  // Of one size; darker ones have other regions.
  const shades = [1, 0.7, 0.5, 0.3].map((light): PixelImage => {
    const data = sign.data.map((value) => value * light);
    return { ...sign, data };
  });
  images = [];
  for (const image of shades) {
    const expected = await engine.run((model) => model.detect(image, settings));
    images.push({ image, file: encodePng(image), expected });
  }
});
afterAll(async () => {
  await serve.service.stop(0);
  await engine.dispose();
});

const post = (init: RequestInit) => fetch(`${serve.url}/v1/detect?${query}`, init);
/** A result but for its times. */
const untimed = ({ timings: _, ...rest }: ReturnType<typeof resultLine>) => rest;
const lineOf = (expected: Detection | Spotting, file = 'image') =>
  JSON.parse(JSON.stringify(untimed(resultLine(file, expected))));

describe('an image', () => {
  it('gives the regions of model.detect, as a body and in a form', async () => {
    const [{ file, expected }] = images;
    expect(expected.regions.length).toBeGreaterThan(2);
    expect(untimed(await (await post(raw(file))).json())).toEqual(lineOf(expected));
    expect(untimed(await (await post(form(file))).json())).toEqual(lineOf(expected, 'a.png'));
  });

  it('gives them in each form that is asked for', async () => {
    const [{ file, expected }] = images;
    const { width, height, regions } = expected;
    const reference = { path: 'image', width, height };
    const texts: Record<string, string> = {
      'application/vnd.labelme+json': formatLabelme(reference, regions),
      'application/vnd.coco-text+json': formatCocoText([{ image: reference, regions }], {
        version: '1.2.3',
      }),
      'image/svg+xml': formatSvg(reference, regions),
    };
    for (const [accept, text] of Object.entries(texts)) {
      const response = await post(raw(file, { accept: `${accept}, */*;q=0.1` }));
      expect(response.headers.get('content-type')).toContain(accept);
      expect(await response.text()).toBe(text);
    }
    const anything = await post(raw(file, { accept: 'text/html, */*;q=0.8' }));
    expect(anything.headers.get('content-type')).toMatch(/^application\/json/);
  });
});

it('a text is that of model.spot', async () => {
  const [{ image, file }] = images;
  const expected = await engine.run((model) => model.spot(image, { ...settings, beam: 2 }));
  expect(expected.regions.length).toBeGreaterThan(2);
  const spot = (init: RequestInit) => fetch(`${serve.url}/v1/spot?${query}&beam=2`, init);
  expect(untimed(await (await spot(form(file))).json())).toEqual(lineOf(expected, 'a.png'));
  const hocr = await spot(raw(file, { accept: 'text/vnd.hocr+html' }));
  const { width, height, regions } = expected;
  expect(await hocr.text()).toBe(
    formatHocr({ path: 'image', width, height }, regions, { system: 'panpp 1.2.3' }),
  );
});

describe('images that come together', () => {
  it('are processed together, and each gets what it gets alone', async () => {
    const runs = () => metric(serve.url, 'panpp_batch_images_count');
    const before = (await runs())!;
    const answers = await Promise.all(images.map(({ file }) => post(raw(file))));
    for (const [index, answer] of answers.entries())
      expect(untimed(await answer.json()), `image ${index}`).toEqual(
        lineOf(images[index].expected),
      );
    expect((await runs())! - before).toBe(1);
    expect(new Set(images.map(({ expected }) => JSON.stringify(expected.regions))).size).toBe(4);
  });

  it('are not disturbed by one whose client goes away', async () => {
    const controller = new AbortController();
    const gone = post({ ...raw(images[0].file), signal: controller.signal });
    const others = images.slice(1, 3).map(({ file }) => post(raw(file)));
    // Two of the three make the batch, perhaps with the one that goes away.
    setTimeout(() => controller.abort(), 100);
    await expect(gone).rejects.toThrow(/abort/);
    for (const [index, answer] of others.entries())
      expect(untimed(await (await answer).json())).toEqual(lineOf(images[index + 1].expected));
  });
});

it('a lost device is replaced, and the next request answered', async () => {
  const [{ file, expected }] = images;
  engine.ready!.gpu.device.destroy();
  await engine.ready?.gpu.device.lost;
  expect(engine.ready).toBeUndefined();
  const answer = await post(raw(file));
  expect(untimed(await answer.json())).toEqual(lineOf(expected));
  expect(reports).toEqual([
    expect.stringMatching(/^panpp: the GPU device was lost \(.+\); continuing on a fresh one$/),
  ]);
  expect(await metric(serve.url, 'panpp_device_losses_total')).toBe(1);
  expect((await fetch(`${serve.url}/readyz`)).status).toBe(200);
});
