// A device that is lost at each stage of the work: calls reject with `device-lost`, nothing hangs,
// and another device works.
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { aggregatePixels } from '../../src/aggregation/aggregate.js';
import { loadModel } from '../../src/model/load.js';
import type { Gpu } from '../../src/gpu/context.js';
import { openGpu, packagedWeights } from '../../src/node.js';
import { plainImage, textPixel } from '../support/picture.js';

type Method<T> = {
  [K in keyof T]: T[K] extends (...values: never[]) => unknown ? K : never;
}[keyof T];

/** Makes an object lose its device at a call of one of its methods. */
function lossAt<T extends object>(gpu: Gpu, target: T, name: Method<T>, when: 'before' | 'after') {
  const original = (target[name] as (...values: unknown[]) => unknown).bind(target);
  Object.defineProperty(target, name, {
    configurable: true,
    value: (...values: unknown[]) => {
      if (when === 'before') gpu.device.destroy();
      const result = original(...values);
      if (when === 'after') gpu.device.destroy();
      return result;
    },
  });
}

/** Makes a device get lost when a readback is mapped. */
function lossAtMap(gpu: Gpu, when: 'before' | 'after'): void {
  const create = gpu.device.createBuffer.bind(gpu.device);
  Object.defineProperty(gpu.device, 'createBuffer', {
    value: (descriptor: GPUBufferDescriptor) => {
      const buffer = create(descriptor);
      if (descriptor.usage & GPUBufferUsage.MAP_READ) lossAt(gpu, buffer, 'mapAsync', when);
      return buffer;
    },
  });
}

const stages: Record<string, (gpu: Gpu) => void> = {
  'before compilation': (gpu) => lossAt(gpu, gpu.device, 'createComputePipelineAsync', 'before'),
  'during compilation': (gpu) => lossAt(gpu, gpu.device, 'createComputePipelineAsync', 'after'),
  'when memory is allocated': (gpu) => lossAt(gpu, gpu.device, 'popErrorScope', 'before'),
  'when commands are recorded': (gpu) => lossAt(gpu, gpu.device, 'createCommandEncoder', 'after'),
  'before the submit': (gpu) => lossAt(gpu, gpu.device.queue, 'submit', 'before'),
  'between submit and map': (gpu) => lossAt(gpu, gpu.device.queue, 'submit', 'after'),
  'before the map': (gpu) => lossAtMap(gpu, 'before'),
  'during the map': (gpu) => lossAtMap(gpu, 'after'),
};

describe('a device that is lost', () => {
  let gpu: Gpu;
  afterEach(() => gpu.dispose());
  const open = async () => (gpu = await openGpu({ adapter: 'software' }));

  it.each(Object.entries(stages))('%s ends a call', async (_, loseAt) => {
    loseAt(await open());
    await expect(aggregatePixels(gpu, textPixel)).rejects.toMatchObject({
      code: 'device-lost',
      message: expect.stringMatching(/^the GPU device was lost \(.+\); open it and load/),
    });
    await expect(aggregatePixels(gpu, textPixel)).rejects.toMatchObject({ code: 'device-lost' });
    gpu.dispose();
    const again = await open();
    expect((await aggregatePixels(again, textPixel)).labels).toEqual(Int32Array.of(1));
  });

  it.each(['createBuffer', 'popErrorScope'] as const)(
    'at %s ends loading a model, and the next device loads it',
    async (name) => {
      const weights = readFileSync(packagedWeights());
      const lost = await open();
      lossAt(lost, lost.device, name, 'after');
      await expect(loadModel(lost, weights)).rejects.toMatchObject({ code: 'device-lost' });
      lost.dispose();
      (await loadModel(await open(), weights)).dispose();
    },
  );

  it('ends all calls that are under way or wait', async () => {
    const model = await loadModel(await open(), readFileSync(packagedWeights()));
    const detect = () => model.detect(plainImage(64), { shortSide: 64 });
    await detect();
    lossAt(gpu, gpu.device.queue, 'submit', 'after');
    const outcomes = await Promise.allSettled([detect(), detect(), detect(), detect()]);
    expect(outcomes.map((outcome) => (outcome as PromiseRejectedResult).reason)).toMatchObject(
      outcomes.map(() => ({ code: 'device-lost' })),
    );
    model.dispose();
  });
});
