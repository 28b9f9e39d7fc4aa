import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { type Model, loadModel } from '../../src/detection/model.js';
import { regionsFromMap } from '../../src/detection/regions-from-map.js';
import type { Gpu } from '../../src/gpu/context.js';
import { decodeImage } from '../../src/images/decode.js';
import type { PixelImage } from '../../src/images/image.js';
import { intersectionOverUnion, outline } from '../../src/evaluation/geometry.js';
import { openGpu, packagedWeights } from '../../src/node.js';
import { describeOnGpus, gpus } from '../support/gpu.js';
import { hasWholeReference, referenceBytes, sharedPath } from '../support/reference.js';
import { readDetectionCases } from '../shapes/detection-cases.js';

describeOnGpus('regions from maps', (gpu) => {
  it.each(readDetectionCases())('equal the reference in case $id', async ({ det, height, width, label, expected }) => {
    const [imageHeight, imageWidth] = expected.img_size;
    const { regions, labels } = await regionsFromMap(gpu, {
      ...{ map: det, height, width },
      imageSize: { height: imageHeight, width: imageWidth },
      originalSize: { height: expected.org_img_size[0], width: expected.org_img_size[1] },
      settings: {
        ...{ minScore: expected.min_score, minArea: expected.min_area, minKernelArea: expected.min_kernel_area },
        ...{ scale: expected.scale, bbox: expected.bbox_type },
      },
    });
    expect(regions.map((region) => region.label)).toEqual(expected.instances);
    expect(regions.map(({ polygon }) => polygon.flat())).toEqual(expected.bboxes);
    regions.forEach(({ score }, index) => expect(Math.abs(score - expected.scores[index])).toBeLessThan(1e-5));
    const kept = new Set(expected.instances);
    expect(labels.map((value) => (kept.has(value) ? value : 0))).toEqual(label);
  });

  it('refuses a map of another size', async () => {
    const size = { height: 8, width: 8 };
    const settings = { minScore: 0, minArea: 0, minKernelArea: 0, scale: 4, bbox: 'rect' } as const;
    const input = { map: new Float32Array(5), height: 2, width: 2, imageSize: size, originalSize: size, settings };
    await expect(regionsFromMap(gpu, input)).rejects.toThrow('a map of 6 × 2 × 2 has 24 values, not 5');
    await expect(
      regionsFromMap(gpu, { ...input, map: new Float32Array(24), imageSize: { height: 8, width: 80 } }),
    ).rejects.toThrow(/over 32 times smaller than its image/);
  });
});

const example = new URL('../../examples/street.jpg', import.meta.url);
const { gpu } = gpus.at(-1)!;

describe('a model', async () => {
  const image = await decodeImage(readFileSync(example), 'street.jpg');
  const small = { shortSide: 256 };
  const model = await loadModel(gpu, readFileSync(packagedWeights()));
  afterAll(() => model.dispose());

  it('finds the example’s text, with timings and sizes', async () => {
    const { regions, width, height, timings } = await model.detect(image, small);
    expect([width, height]).toEqual([image.width, image.height]);
    expect(regions.length).toBeGreaterThan(3);
    for (const { polygon, box, score, area } of regions) {
      expect(polygon).toHaveLength(4);
      expect(box.right).toBeGreaterThan(box.left);
      expect(score).toBeGreaterThan(0.85);
      expect(area).toBeGreaterThan(0);
    }
    expect(timings.total).toBeGreaterThan(0);
    if (gpu.profile.timestamps) expect(timings.network).toBeGreaterThan(0);
  });

  it('gives the same for RGB and RGBA, whatever the alpha', async () => {
    const data = new Uint8Array(image.width * image.height * 4);
    for (let pixel = 0; pixel < image.width * image.height; pixel++) {
      data.set(image.data.subarray(pixel * image.channels, pixel * image.channels + 3), 4 * pixel);
      data[4 * pixel + 3] = pixel % 256;
    }
    const rgba: PixelImage = { width: image.width, height: image.height, channels: 4, data };
    expect((await model.detect(rgba, small)).regions).toEqual((await model.detect(image, small)).regions);
  });

  it('keeps overlapping calls of different sizes and settings apart', async () => {
    const turned = mirrored(image);
    const calls = [
      () => model.detect(image, small),
      () => model.detect(turned, small),
      () => model.detect(image, { shortSide: 192, bbox: 'poly' as const }),
      () => model.detect(image, { ...small, minScore: 0.95 }),
    ];
    const alone = [];
    for (const call of calls) alone.push((await call()).regions);
    const together = await Promise.all(calls.map(async (call) => (await call()).regions));
    expect(together).toEqual(alone);
    expect(alone[0]).not.toEqual(alone[1]);
    expect(alone[3].length).toBeLessThan(alone[0].length);
  });

  it('takes scale 2 and the mode `always`', async () => {
    const { regions } = await model.detect(image, { ...small, scale: 2, mode: 'always', distance: 6 });
    expect(regions.length).toBeGreaterThan(3);
  });

  it.each([
    [{ shortSide: 0 }, /shortSide is 0/],
    [{ shortSide: 1e6 }, /choose a smaller short side/],
    [{ minScore: 2 }, /minScore must lie in 0 … 1/],
    [{ scale: 3 }, /scale is 3; it must be 1, 2 or 4/],
    [{ tolerance: 2, bbox: 'rect' as const }, /tolerance applies to 'poly' only/],
  ])('refuses %o in one line and goes on', async (options, message) => {
    await expect(model.detect(image, options)).rejects.toThrow(message);
  });

  it('refuses an image whose fields contradict one another', async () => {
    await expect(model.detect({ ...image, width: image.width + 1 })).rejects.toThrow(/needs \d+ bytes, not/);
    await expect(model.detect({ ...image, width: 0 })).rejects.toThrow(/width is 0/);
  });

  it('names the maps it has', async () => {
    await expect(model.forward(image, { outputs: ['c9'] })).rejects.toThrow(/no map named c9; it has backbone\.c2/);
  });

  it('finds nothing in a grey image and in one pixel', async () => {
    for (const size of [1, 64]) {
      const grey: PixelImage = { width: size, height: size, channels: 3, data: new Uint8Array(size * size * 3).fill(128) };
      expect((await model.detect(grey, { shortSide: 64 })).regions).toEqual([]);
    }
  });
});

