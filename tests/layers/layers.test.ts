import { expect, it } from 'vitest';
import { planAdd } from '../../src/layers/add.js';
import { type ConvMethod, type PackedConv, convMethod, packedConv, planConv } from '../../src/layers/conv.js';
import type { ConvWeights } from '../../src/layers/conv-weights.js';
import { packDepthwise, planDepthwise } from '../../src/layers/depthwise.js';
import type { FeatureMap } from '../../src/layers/feature-map.js';
import { planMaxPool, pooledMap } from '../../src/layers/pool.js';
import { planPyramidConv, splitPyramidConv, type Pyramid } from '../../src/layers/pyramid-conv.js';
import { planUpsample, planUpsampleAdd } from '../../src/layers/upsample.js';
import type { Gpu } from '../../src/gpu/context.js';
import { expectClose } from '../support/close.js';
import { describeOnGpus } from '../support/gpu.js';
import { randomPlanes, randomValues, runLayer, storageBuffer } from '../support/run-layer.js';
import { add, concatenate, conv2d, depthwise3x3, maxPool3x3, planes, relu, upsample } from '../support/twin.js';

const bound = 1e-6;
// Winograd's transforms multiply by up to 8 and back.
const bounds = { direct: bound, matmul: bound, winograd: 5e-6 };

function randomConv(outChannels: number, inChannels: number, kernel: number): ConvWeights {
  return {
    weight: randomValues(outChannels * inChannels * kernel * kernel, 7),
    bias: randomValues(outChannels, 8),
    ...{ outChannels, inChannels, kernel },
  };
}

function upload(gpu: Gpu, conv: ConvWeights, stride = 1, method?: ConvMethod): PackedConv {
  return packedConv(conv, stride, gpu.profile.subgroupSize, (data) => storageBuffer(gpu, data), method);
}

function planPool(map: FeatureMap) {
  const output = pooledMap('pool', map.height, map.width, map.channels);
  return { output, kernels: [planMaxPool('pool', map, output)] };
}

