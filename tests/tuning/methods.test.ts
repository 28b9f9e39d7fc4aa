// Tuning methods, on software adapters that pass for hardware, which has a choice of methods.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Gpu } from '../../src/gpu/context.js';
import { loadModel, packagedWeights } from '../../src/node.js';
import { type ConvMethod, defaultChoices } from '../../src/layers/conv/method.js';
import { type PackedConv, packConv } from '../../src/layers/conv/conv.js';
import { type ConvShape, shapeKey } from '../../src/layers/conv/shape.js';
import { packWeights } from '../../src/layers/pack.js';
import type { Precision } from '../../src/layers/precision.js';
import { planPyramidConv } from '../../src/layers/conv/pyramid.js';
import { fusedLevels, planNetwork } from '../../src/network/plan.js';
import { type NetworkWeights, uploadWeights } from '../../src/network/weights.js';
import { CandidateRunner } from '../../src/tuning/runner.js';
import { convolutionsOf, tuneConvolutions, tuneMethod } from '../../src/tuning/tune.js';
import { type Tuning, asTuning, tunedChoices, tuningOf } from '../../src/tuning/tuning.js';
import { methodTask, randomize } from '../../src/tuning/task.js';
import { foldedProcedural, spotterConfig } from '../recognition/run-recognition.js';
import { relativeDifference } from '../support/close.js';
import { describeOnGpus, gpus } from '../support/gpu.js';
import { precisionsOf, randomPlanes, runLayers } from '../support/run-layer.js';

const weights = readFileSync(packagedWeights());
const { gpu: software } = gpus.find(({ name }) => name === 'lavapipe') ?? gpus[0];
// Without workgroup memory there are few candidate tiles, which other tests are about.
const profile = { ...software.profile, software: false, maxWorkgroupBytes: 0 };
const gpu = new Gpu(software.device, profile, () => {}, software.wait);
const size = { height: 64, width: 96 };
const image = {
  ...size,
  channels: 3 as const,
  data: Uint8Array.from({ length: 64 * 96 * 3 }, (_, index) => (index * 7919) % 256),
};

describe('a network’s classes', () => {
  it('are those of its 3 × 3 convolutions with stride 1, with all their occurrences', () => {
    const { shapes, classes } = convolutionsOf(gpu, weights, {
      sizes: [size, { height: 60, width: 64 }],
    });
    expect([...classes.keys()].sort()).toEqual(
      [
        '3x3/1 64>64 f32',
        '3x3/1 64>128 f32',
        '3x3/1 128>64 f32',
        '3x3/1 128>128 f32',
        '3x3/1 256>256 f32',
        '3x3/1 512>512 f32',
      ].sort(),
    );
    // Layer 4 has three of them.
    const [first, second] = [
      [2, 3, 2, 3],
      [2, 2, 2, 2],
    ];
    expect(classes.get('3x3/1 512>512 f32')!.map(({ sizes }) => sizes)).toEqual([
      first,
      first,
      first,
      second,
      second,
      second,
    ]);
    for (const own of classes.values())
      for (const shape of own) expect([...shapes.keys()]).toContain(shapeKey(shape));
    // Winograd's products are there as well.
    expect([...shapes.keys()].some((key) => key.startsWith('1x1/1 512>512 x36 '))).toBe(true);
  });
});

describe('tuning where there is a choice of methods', () => {
  it('measures classes after shapes, and a model computes nearly the same with it', async () => {
    const steps: string[] = [];
    const { shapes, classes } = convolutionsOf(gpu, weights, { sizes: [size] });
    // One shape is enough here, of one tap, because SwiftShader compiles others slowly.
    const one = [...shapes].filter(([, { kernel }]) => kernel === 1).slice(0, 1);
    const tuning = await tuneConvolutions(
      gpu,
      { shapes: new Map(one), classes },
      { onProgress: ({ shape, done, total }) => void steps.push(`${shape} ${done}/${total}`) },
    );
    const keys = [...Object.keys(tuning.shapes), ...Object.keys(tuning.methods!)];
    expect(Object.keys(tuning.methods!)).toHaveLength(6);
    expect(steps).toEqual(keys.map((key, index) => `${key} ${index + 1}/${keys.length}`));
    for (const [key, { best, baseline, method, faults }] of Object.entries(tuning.methods!)) {
      expect(faults, key).toBeUndefined();
      expect(best).toBeGreaterThan(0);
      expect(best).toBeLessThanOrEqual(baseline * (method ? 0.97 : 1) + 1e-4);
      expect([undefined, 'direct']).toContain(method);
    }
    const forward = async (given?: Tuning) => {
      const model = await loadModel(gpu, weights, { tuning: given });
      const det = (await model.forward(image, { outputs: ['det'], shortSide: 64 })).get(
        'det',
      )!.data;
      const bytes = model.memory.weights;
      model.dispose();
      return { det, bytes };
    };
    const untuned = await forward();
    // Whatever was measured here, change one method.
    const direct = { method: 'direct', best: 1, baseline: 2 } as const;
    const changed = await forward(
      JSON.parse(
        JSON.stringify({ ...tuning, methods: { ...tuning.methods, '3x3/1 512>512 f32': direct } }),
      ) as Tuning,
    );
    expect(relativeDifference(changed.det, untuned.det)).toBeLessThan(3e-6);
    // Direct weights have 9 places, Winograd's 36.
    expect(changed.bytes).toBeLessThan(untuned.bytes);
  });
});