describe('disposing', () => {
  it('of a model leaves the GPU usable, and a disposed one says so', async () => {
    const bytes = readFileSync(packagedWeights());
    const model = await loadModel(gpu, bytes);
    model.dispose();
    model.dispose();
    const dot: PixelImage = { width: 1, height: 1, channels: 3, data: new Uint8Array(3) };
    await expect(model.detect(dot)).rejects.toMatchObject({ code: 'disposed' });
    const again = await loadModel(gpu, bytes);
    expect((await again.detect(dot, { shortSide: 32 })).regions).toEqual([]);
    again.dispose();
  });

  it('of the GPU ends its models with a typed error', async () => {
    const own: Gpu = await openGpu({ adapter: 'software' });
    const model: Model = await loadModel(own, readFileSync(packagedWeights()));
    own.dispose();
    own.dispose();
    const dot: PixelImage = { width: 1, height: 1, channels: 3, data: new Uint8Array(3) };
    await expect(model.detect(dot)).rejects.toMatchObject({ code: 'disposed' });
    await expect(loadModel(own, readFileSync(packagedWeights()))).rejects.toMatchObject({ code: 'disposed' });
  });

  it('a destroyed device is told as lost', async () => {
    const own = await openGpu({ adapter: 'software' });
    const model = await loadModel(own, readFileSync(packagedWeights()));
    own.device.destroy();
    await own.device.lost;
    const dot: PixelImage = { width: 1, height: 1, channels: 3, data: new Uint8Array(3) };
    await expect(model.detect(dot)).rejects.toMatchObject({ code: 'device-lost' });
    own.dispose();
  });
});

interface StarterImage {
  readonly image: string;
  readonly short_side: number;
  readonly settings: { min_score: number; min_area: number; min_kernel_area: number; scale: number; bbox_type: 'rect' | 'poly' };
  readonly regions: readonly { polygon: [number, number][]; score: number }[];
}

// The photographs are not part of the project.
describe.runIf(hasWholeReference)('the shipped weights, against the reference pipeline', async () => {
  const model = await loadModel(gpu, readFileSync(packagedWeights()));
  afterAll(() => model.dispose());
  const images = hasWholeReference ? (JSON.parse(Buffer.from(referenceBytes('starter_detections.json')).toString()) as StarterImage[]) : [];

  it.each(images)('find its regions in $image: F ≥ 0.98 at IoU 0.9', async ({ image, short_side, settings, regions: expected }) => {
    const pixels = await decodeImage(readFileSync(sharedPath(`data/${image}`)), image);
    const { regions } = await model.detect(pixels, {
      shortSide: short_side,
      ...{ minScore: settings.min_score, minArea: settings.min_area, minKernelArea: settings.min_kernel_area },
      ...{ scale: settings.scale, bbox: settings.bbox_type },
    });
    const matched = expected.filter(({ polygon }) => regions.some((region) => intersectionOverUnion(outline(region.polygon), outline(polygon)) >= 0.9)).length;
    const f = (2 * matched) / (expected.length + regions.length);
    const equal = expected.filter(({ polygon }) => regions.some((region) => JSON.stringify(region.polygon) === JSON.stringify(polygon))).length;
    console.log(`${image}: F ${f.toFixed(3)}, ${equal} of ${expected.length} regions equal to the pixel`);
    expect(f).toBeGreaterThanOrEqual(0.98);
  });
});

function mirrored({ width, height, channels, data }: PixelImage): PixelImage {
  const turned = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * width + x) * channels;
      turned.set(data.subarray(from, from + channels), (y * width + (width - 1 - x)) * channels);
    }
  }
  return { width, height, channels, data: turned };
}
