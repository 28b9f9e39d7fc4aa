// Regions that are also read rectified: level, turned by a quarter, many, aborted.
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it, vi } from 'vitest';
import type { PixelImage } from '../../src/images/image.js';
import { loadModel } from '../../src/model/load.js';
import { packagedWeights } from '../../src/node.js';
import { PagePass } from '../../src/recognition/page-pass.js';
import type { Page } from '../../src/recognition/pages.js';
import { readRectified } from '../../src/recognition/rectified.js';
import { roisOfShapes } from '../../src/recognition/roi.js';
import { unread } from '../../src/recognition/words.js';
import type { Box, Point } from '../../src/shapes/geometry.js';
import { gpus } from '../support/gpu.js';
import { cropped, exampleImage, pieces, signImage, textureOf } from '../support/picture.js';

const { gpu } = gpus.at(-1)!;
const model = await loadModel(gpu, readFileSync(packagedWeights()));
afterAll(() => model.dispose());

/** A small network input: the rectified words are sampled from the image itself. */
const settings = { shortSide: 96 };

/** FRESH and BREAD, in pixels of their piece of the picture. */
const bread = cropped(await exampleImage(), pieces.bread);
const freshBread: Box[] = [
  { left: 17, top: 25, right: 204, bottom: 104 },
  { left: 203, top: 20, right: 395, bottom: 99 },
];

/** The image turned by quarters of a full turn, clockwise, and the box with it. */
function turned(image: PixelImage, quarters: number): PixelImage {
  if (quarters === 0) return image;
  const { width, height, channels, data } = turned(image, quarters - 1);
  const result = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const to = (x * height + height - 1 - y) * channels;
      const from = (y * width + x) * channels;
      for (let channel = 0; channel < channels; channel++)
        result[to + channel] = data[from + channel];
    }
  }
  return { width: height, height: width, channels, data: result };
}

function turnedBox(box: Box, { width, height }: PixelImage, quarters: number): Box {
  if (quarters === 0) return box;
  const { left, top, right, bottom } = box;
  const next = { left: height - bottom, top: left, right: height - top, bottom: right };
  return turnedBox(next, { width: height, height: width } as PixelImage, quarters - 1);
}

describe('rectified words', () => {
  it.each([0, 1, 3] as const)('are read after %d quarters of a turn', async (quarters) => {
    const image = turned(bread, quarters);
    const boxes = freshBread.map((box) => turnedBox(box, bread, quarters));
    const { words, timings } = await model.recognize(image, boxes, {
      ...settings,
      characters: true,
    });
    expect(words.map(({ text }) => text)).toEqual(['FRESH', 'BREAD']);
    // The characters follow each other along the text, inside of its box.
    const along = ([x, y]: Point) => ({ 0: x, 1: y, 3: -y })[quarters];
    words.forEach(({ characters }, index) => {
      const { left, top, right, bottom } = boxes[index];
      const points = characters!.map(({ attention }) => attention);
      for (const [x, y] of points) {
        expect(x).toBeGreaterThan(left - 2);
        expect(x).toBeLessThan(right + 2);
        expect(y).toBeGreaterThan(top - 2);
        expect(y).toBeLessThan(bottom + 2);
      }
      const order = points.map(along);
      expect(order).toEqual([...order].sort((a, b) => a - b));
    });
    if (gpu.profile.timestamps) {
      expect(timings.rectification).toBeGreaterThan(0);
      expect(timings.pages).toBeGreaterThan(0);
    }
    if (quarters === 0) return;
    const once = await model.recognize(image, boxes, { ...settings, rectify: false });
    expect(once.words.map(({ text }) => text)).not.toContain('FRESH');
    expect(once.timings).not.toHaveProperty('rectification');
  });

  it('are kept only if their score is higher', async () => {
    const image = await signImage();
    const both = await model.spot(image, settings);
    const once = await model.spot(image, { ...settings, rectify: false });
    expect(both.regions.length).toBeGreaterThan(3);
    expect(both.regions.map(({ polygon }) => polygon)).toEqual(
      once.regions.map(({ polygon }) => polygon),
    );
    const gains = both.regions.map(({ textScore }, at) => textScore - once.regions[at].textScore);
    expect(Math.min(...gains)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...gains)).toBeGreaterThan(0);
    // Where the score did not rise, the first reading stands.
    both.regions.forEach(({ text }, at) => {
      if (gains[at] === 0) expect(text).toBe(once.regions[at].text);
    });
  });

  it('are the same from a texture', async () => {
    const image = turned(bread, 1);
    const boxes = freshBread.map((box) => turnedBox(box, bread, 1));
    const texture = textureOf(gpu, image);
    const read = await model.recognize(texture, boxes, settings);
    texture.destroy();
    expect(read.words).toEqual((await model.recognize(image, boxes, settings)).words);
  });

  it('of an aborted call don’t disturb the next one', async () => {
    const image = turned(bread, 1);
    const boxes = freshBread.map((box) => turnedBox(box, bread, 1));
    const alone = (await model.recognize(image, boxes, settings)).words;
    const others = Array.from({ length: 40 }, (_, at) => ({
      left: at,
      top: 5 * at,
      right: at + 90,
      bottom: 5 * at + 30,
    }));
    // Aborted when its first page is begun, and when that is read.
    for (const point of ['begun', 'read'] as const) {
      const controller = new AbortController();
      const { signal } = controller;
      const { read } = PagePass.prototype;
      const spy = vi.spyOn(PagePass.prototype, 'read');
      spy.mockImplementationOnce(async function (this: PagePass, ...given) {
        if (point === 'begun') controller.abort(new Error('enough'));
        const result = await read.apply(this, given);
        controller.abort(new Error('enough'));
        return result;
      });
      const aborted = model.recognize(image, others, { ...settings, signal });
      const next = model.recognize(image, boxes, settings);
      await expect(aborted).rejects.toThrow('enough');
      expect((await next).words).toEqual(alone);
      // The aborted call's other pages were not read.
      expect(spy).toHaveBeenCalledTimes(2);
      spy.mockRestore();
    }
  });

  it('of many pages go to their own regions', async () => {
    const size = { height: 4000, width: 4000 };
    const plain: PixelImage = { ...size, channels: 3, data: new Uint8Array(0) };
    // Level ones get a reading each, vertical ones two.
    const boxes = Array.from({ length: 300 }, (_, at): Box => {
      const [left, top] = [(at % 20) * 200, Math.floor(at / 20) * 200];
      const [right, bottom] = at % 3 === 0 ? [left + 40, top + 160] : [left + 160, top + 40];
      return { left, top, right, bottom };
    });
    const rois = roisOfShapes(boxes, { size, original: size });
    const pages: number[] = [];
    const { readings, timings } = await readRectified(
      plain,
      { rois, maskScale: 1 },
      size,
      (lines, work) => {
        const pass = {
          read: async (_: unknown, page: Page) => ({
            words: page.strips.map(({ strip }) => ({ ...unread, text: `${strip.region}` })),
            rois: page.strips.map(() => rois[0]),
            size,
            timings: { pages: 1 },
          }),
        };
        pages.push(lines);
        return work(pass as unknown as PagePass);
      },
    );
    expect(pages.length).toBeGreaterThan(5);
    expect(timings).toEqual({ pages: pages.length });
    expect(readings.map((each) => each.map(({ word }) => word.text))).toEqual(
      boxes.map((_, at) => Array.from({ length: at % 3 === 0 ? 2 : 1 }, () => `${at}`)),
    );
  });
});