describeOnGpus('methods', (device) => {
  const choices = defaultChoices(device.profile);
  const shapeOf = (channels: number, side: number, precision: Precision): ConvShape => ({
    kernel: 3,
    stride: 1,
    inChannels: channels,
    outChannels: channels,
    sizes: [side, side, side, side],
    types: { input: precision, weight: precision, output: precision },
  });

  // Which method is faster on hardware is not known.
  it.skipIf(!device.profile.software).each(precisionsOf(device))(
    'are measured, and the faster one wins, in %s',
    async (precision) => {
      const shapes = [24, 12, 24].map((side) => shapeOf(128, side, precision));
      // Direct has four times the multiplications, so it loses even as the baseline.
      const found = await tuneMethod(device, 'a class', shapes, choices, ['direct', 'winograd']);
      expect(found).toEqual({
        method: 'winograd',
        best: expect.any(Number) as number,
        baseline: expect.any(Number) as number,
      });
      const stays = await tuneMethod(device, 'a class', shapes, choices, ['winograd', 'direct']);
      expect(stays).toEqual({ best: stays.baseline, baseline: expect.any(Number) as number });
    },
  );

  it('are reported if their results differ', async () => {
    const convOf = (weight: Float32Array) => ({
      weight,
      bias: new Float32Array(64),
      outChannels: 64,
      inChannels: 64,
      kernel: 3,
    });
    const right = randomize(new Float32Array(64 * 64 * 9));
    const wrong = right.map((value, index) => (index === 0 ? value + 1 : value));
    const { packed, dispose } = packWeights(
      device,
      'f32',
      defaultChoices(device.profile),
      (packer) =>
        new Map<ConvMethod, PackedConv>([
          ['winograd', packConv(packer, 'w', convOf(right), 1, 'winograd')],
          ['direct', packConv(packer, 'd', convOf(wrong), 1, 'direct')],
        ]),
    );
    const runner = await CandidateRunner.create(
      device,
      methodTask(device, packed, [{ sizes: [9, 14, 9, 14] }, { sizes: [5, 5, 5, 5] }]),
    );
    expect(await runner.check('winograd')).toBeUndefined();
    expect(await runner.check('direct')).toMatch(
      /^direct is wrong: values differ by \d\.\de-[12] of the largest$/,
    );
    runner.dispose();
    dispose();
  });

  // With a head for recognition, whose first convolution is packed level by level too.
  it.each(precisionsOf(device))(
    'may be exchanged in the whole network, in %s',
    async (precision) => {
      const config = spotterConfig(['a', 'b']);
      const tensors = foldedProcedural(config);
      const classes = ['64>64', '64>128', '128>64', '128>128', '256>256', '512>512'].map(
        (channels) => `3x3/1 ${channels} ${precision}`,
      );
      const tunedMethods = Object.fromEntries(
        classes.map((key) => [key, { method: 'direct' as const, best: 1, baseline: 2 }]),
      );
      const byHand = asTuning(
        JSON.parse(JSON.stringify(tuningOf(device.profile, {}, tunedMethods))),
      );
      // Only hardware has a choice; with subgroup matrices, f16 classes would have other keys.
      const { method: tunedMethod } = tunedChoices(byHand, {
        ...device.profile,
        software: false,
        subgroupMatrix: undefined,
      });
      const run = async (packed: NetworkWeights) => {
        await packed.ready;
        const maps = await runLayers(
          device,
          [randomPlanes(4, size.height, size.width)],
          ([map]) => {
            const plan = planNetwork(config, packed, map);
            const read = planPyramidConv(
              'rec_head.conv',
              fusedLevels(plan),
              packed.pyramidConv('rec_head.conv'),
            );
            return {
              output: [plan.maps.get('det')!, read.output],
              dispatches: [...plan.dispatches, ...read.dispatches],
            };
          },
        );
        packed.dispose();
        return maps;
      };
      const methods: string[] = [];
      const exchanged = uploadWeights(device, tensors, config, precision, {
        ...defaultChoices(device.profile),
        method(conv) {
          methods.push(tunedMethod(conv));
          return tunedMethod(conv);
        },
      });
      expect(new Set(methods)).toEqual(new Set(['direct']));
      const winograd = await run(uploadWeights(device, tensors, config, precision));
      const direct = await run(exchanged);
      const differences = direct.map((map, index) =>
        relativeDifference(map.data, winograd[index].data),
      );
      console.log(
        `${precision}: ${differences.map((difference) => difference.toExponential(1)).join(', ')}`,
      );
      for (const difference of differences) {
        expect(difference).toBeGreaterThan(0);
        expect(difference).toBeLessThan(precision === 'f32' ? 2e-6 : 2e-3);
      }
    },
  );
});
