// Both readings of regions end before the call does: they use the call's image and passes.
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, expect, it, vi } from 'vitest';
import { RegionReader } from '../../src/model/region-reader.js';
import { uploadWeights } from '../../src/network/weights.js';
import { readWeights } from '../../src/network/weights-file.js';
import { packagedWeights } from '../../src/node.js';
import { recognitionOf } from '../../src/network/config.js';
import { PagePass } from '../../src/recognition/page-pass.js';
import { greedy } from '../../src/recognition/plan.js';
import { roisOfShapes } from '../../src/recognition/roi.js';
import { uploadRecognition } from '../../src/recognition/weights.js';
import { unread } from '../../src/recognition/words.js';
import { gpus } from '../support/gpu.js';
import { signImage } from '../support/picture.js';

const { gpu } = gpus.at(-1)!;
const { config, tensors } = readWeights(readFileSync(packagedWeights()));
const image = await signImage();
const size = { height: image.height, width: image.width };
const { vocabulary } = recognitionOf(config, 'the weights');
const setup = {
  config,
  weights: uploadWeights(gpu, tensors, config),
  head: { weights: uploadRecognition(gpu, tensors, config)!, vocabulary },
  decoding: greedy,
};
const word = { left: 246, top: 267, right: 330, bottom: 300 };
const rois = { rois: roisOfShapes([word], { size, original: size }), maskScale: 1 };
const task = { image, size, setup, options: {} };
afterAll(() => {
  setup.weights.dispose();
  setup.head.weights.dispose();
});

afterEach(() => vi.restoreAllMocks());

it('waits for the rectified reading if the other fails', async () => {
  const reader = new RegionReader(gpu);
  const ended: string[] = [];
  const read = PagePass.prototype.read;
  vi.spyOn(PagePass.prototype, 'read').mockImplementation(async function (this: PagePass, ...all) {
    const result = await read.apply(this, all);
    ended.push(result.words[0].text);
    return result;
  });
  const failing = reader.read(rois, task, () => Promise.reject(new Error('not this time')));
  await expect(failing).rejects.toThrow('not this time');
  expect(ended).toEqual(['1987']);
  reader.dispose();
});

it('waits for the other if the rectified reading fails', async () => {
  const reader = new RegionReader(gpu);
  vi.spyOn(PagePass.prototype, 'read').mockRejectedValue(new Error('not this time'));
  let hasEnded = false;
  const failing = reader.read(rois, task, async () => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    hasEnded = true;
    return { words: [unread], timings: {} };
  });
  await expect(failing).rejects.toThrow('not this time');
  expect(hasEnded).toBe(true);
  reader.dispose();
});

it('keeps the pages’ programs, and reads once on request', async () => {
  const reader = new RegionReader(gpu);
  const once = async () => ({ words: [unread], timings: { features: 1 } });
  const single = { ...task, options: { rectify: false } };
  expect((await reader.read(rois, single, once)).words[0].word).toBe(unread);
  expect(reader.bytes).toBe(0);
  const create = vi.spyOn(PagePass, 'create');
  const first = await reader.read(rois, task, once);
  expect(first.words.map(({ word: { text } }) => text)).toEqual(['1987']);
  expect(first.timings.features).toBeGreaterThanOrEqual(1);
  const { bytes } = reader;
  expect(bytes).toBeGreaterThan(2 ** 20);
  await reader.read(rois, task, once);
  expect(create).toHaveBeenCalledTimes(1);
  expect(reader.bytes).toBe(bytes);
  console.log(`a page of two lines takes ${Math.round(bytes / 2 ** 20)} MiB`);
  reader.dispose();
  expect(reader.bytes).toBe(0);
});
