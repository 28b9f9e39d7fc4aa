import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadModel, packagedWeights } from '../../src/node.js';
import type { ConvShape } from '../../src/layers/conv/shape.js';
import { candidateTiles, defaultTile } from '../../src/layers/conv/tiles/kinds.js';
import { Trial } from '../../src/tuning/trial.js';
import { type Tuning, tuningState } from '../../src/tuning/tuning.js';
import { tileWays } from '../../src/tuning/ways.js';
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
    for (const [shape, { best, usual, tile, faults }] of shapes) {
      expect(faults, shape).toBeUndefined();
      expect(best).toBeGreaterThan(0);
      expect(best).toBeLessThanOrEqual(usual * (tile ? 0.97 : 1) + 1e-4);
    }

    const image = {
      width: 60,
      height: 33,
      channels: 3 as const,
      data: Uint8Array.from({ length: 60 * 33 * 3 }, (_, index) => (index * 7919) % 256),
    };
    const look = async (given?: Tuning) => {
      const model = await loadModel(gpu, weights, { tuning: given });
      const det = (await model.forward(image, { outputs: ['det'], shortSide: 33 })).get(
        'det',
      )!.data;
      model.dispose();
      return { det, state: model.tuning };
    };
    const usual = await look();
    const tuned = await look(JSON.parse(JSON.stringify(tuning)) as Tuning);
    expect([usual.state, tuned.state]).toEqual(['none', 'used']);
    expect(relativeDifference(tuned.det, usual.det)).toBeLessThan(1e-6);
    expect((await look({ ...tuning, adapter: 'another' })).state).toBe('other-adapter');
    expect((await look({ ...tuning, shaders: 'older' })).state).toBe('other-shaders');
  });

  it('refuses sizes that are none, data that is none, and ends with a signal', async () => {
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

describeOnGpus('a trial', (device) => {
  const shape: ConvShape = {
    kernel: 1,
    stride: 1,
    inChannels: 32,
    outChannels: 256,
    batches: 2,
    sizes: [1, 70, 1, 70],
    types: { input: 'f32', weight: 'f32', output: 'f32' },
  };
  const usual = defaultTile(shape, device.profile);

  it('finds a tile that leaves values out or does not compile', async () => {
    const trial = new Trial(device, tileWays(device, shape));
    expect(await trial.faultOf(usual)).toBeUndefined();
    // Its invocations compute one vector of channels; for two, there are half as many as it takes.
    expect(await trial.faultOf({ ...usual, vectors: 2 })).toMatch(/is wrong: values differ by/);
    expect(await trial.faultOf({ ...usual, kind: 'plain', lanes: 4096 })).toMatch(
      /does not compile/,
    );
    trial.dispose();
  });

  it('times tiles', async () => {
    const trial = new Trial(device, tileWays(device, shape));
    const tiles = [
      usual,
      candidateTiles(shape, device.profile).find(({ pixels }) => pixels < usual.pixels)!,
    ];
    for (const tile of tiles) await trial.faultOf(tile);
    await trial.setRepeats(usual);
    for (const tile of tiles) {
      const begin = performance.now();
      const time = await trial.time(tile);
      expect(time).toBeGreaterThan(0);
      // Of one run, so no more than all runs took.
      expect(time).toBeLessThan(performance.now() - begin);
    }
    trial.dispose();
  });
});
