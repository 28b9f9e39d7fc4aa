// Images in tiles, on every adapter: narrow strips, so that tiles are small.
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { intersectionOverUnion, outline } from '../../src/evaluation/geometry.js';
import { requestGpu } from '../../src/gpu/context.js';
import type { PixelImage } from '../../src/images/image.js';
import { loadModel } from '../../src/model/load.js';
import type { Model } from '../../src/model/model.js';
import { packagedWeights } from '../../src/node.js';
import type { Region } from '../../src/shapes/regions.js';
import { describeOnGpus } from '../support/gpu.js';
import { nullAdapter } from '../support/null-adapter.js';
import { plainImage, repeated, signImage, textureOf } from '../support/picture.js';

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
    expect(model.memory.programs - bytes).toBeLessThan(0.8 * bytes);
    const seam = 432;
    expect(tiled.regions.some(({ mapBox: { left, right } }) => left < seam && seam < right)).toBe(
      true,
    );
    expect(tiled).toMatchObject({ width: strip.width, height: strip.height });
    expect(whole.regions.length).toBeGreaterThanOrEqual(20);
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

  it('gives each image of a batch its own regions, and textures those of their pixels', async () => {
    const turned = { ...strip, data: strip.data.slice().reverse() };
    const textures = [turned, strip].map((image) => textureOf(gpu, image));
    const { regions } = await model.detectBatch(textures, { ...options, tileSide: 768 });
    for (const texture of textures) texture.destroy();
    expect(regions[1]).toEqual(alone);
    expect(regions[0]).not.toEqual(alone);
    expect(regions[0].length).toBeGreaterThan(0);
  });
});

// Dawn checks every buffer, binding and command for this device, and computes nothing.
describe('an image that does not fit a device with WebGPU’s default limits', () => {
  const faults: string[] = [];
  let model: Model;
  // Dawn's null device has little memory, so each test has its own.
  beforeEach(async () => {
    const device = await (await nullAdapter()).requestDevice();
    device.onuncapturederror = ({ error }) => faults.push(error.message);
    readsNothing(device);
    const gpu = await requestGpu({ device });
    expect(gpu.profile).toMatchObject({ maxBindingBytes: 2 ** 27, maxBufferBytes: 2 ** 28 });
    model = await loadModel(gpu, readFileSync(packagedWeights()));
  });
  afterEach(() => {
    model.dispose();
    model.gpu.device.destroy();
    expect(faults).toEqual([]);
  });
  const image = plainImage(2080);
  const settings = { shortSide: 2080 };
  const refused = {
    code: 'argument',
    message: expect.stringMatching(
      /^backbone\.\S+ needs 133 MiB in one binding and .+ allows 128 MiB; use a smaller short side/,
    ),
  };

  it('is searched in tiles', async () => {
    expect(await model.detect(image, settings)).toMatchObject({ regions: [], width: 2080 });
    expect(await model.spot(image, settings)).toMatchObject({ regions: [], width: 2080 });
  });

  it('is read in tiles', async () => {
    const region = { left: 2000, top: 9, right: 2080, bottom: 40 };
    const { words, timings } = await model.recognize(image, [region], settings);
    expect(words).toHaveLength(1);
    expect(timings.setup).toBeGreaterThan(0);
  });

  it('is refused whole', async () => {
    const whole = { ...settings, tileSide: 2080 };
    await expect(model.detect(image, whole)).rejects.toMatchObject(refused);
    await expect(model.spot(image, whole)).rejects.toMatchObject(refused);
    await expect(model.recognize(image, [], whole)).rejects.toMatchObject(refused);
    await expect(model.forward(image, { ...settings, outputs: ['det'] })).rejects.toMatchObject(
      refused,
    );
    await expect(model.forward(image, { shortSide: 4128, outputs: ['det'] })).rejects.toMatchObject(
      { code: 'image' },
    );
  });

  it('has maps that can’t all be read back at once', async () => {
    const outputs = ['reduce.f1', 'fpem1.f1', 'ffm.f1'];
    await expect(model.forward(image, { shortSide: 2048, outputs })).rejects.toMatchObject({
      code: 'argument',
      message: expect.stringMatching(
        /^the maps take \d+ MiB together and .+ allows 256 MiB in one/,
      ),
    });
  });
});

/**
 * Replaces all that is read from a device, whose memory holds anything, by a 1 and zeros: a map
 * without kernels, a word of one character.
 */
function readsNothing(device: GPUDevice): void {
  const createBuffer = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    const buffer = createBuffer(descriptor);
    const getMappedRange = buffer.getMappedRange.bind(buffer);
    if (descriptor.usage & GPUBufferUsage.MAP_READ)
      buffer.getMappedRange = (...range) => {
        const mapped = getMappedRange(...range);
        new Int32Array(mapped).fill(0).fill(1, 0, 1);
        return mapped;
      };
    return buffer;
  };
}
