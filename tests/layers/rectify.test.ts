// Pages of rectified words against their CPU twin, from bytes and from textures.
import { expect, it } from 'vitest';
import type { Gpu } from '../../src/gpu/context.js';
import { TexturePixels } from '../../src/gpu/texture-pixels.js';
import type { PixelImage } from '../../src/images/image.js';
import { type PixelSource, channelsOf } from '../../src/images/upload.js';
import { lineHeight, planRectify } from '../../src/layers/rectify.js';
import { writePage } from '../../src/recognition/page-pass.js';
import { type Page, pageShape, pagesOf } from '../../src/recognition/pages.js';
import { roisOfShapes } from '../../src/recognition/roi.js';
import { pageWidth, stripsOf } from '../../src/recognition/strips.js';
import type { Polygon } from '../../src/shapes/geometry.js';
import { describeOnGpus } from '../support/gpu.js';
import { randomImage, textureOf } from '../support/picture.js';
import { rectifyOnCpu } from '../support/rectify-twin.js';
import { runPlan } from '../support/run-plan.js';

/** Words of an image of 400 × 300: level, tilted, vertical, at the edge, and one of a few pixels. */
const words: Polygon[] = [
  [
    [20, 20],
    [140, 20],
    [140, 50],
    [20, 50],
  ],
  [
    [60, 150],
    [160, 90],
    [176, 116],
    [76, 176],
  ],
  [
    [300, 60],
    [330, 60],
    [330, 220],
    [300, 220],
  ],
  [
    [340, 270],
    [400, 270],
    [400, 300],
    [340, 300],
  ],
  [
    [10, 250],
    [18, 250],
    [18, 254],
    [10, 254],
  ],
];

function pageOf(image: PixelImage, times: number, enlarged: number): Page {
  const original = { height: image.height, width: image.width };
  const size = { height: image.height / enlarged, width: image.width / enlarged };
  const shapes = words.map((word) => word.map(([x, y]) => [x, y] as const));
  const rois = roisOfShapes(Array.from({ length: times }, () => shapes).flat(), { size, original });
  return [...pagesOf(stripsOf(rois, 1, size, original), image.channels)][0];
}

function pageOnGpu(gpu: Gpu, image: PixelSource, page: Page): Promise<Float32Array> {
  const plan = planRectify({ ...pageShape(page.lines), channels: channelsOf(image) });
  return runPlan(gpu, plan, [plan.pixels, plan.columns, plan.sources], (program) =>
    writePage(gpu.device.queue, program, plan, image, page),
  );
}

function expectPage(actual: Float32Array, image: PixelImage, page: Page): void {
  const expected = rectifyOnCpu(image, page);
  const [mean, deviation] = [
    [0.485, 0.456, 0.406],
    [0.229, 0.224, 0.225],
  ];
  const height = Math.ceil((page.lines * lineHeight) / 32) * 32;
  expect(actual.length).toBe(height * pageWidth * 4);
  let largest = 0;
  let samples = 0;
  for (let pixel = 0; pixel < height * pageWidth; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      const colour = expected[3 * pixel + channel] ?? NaN; // below the last line too
      const isWord = !Number.isNaN(colour);
      const value = isWord ? (colour / 255 - mean[channel]) / deviation[channel] : 0;
      largest = Math.max(largest, Math.abs(actual[4 * pixel + channel] - value));
      samples += Number(isWord);
    }
    expect(actual[4 * pixel + 3]).toBe(0);
  }
  expect(samples).toBeGreaterThan(10_000);
  console.log(`rectified page: at most ${largest} away`);
  // The GPU's positions are float32. Seen on both: 5e-5, and 1.5e-4 where text is squeezed.
  expect(largest).toBeLessThan(2e-4);
}

describeOnGpus('a page of rectified words', (gpu) => {
  it.each([
    { channels: 3, times: 1, enlarged: 1 },
    { channels: 4, times: 1, enlarged: 1 },
    // Several lines, and an image that is finer than the network's input.
    { channels: 3, times: 4, enlarged: 2 },
  ] as const)(
    'equals its twin ($channels channels, words $times times, image $enlarged times as fine)',
    async ({ channels, times, enlarged }) => {
      const image = randomImage(400, 300, channels);
      const page = pageOf(image, times, enlarged);
      expect(page.strips.length).toBe(6 * times);
      expectPage(await pageOnGpu(gpu, image, page), image, page);
    },
  );

  it('averages the pixels of text that is larger than on the page', async () => {
    const image = randomImage(2000, 1500, 3);
    const size = { height: 300, width: 400 };
    const rois = roisOfShapes(
      words.map((word) => word.map(([x, y]) => [5 * x, 5 * y] as const)),
      { size, original: image },
    );
    const [page] = [...pagesOf(stripsOf(rois, 1, size, image), 3)];
    expect(Math.max(...page.strips.map(({ strip }) => strip.step))).toBeGreaterThan(3);
    expect(page.strips.some(({ source }) => source.stride > 1)).toBe(true);
    expectPage(await pageOnGpu(gpu, image, page), image, page);
  });

  it('samples more finely along text that is squeezed', async () => {
    const image = randomImage(1200, 60, 4);
    const size = { height: 60, width: 1200 };
    const line = { left: 10, top: 20, right: 1190, bottom: 40 };
    const rois = roisOfShapes([line], { size, original: size });
    const [page] = [...pagesOf(stripsOf(rois, 1, size, size), 4)];
    expect(page.strips[0].strip.squeeze).toBeCloseTo(((1180 / 20) * 32) / 620, 1);
    expectPage(await pageOnGpu(gpu, image, page), image, page);
  });

  it('is the same from a texture', async () => {
    const image = randomImage(400, 300, 3);
    const page = pageOf(image, 2, 1);
    const texture = textureOf(gpu, image);
    const pixels = await TexturePixels.ofTexture(gpu, texture);
    const strips = page.strips.map(({ strip }) => strip);
    const [withAlpha] = [...pagesOf(strips, 4)];
    const fromTexture = await pageOnGpu(gpu, pixels, withAlpha);
    texture.destroy();
    expect(fromTexture).toEqual(await pageOnGpu(gpu, image, page));
  });
});
