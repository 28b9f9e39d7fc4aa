// Images in tiles, on every adapter: narrow strips, so that tiles are small.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { intersectionOverUnion, outline } from '../../src/evaluation/geometry.js';
import type { PixelImage } from '../../src/images/image.js';
import { loadModel } from '../../src/model/load.js';
import type { Model } from '../../src/model/model.js';
import { packagedWeights } from '../../src/node.js';
import type { Region } from '../../src/shapes/regions.js';
import { describeOnGpus } from '../support/gpu.js';
import { repeated, signImage } from '../support/picture.js';

describeOnGpus('an image in tiles', (gpu) => {
  let strip: PixelImage;
  let model: Model;
  let alone: readonly Region[];
  beforeAll(async () => {
    strip = repeated(await signImage(), 9); // 864 × 64 at a short side of 64: two tiles of 704
    model = await loadModel(gpu, readFileSync(packagedWeights()));
  });
  afterAll(() => model.dispose());
  const options = { shortSide: 64, bbox: 'poly' } as const;

  it('gives the regions of the whole image, those across the seam too, and takes less memory', async () => {
    const whole = await model.detect(strip, options);
    const bytes = model.memory.programs;
    const tiled = await model.detect(strip, { ...options, tileSide: 768 });
    alone = tiled.regions;
    expect(model.memory.programs - bytes).toBeLessThan(0.95 * bytes);
    const seam = 432;
    expect(tiled.regions.some(({ mapBox: { left, right } }) => left < seam && seam < right)).toBe(
      true,
    );
    expect(tiled).toMatchObject({ width: strip.width, height: strip.height });
    expect(whole.regions.length).toBeGreaterThan(15);
    const ious = whole.regions.map(({ polygon }) =>
      Math.max(
        ...tiled.regions.map((other) =>
          intersectionOverUnion(outline(polygon), outline(other.polygon)),
        ),
      ),
    );
    const good = ious.filter((iou) => iou >= 0.95).length;
    console.log(`${good} of ${ious.length} regions at an IoU of 0.95 or more`);
    expect(good).toBeGreaterThanOrEqual(0.99 * ious.length);
    expect(tiled.regions.length).toBe(whole.regions.length);
    const { upload, setup, network, aggregation, regions, total } = tiled.timings;
    if (gpu.profile.timestamps) expect(network).toBeGreaterThan(0);
    expect(total).toBeGreaterThan(upload + setup + aggregation! + regions);
  });

  it('gives each image of a batch its own regions', async () => {
    const turned = { ...strip, data: strip.data.slice().reverse() };
    const { regions } = await model.detectBatch([turned, strip], { ...options, tileSide: 768 });
    expect(regions[1]).toEqual(alone);
    expect(regions[0]).not.toEqual(alone);
    expect(regions[0].length).toBeGreaterThan(0);
  });
});
