import { describe, expect, it } from 'vitest';
import {
  type ConvClass,
  candidateMethods,
  classKey,
  defaultChoices,
  type ConvChoices,
} from '../../src/layers/conv/method.js';
import { packConv } from '../../src/layers/conv/conv.js';
import { packWeights } from '../../src/layers/pack.js';
import { describeOnGpus } from '../support/gpu.js';
import { randomValues } from '../support/run-layer.js';

const conv: ConvClass = {
  kernel: 3,
  stride: 1,
  inChannels: 64,
  outChannels: 128,
  precision: 'f16',
};
const hardware = { software: false, maxWorkgroupBytes: 16384 };
const cpu = { ...hardware, software: true };
const tensorCores = { M: 16, N: 16, K: 16, subgroup: 32, pinned: false };

describe('methods', () => {
  it('are two on hardware for 3 × 3 with stride 1, Winograd’s first; on a CPU it is the only one', () => {
    expect(candidateMethods(conv, hardware)).toEqual(['winograd', 'direct']);
    expect(candidateMethods(conv, cpu)).toEqual(['winograd']);
    for (const device of [hardware, cpu])
      expect(defaultChoices(device).method(conv)).toBe('winograd');
  });

  it.each([{ kernel: 1 }, { stride: 2 }, { inChannels: 12 }])('are one for %j', (change) => {
    for (const device of [hardware, cpu])
      expect(candidateMethods({ ...conv, ...change }, device)).toEqual(['direct']);
  });

  it('are chosen by classes in words, other ones where subgroup matrices can take part', () => {
    const matrices = { ...hardware, subgroupMatrix: tensorCores };
    expect(classKey(conv, hardware)).toBe('3x3/1 64>128 f16');
    expect(classKey(conv, matrices)).toBe('3x3/1 64>128 f16 matrix');
    expect(classKey({ ...conv, precision: 'f32' }, matrices)).toBe('3x3/1 64>128 f32');
  });
});

describeOnGpus('packing', (gpu) => {
  it('asks for the method of a conv with channels in fours, once', () => {
    const asked: ConvClass[] = [];
    const choices = defaultChoices(gpu.profile);
    const weights = {
      weight: randomValues(6 * 18 * 9),
      bias: randomValues(6),
      outChannels: 6,
      inChannels: 18,
      kernel: 3,
    };
    const { packed, dispose } = packWeights(
      gpu,
      'f32',
      {
        ...choices,
        method(own) {
          asked.push(own);
          return 'direct';
        },
      } satisfies ConvChoices,
      (packer) => packConv(packer, 'conv', weights),
    );
    expect(asked).toEqual([
      { kernel: 3, stride: 1, inChannels: 20, outChannels: 8, precision: 'f32' },
    ]);
    // Nine places of 20 × 8 weights, not 36.
    expect(packed).toMatchObject({
      method: 'direct',
      weights: { size: 9 * 20 * 8 * 4 },
      tiles: choices.tile,
    });
    dispose();
  });
});
