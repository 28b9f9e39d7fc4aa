// GPU memory that runs out: SwiftShader can't allocate the largest buffer that it allows.
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { aggregatePixels } from '../../src/aggregation/aggregate.js';
import { loadModel } from '../../src/model/load.js';
import { packagedWeights } from '../../src/node.js';
import { gpus } from '../support/gpu.js';
import { followBuffers } from '../support/follow-buffers.js';
import { plainImage, textPixel } from '../support/picture.js';

type IsLarge = (descriptor: GPUBufferDescriptor) => boolean;

const swiftshader = gpus.filter(({ name }) => name === 'swiftshader');
if (swiftshader.length === 0)
  describe('memory that runs out', () => it.skip('is tested on SwiftShader alone', () => {}));

describe.each(swiftshader)('memory that runs out on $name', async ({ gpu }) => {
  const { device } = gpu;
  const model = await loadModel(gpu, readFileSync(packagedWeights()));
  const faults: string[] = [];
  device.onuncapturederror = ({ error }) => faults.push(error.message);
  let isLarge: IsLarge = () => false;
  const alive = followBuffers(device, (descriptor) =>
    isLarge(descriptor) ? device.limits.maxBufferSize : descriptor.size,
  );
  afterEach(() => {
    isLarge = () => false;
    expect(faults).toEqual([]);
  });
  afterAll(() => {
    model.dispose();
    device.onuncapturederror = null;
    Reflect.deleteProperty(device, 'createBuffer');
  });

  const image = plainImage(32);
  const strip = { ...image, width: 800, data: new Uint8Array(800 * 32 * 3) };
  const settings = { shortSide: 32 };
  const box = { left: 0, top: 0, right: 32, bottom: 32 };
  const calls = {
    aggregatePixels: () => aggregatePixels(gpu, textPixel),
    forward: () => model.forward(image, { ...settings, outputs: ['det'] }),
    detect: () => model.detect(image, settings),
    'detect in tiles': () => model.detect(strip, { ...settings, tileSide: 768 }),
    spot: () => model.spot(image, settings),
  };
  const shortage = (what: string) => ({
    code: 'argument',
    message: expect.stringMatching(
      `can't allocate ${what}; use a smaller short side, smaller tiles, or a smaller batch$`,
    ),
  });

  it('is an error of loading a model that reads, which frees its memory', async () => {
    const before = new Set(alive);
    isLarge = ({ label }) => label === 'rec_head.decoder';
    await expect(loadModel(gpu, readFileSync(packagedWeights()))).rejects.toMatchObject({
      code: 'adapter',
      message: expect.stringMatching(
        /can't allocate the recognition head's weights; take another adapter/,
      ),
    });
    expect(alive).toEqual(before);
  });

  it.each(Object.entries(calls))('is an error of %s, which frees its memory', async (_, call) => {
    isLarge = ({ label }) => label === 'panpp memory 0';
    await expect(call()).rejects.toMatchObject(shortage('the \\d+ MiB of GPU memory needed'));
    isLarge = ({ usage }) => (usage & GPUBufferUsage.MAP_READ) !== 0;
    await expect(call()).rejects.toMatchObject(shortage('the memory to read results back'));
    expect(alive).toEqual(new Set());
  });

  it('is an error of rectified reading, which can be left out', async () => {
    const recognize = (rectify: boolean) => model.recognize(image, [box], { ...settings, rectify });
    expect((await recognize(false)).words).toHaveLength(1);
    isLarge = ({ label }) => label === 'panpp memory 0';
    await expect(recognize(true)).rejects.toMatchObject({
      code: 'argument',
      message: expect.stringMatching(
        /can't allocate the \d+ MiB of GPU memory needed; read without rectifying \(rectify: false, --no-rectify\)$/,
      ),
    });
    expect((await recognize(false)).words).toHaveLength(1);
  });

  it('is an error of recognize for its words, whose next call may fit', async () => {
    const recognize = () => model.recognize(image, [box], settings);
    isLarge = ({ usage }) => (usage & GPUBufferUsage.MAP_READ) !== 0;
    await expect(recognize()).rejects.toMatchObject(shortage('the memory to read results back'));
    isLarge = () => false;
    expect((await recognize()).words).toHaveLength(1);
  });
});
