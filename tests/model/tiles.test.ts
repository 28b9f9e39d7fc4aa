// Images in tiles, on every adapter: narrow strips, so that tiles are small.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { intersectionOverUnion, outline } from '../../src/evaluation/geometry.js';
import type { PixelImage } from '../../src/images/image.js';
import { loadModel } from '../../src/model/load.js';
import type { Model } from '../../src/model/model.js';
import { packagedWeights } from '../../src/node.js';
import { describeOnGpus } from '../support/gpu.js';
import { repeated, signImage } from '../support/picture.js';

describeOnGpus('an image in tiles', (gpu) => {
  let strip: PixelImage;
  let model: Model;
  beforeAll(async () => {
    strip = repeated(await signImage(), 11); // 1056 × 64 at a short side of 64
    model = await loadModel(gpu, readFileSync(packagedWeights()));
  });
  afterAll(() => model.dispose());
  const options = { shortSide: 64, bbox: 'poly' } as const;

  it('gives the regions of the whole image, those across seams too, and takes less memory', async () => {
    const whole = await model.detect(strip, options);
    const bytes = model.memory.programs;
    const tiled = await model.detect(strip, { ...options, tileSide: 768 });
    expect(model.memory.programs - bytes).toBeLessThan(0.8 * bytes);
    // Seams of this plan lie at 448 and 624 pixels.
    const crossing = [448, 624].map((seam) =>
      tiled.regions.some(({ mapBox }) => mapBox.left < seam && seam < mapBox.right),
    );
    expect(crossing).toEqual([true, true]);
    expect(tiled).toMatchObject({ width: strip.width, height: strip.height });
    expect(whole.regions.length).toBeGreaterThan(20);
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
    const { regions } = await model.detectBatch([strip, turned], { ...options, tileSide: 768 });
    const alone = await model.detect(turned, { ...options, tileSide: 768 });
    expect(regions[1]).toEqual(alone.regions);
    expect(regions[0].length).toBeGreaterThan(20);
  });
});