describeOnGpus('layers', (gpu) => {
  it('convolves by hand: one channel, a 3 × 3 sum with zero borders', async () => {
    const weights: ConvWeights = { weight: new Float32Array(9).fill(1), bias: Float32Array.of(0.5), outChannels: 1, inChannels: 1, kernel: 3 };
    const input = planes(1, 2, 3, Float32Array.of(1, 2, 3, 4, 5, 6));
    const output = await runLayer(gpu, [input], ([map]) => planConv('conv', map, upload(gpu, weights)));
    expect([...output.data.subarray(0, 6)]).toEqual([12.5, 21.5, 16.5, 12.5, 21.5, 16.5]);
    // Padding channels stay zero.
    expect([...output.data.subarray(6)]).toEqual(new Array(18).fill(0));
  });

  it.each([
    { out: 64, in: 4, kernel: 3, stride: 2, height: 13, width: 9 },
    { out: 64, in: 64, kernel: 3, stride: 1, height: 5, width: 21 },
    { out: 128, in: 64, kernel: 3, stride: 2, height: 7, width: 6 },
    { out: 20, in: 8, kernel: 1, stride: 1, height: 3, width: 3 },
    { out: 128, in: 12, kernel: 1, stride: 2, height: 1, width: 1 },
    { out: 6, in: 128, kernel: 1, stride: 1, height: 9, width: 11 },
    { out: 3, in: 5, kernel: 3, stride: 1, height: 4, width: 30 },
    { out: 64, in: 32, kernel: 1, stride: 1, height: 7, width: 11 },
    { out: 32, in: 64, kernel: 3, stride: 1, height: 1, width: 1 },
    { out: 128, in: 16, kernel: 3, stride: 1, height: 17, width: 6 },
  ])('convolves $in → $out channels, kernel $kernel, stride $stride, $height × $width', async ({ out, in: channels, kernel, stride, height, width }) => {
    const weights = randomConv(out, channels, kernel);
    const input = randomPlanes(channels, height, width);
    const expected = conv2d(input, weights.weight, weights.bias, kernel, stride);
    const methods = new Set<ConvMethod>(['direct', convMethod(weights, stride)]);
    for (const method of methods) {
      const packed = upload(gpu, weights, stride, method);
      const actual = await runLayer(gpu, [input], ([map]) => planConv('conv', map, packed));
      expectClose(actual.data.subarray(0, expected.data.length), expected.data, bounds[method], method);
      const activated = await runLayer(gpu, [input, expected], ([map, residual]) => planConv('conv', map, packed, { relu: true, residual }));
      const sum = relu(add(expected, expected));
      expectClose(activated.data.subarray(0, expected.data.length), sum.data, bounds[method], `${method} with residual and ReLU`);
    }
  });

  it.each([1, 2] as const)('convolves depthwise, stride %i', async (stride) => {
    const input = randomPlanes(12, 7, 10);
    const weight = randomValues(12 * 9, 3);
    const actual = await runLayer(gpu, [input], ([map]) => planDepthwise('dw', map, storageBuffer(gpu, packDepthwise(weight, 12)), stride));
    expectClose(actual.data, depthwise3x3(input, weight, stride).data, bound, 'depthwise');
  });

  it('pools by hand', async () => {
    const input = planes(4, 3, 3, Float32Array.from({ length: 36 }, (_, index) => 9 - index));
    const output = await runLayer(gpu, [input], ([map]) => planPool(map));
    expect([...output.data.subarray(0, 4)]).toEqual([9, 8, 6, 5]);
  });

  it.each([[8, 12], [9, 7], [2, 31]])('pools %i × %i', async (height, width) => {
    const input = randomPlanes(8, height, width);
    const actual = await runLayer(gpu, [input], ([map]) => planPool(map));
    expect(actual.data).toEqual(maxPool3x3(input).data);
  });

  it('upsamples by hand: quarter shares, edges clamped', async () => {
    const input = planes(4, 1, 2, Float32Array.of(0, 4, 0, 4, 0, 4, 0, 4));
    const output = await runLayer(gpu, [input], ([map]) => planUpsample('up', map, 1, 4));
    expect([...output.data.subarray(0, 4)]).toEqual([0, 1, 3, 4]);
  });

  it.each([[3, 4, 6, 8], [1, 1, 4, 2], [5, 7, 40, 56], [2, 3, 5, 10]])('upsamples %i × %i to %i × %i, alone and added', async (h, w, height, width) => {
    const input = randomPlanes(8, h, w);
    const finer = randomPlanes(8, height, width, 5);
    const expected = upsample(input, height, width);
    expectClose((await runLayer(gpu, [input], ([map]) => planUpsample('up', map, height, width))).data, expected.data, bound, 'upsample');
    const sum = await runLayer(gpu, [input, finer], ([coarse, fine]) => planUpsampleAdd('up', coarse, fine));
    expectClose(sum.data, add(expected, finer).data, bound, 'upsample-add');
  });

  it('adds', async () => {
    const [a, b] = [randomPlanes(4, 5, 6), randomPlanes(4, 5, 6, 2)];
    expect((await runLayer(gpu, [a, b], ([x, y]) => planAdd('add', x, y))).data).toEqual(add(a, b).data);
  });

  it.each([[8, 8], [8, 24], [16, 8]])('convolves a pyramid of %i × %i like its upsampled, concatenated map', async (height, width) => {
    const weights = randomConv(12, 32, 3);
    const levels = [1, 2, 4, 8].map((step, index) => randomPlanes(8, height / step, width / step, index + 1));
    const fused = concatenate(levels.map((level) => upsample(level, height, width)));
    const expected = relu(conv2d(fused, weights.weight, weights.bias, 3, 1));
    const packed = splitPyramidConv(weights).map((conv) => upload(gpu, conv)) as unknown as Pyramid<PackedConv>;
    const actual = await runLayer(gpu, levels, (maps) => planPyramidConv('head', maps as unknown as Pyramid, packed));
    expectClose(actual.data, expected.data, bounds.winograd, 'pyramid conv');
  });

  it('convolves a pyramid row by row as at once', async () => {
    // Rows of every level are multiples of 256 bytes, as the network's are.
    const levels = [1, 2, 4, 8].map((step, index) => randomPlanes(8, 64 / step, 64 / step, index + 1));
    const packed = splitPyramidConv(randomConv(16, 32, 3)).map((conv) => upload(gpu, conv)) as unknown as Pyramid<PackedConv>;
    const convolved = (bandBytes?: number) =>
      runLayer(gpu, levels, (maps) => planPyramidConv('head', maps as unknown as Pyramid, packed, bandBytes));
    expect((await convolved(1)).data).toEqual((await convolved()).data);
  });
});
