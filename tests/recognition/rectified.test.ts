// Regions that are also read rectified, whatever way their text runs.
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import type { PixelImage } from '../../src/images/image.js';
import { loadModel } from '../../src/model/load.js';
import { packagedWeights } from '../../src/node.js';
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
  it.each([0, 1, 3])('are read after %d quarters of a turn', async (quarters) => {
    const image = turned(bread, quarters);
    const boxes = freshBread.map((box) => turnedBox(box, bread, quarters));
    const { words, timings } = await model.recognize(image, boxes, {
      ...settings,
      characters: true,
    });
    expect(words.map(({ text }) => text)).toEqual(['FRESH', 'BREAD']);
    // The characters follow each other along the text, inside of its box.
    const along: (point: Point) => number = [
      ([x]: Point) => x,
      ([, y]: Point) => y,
      ([x]: Point) => -x,
      ([, y]: Point) => -y,
    ][quarters];
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
    for (const wait of [0, 5, 20]) {
      const controller = new AbortController();
      const { signal } = controller;
      const aborted = model.recognize(image, others, { ...settings, signal });
      const next = model.recognize(image, boxes, settings);
      setTimeout(() => controller.abort(new Error('enough')), wait);
      await expect(aborted).rejects.toThrow('enough');
      expect((await next).words).toEqual(alone);
    }
  });

  it('may fill many pages', async () => {
    const image = turned(bread, 1);
    const boxes = freshBread.map((box) => turnedBox(box, bread, 1));
    const many = Array.from({ length: 50 }, (_, index) => boxes[index % 2]);
    const { words } = await model.recognize(image, many, settings);
    expect(words.length).toBe(50);
    // What stands beside a word on its page may change the reading, as in an image.
    const right = words.filter(({ text }, index) => text === ['FRESH', 'BREAD'][index % 2]);
    expect(right.length).toBeGreaterThan(44);
  });
});
