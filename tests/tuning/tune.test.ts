import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadModel, packagedWeights } from '../../src/node.js';
import type { ConvShape } from '../../src/layers/conv/shape.js';
import { candidateTiles, defaultTile } from '../../src/layers/conv/tiles/kinds.js';
import { CandidateRunner } from '../../src/tuning/runner.js';
import { type Tuning, tuningState } from '../../src/tuning/tuning.js';
import { tileTask } from '../../src/tuning/task.js';
import { relativeDifference } from '../support/close.js';
import { describeOnGpus, gpus } from '../support/gpu.js';
import { tune } from '../../src/tuning/tune.js';

const weights = readFileSync(packagedWeights());
const { gpu } = gpus.find(({ name }) => name === 'lavapipe') ?? gpus[0];

describe('tune', () => {
  it('measures every convolution of the network once, and a model computes the same with it', async () => {
    const steps: string[] = [];
    const tuning = await tune(gpu, weights, {
      sizes: [{ height: 33, width: 60 }],
      onProgress({ shape, done, total }) {
        steps.push(`${shape} ${done}/${total}`);
      },
    });
    const shapes = Object.entries(tuning.shapes);
    expect(tuningState(tuning, gpu.profile)).toBe('used');
    expect(shapes.length).toBeGreaterThan(15);
    expect(steps).toEqual(shapes.map(([shape], index) => `${shape} ${index + 1}/${shapes.length}`));
    // Stem, Winograd's products, strided convolutions, shortcuts, the head's taps.
    for (const part of [
      '3x3/2 4>64 x1 ',
      '1x1/1 64>64 x36 ',
      '3x3/2 256>512 x1 ',
      '1x1/2 64>128 x1 ',
      '1x1/1 128>1152 x1 ',
    ]) {
      expect(
        Object.keys(tuning.shapes).some((shape) => shape.startsWith(part)),
        part,
      ).toBe(true);
    }
    for (const [shape, { best, baseline, tile, faults }] of shapes) {
      expect(faults, shape).toBeUndefined();
      expect(best).toBeGreaterThan(0);
      expect(best).toBeLessThanOrEqual(baseline * (tile ? 0.97 : 1) + 1e-4);
    }

    const image = {
      width: 60,
      height: 33,
      channels: 3 as const,
      data: Uint8Array.from({ length: 60 * 33 * 3 }, (_, index) => (index * 7919) % 256),
    };
    const forward = async (given?: Tuning) => {
      const model = await loadModel(gpu, weights, { tuning: given });
      const det = (await model.forward(image, { outputs: ['det'], shortSide: 33 })).get(
        'det',
      )!.data;
      model.dispose();
      return { det, state: model.tuning };
    };
    const untuned = await forward();
    const tuned = await forward(JSON.parse(JSON.stringify(tuning)) as Tuning);
    expect([untuned.state, tuned.state]).toEqual(['none', 'used']);
    expect(relativeDifference(tuned.det, untuned.det)).toBeLessThan(1e-6);
  });

  it('refuses invalid sizes and invalid data, and ends with a signal', async () => {
    await expect(tune(gpu, weights, { sizes: [{ height: 0, width: 5 }] })).rejects.toMatchObject({
      code: 'argument',
    });
    await expect(loadModel(gpu, weights, { tuning: {} as Tuning })).rejects.toMatchObject({
      code: 'argument',
    });
    const ending = new AbortController();
    const sizes = [{ height: 32, width: 32 }];
    let measured = 0;
    const onProgress = () => {
      measured++;
      ending.abort(new Error('enough'));
    };
    await expect(tune(gpu, weights, { sizes, onProgress, signal: ending.signal })).rejects.toThrow(
      'enough',
    );
    expect(measured).toBe(1);
  });
});

describeOnGpus('a candidate runner', (device) => {
  const shape: ConvShape = {
    kernel: 1,
    stride: 1,
    inChannels: 32,
    outChannels: 256,
    batches: 2,
    sizes: [1, 70, 1, 70],
    types: { input: 'f32', weight: 'f32', output: 'f32' },
  };
  const baseline = defaultTile(shape, device.profile);

  it('reports a tile that leaves values out or does not compile', async () => {
    const runner = await CandidateRunner.create(device, tileTask(device, shape));
    expect(await runner.check(baseline)).toBeUndefined();
    // Its invocations compute one vector of channels; for two, there are half as many as it takes.
    expect(await runner.check({ ...baseline, vectors: 2 })).toMatch(/is wrong: values differ by/);
    expect(await runner.check({ ...baseline, kind: 'plain', lanes: 4096 })).toMatch(
      /does not compile/,
    );
    runner.dispose();
  });

  it('measures tiles', async () => {
    const runner = await CandidateRunner.create(device, tileTask(device, shape));
    const tiles = [
      baseline,
      candidateTiles(shape, device.profile).find(({ pixels }) => pixels < baseline.pixels)!,
    ];
    for (const tile of tiles) await runner.check(tile);
    await runner.setRepeats(baseline);
    for (const tile of tiles) {
      const begin = performance.now();
      const time = await runner.measure(tile);
      expect(time).toBeGreaterThan(0);
      // The time of one computation: no longer than all of them took.
      expect(time).toBeLessThan(performance.now() - begin);
    }
    runner.dispose();
  });
});
