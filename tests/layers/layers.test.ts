import { describe, expect, it } from 'vitest';
import { packConv, planConv, planSummedConv } from '../../src/layers/conv/conv.js';
import { type ConvMethod, candidateMethods, defaultChoices } from '../../src/layers/conv/method.js';
import type { ConvWeights } from '../../src/layers/conv/weights.js';
import type { FeatureMap } from '../../src/layers/feature-map.js';
import { packDepthwise, planFpemFilter } from '../../src/layers/fpem-filter.js';
import { packWeights } from '../../src/layers/pack.js';
import { planMaxPool, pooledMap } from '../../src/layers/max-pool.js';
import type { Precision } from '../../src/layers/precision.js';
import { packPyramidConv, planPyramidConv, type Pyramid } from '../../src/layers/conv/pyramid.js';
import { planUpsample } from '../../src/layers/upsample.js';
import type { Gpu } from '../../src/gpu/context.js';
import { expectClose } from '../support/close.js';
import { describeOnGpus } from '../support/gpu.js';
import {
  precisionsOf,
  randomPlanes,
  randomValues,
  runLayer,
  runLayers,
  stored,
} from '../support/run-layer.js';
import {
  type Planes,
  add,
  concatenate,
  conv2d,
  depthwise3x3,
  doubled,
  maxPool3x3,
  planes,
  relu,
  upsample,
} from '../support/twin.js';

// What float32 sums of a few hundred products in another order may differ by.
const sums = 1e-6;
// Half the distance between neighbouring halves: no value moves further, relative, when it is
// stored.
const roundoff = { f32: 0, f16: 2 ** -11 };
// Winograd's points 0, ±5/8, ±3/2 and infinity make independent errors of its weights, transformed
// maps and products 4.8 times as large.
const winograd = 4.8 * Math.sqrt(3);

/** What a map that was stored so many times may differ by. */
function boundOf(precision: Precision, roundings = 1): number {
  return sums + roundings * roundoff[precision];
}

function convBound(method: ConvMethod, precision: Precision): number {
  return method === 'winograd'
    ? 2 * sums + (1 + winograd) * roundoff[precision]
    : boundOf(precision);
}

describeOnGpus('layers', (gpu) => {
  describe.each(precisionsOf(gpu))('in %s', (precision) => testLayers(gpu, precision));
});

function testLayers(gpu: Gpu, precision: Precision): void {
  const bound = boundOf(precision);
  const values = (count: number, seed: number) => stored(randomValues(count, seed), precision);
  const random = (channels: number, height: number, width: number, seed = 1): Planes =>
    planes(channels, height, width, values(channels * height * width, seed));
  const randomConv = (outChannels: number, inChannels: number, kernel: number): ConvWeights => ({
    weight: values(outChannels * inChannels * kernel * kernel, 7),
    bias: randomValues(outChannels, 8),
    outChannels,
    inChannels,
    kernel,
  });
  const packed = (conv: ConvWeights, stride = 1, method?: ConvMethod) =>
    packWeights(gpu, precision, defaultChoices(gpu.profile), (packer) =>
      packConv(packer, 'conv', conv, stride, method),
    ).packed;
  const run: (
    inputs: readonly Planes[],
    plan: Parameters<typeof runLayer>[2],
  ) => Promise<Planes> = (inputs, plan) => runLayer(gpu, inputs, plan, precision);

  it('convolves by hand: one channel, a 3 × 3 sum with zero borders', async () => {
    const weights: ConvWeights = {
      weight: new Float32Array(9).fill(1),
      bias: Float32Array.of(0.5),
      outChannels: 1,
      inChannels: 1,
      kernel: 3,
    };
    const input = planes(1, 2, 3, Float32Array.of(1, 2, 3, 4, 5, 6));
    const output = await run([input], ([map]) => planConv('conv', map, packed(weights)));
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
    { out: 30, in: 18, kernel: 3, stride: 1, height: 9, width: 10 },
    { out: 64, in: 32, kernel: 1, stride: 1, height: 7, width: 11 },
    { out: 32, in: 64, kernel: 3, stride: 1, height: 1, width: 1 },
    { out: 128, in: 16, kernel: 3, stride: 1, height: 17, width: 6 },
  ])(
    'convolves $in → $out channels, kernel $kernel, stride $stride, $height × $width',
    async ({ out, in: channels, kernel, stride, height, width }) => {
      const weights = randomConv(out, channels, kernel);
      const input = random(channels, height, width);
      const expected = conv2d(input, weights.weight, weights.bias, kernel, stride);
      const residual = planes(
        expected.channels,
        expected.height,
        expected.width,
        stored(expected.data, precision),
      );
      const methods = candidateMethods({ ...weights, stride, precision }, { software: false });
      expect(methods).toContain('direct');
      for (const method of methods) {
        const conv = packed(weights, stride, method);
        const actual = await run([input], ([map]) => planConv('conv', map, conv));
        const within = convBound(method, precision);
        expectClose(actual.data.subarray(0, expected.data.length), expected.data, within, method);
        const activated = await run([input, residual], ([map, added]) =>
          planConv('conv', map, conv, { relu: true, residual: added }),
        );
        const sum = relu(add(expected, residual));
        expectClose(
          activated.data.subarray(0, expected.data.length),
          sum.data,
          within,
          `${method} with residual and ReLU`,
        );
      }
    },
  );

  it.each([
    { out: 128, in: 64, height: 7, width: 9 },
    { out: 20, in: 8, height: 5, width: 3 },
  ])('convolves and adds a map, $in → $out channels', async ({ out, in: channels, ...size }) => {
    const weights = randomConv(out, channels, 1);
    const input = random(channels, size.height, size.width);
    const addend = random(out, size.height, size.width, 2);
    const output = relu(conv2d(input, weights.weight, weights.bias, 1, 1));
    const actual = await runLayers(
      gpu,
      [input, addend],
      ([map, added]) => {
        const planned = planSummedConv('conv', map, packed(weights), added);
        expect(planned.dispatches).toHaveLength(1);
        return { output: [planned.output, planned.total], dispatches: planned.dispatches };
      },
      precision,
    );
    expectClose(actual[0].data, output.data, bound, 'output');
    expectClose(actual[1].data, add(output, addend).data, bound, 'total');
  });

  it('convolves to and from float32, as the network’s ends do', async () => {
    const first = randomConv(8, 4, 3);
    const last = randomConv(6, 8, 1);
    const input = randomPlanes(4, 9, 11);
    const hidden = conv2d(input, first.weight, first.bias, 3, 2);
    const [weights, lastWeights] = [packed(first, 2), packed(last)];
    const narrowed = await runLayer(gpu, [input], ([map]) => planConv('first', map, weights));
    expectClose(narrowed.data, hidden.data, bound, 'narrowed');
    const widened = await run([narrowed], ([map]) =>
      planConv('last', map, lastWeights, { precision: 'f32' }),
    );
    const expected = conv2d(narrowed, last.weight, last.bias, 1, 1);
    // Nothing is rounded to a half behind the sums.
    expectClose(widened.data.subarray(0, expected.data.length), expected.data, sums, 'widened');
  });

  it('joins and filters by hand: a window of ones sums what lies inside', async () => {
    const constant = (value: number, height: number, width: number) =>
      planes(4, height, width, new Float32Array(4 * height * width).fill(value));
    const filter = (
      weight: Float32Array,
      coarse: Planes,
      stride: 1 | 2,
      upsampling?: 'nearest',
    ) => {
      const { packed: weights } = packWeights(
        gpu,
        precision,
        defaultChoices(gpu.profile),
        (packer) => packDepthwise(packer, 'dw', weight, 4),
      );
      return run([coarse, constant(1, 2, 4)], ([map, finer]) =>
        planFpemFilter('dw', map, finer, weights, stride, upsampling),
      );
    };
    const ones = new Float32Array(36).fill(1);
    // 2 + 1 everywhere, so 3 for each of the window's places that lie inside: 4 in the corners, 6
    // between them.
    expect([...(await filter(ones, constant(2, 1, 2), 1)).data.subarray(0, 8)]).toEqual([
      12, 18, 18, 12, 12, 18, 18, 12,
    ]);
    expect([...(await filter(ones, constant(2, 1, 2), 2)).data.subarray(0, 2)]).toEqual([12, 18]);
    // The middle tap alone shows the upsampling: quarter shares, edges clamped; plus 1.
    const middle = Float32Array.from({ length: 36 }, (_, index) => Number(index % 9 === 4));
    const ramp = planes(4, 1, 2, Float32Array.of(0, 4, 0, 4, 0, 4, 0, 4));
    expect([...(await filter(middle, ramp, 1)).data.subarray(0, 8)]).toEqual([
      1, 2, 4, 5, 1, 2, 4, 5,
    ]);
    expect([...(await filter(middle, ramp, 1, 'nearest')).data.subarray(0, 8)]).toEqual([
      1, 1, 5, 5, 1, 1, 5, 5,
    ]);
  });

  it.each([
    [1, 1, 1],
    [4, 5, 1],
    [9, 2, 1],
    [1, 1, 2],
    [4, 5, 2],
    [3, 17, 2],
  ] as const)(
    'joins %i × %i with the map of twice its sides and filters it, stride %i',
    async (height, width, stride) => {
      const [coarse, finer] = [random(12, height, width), random(12, 2 * height, 2 * width, 5)];
      const weight = values(12 * 9, 3);
      const { packed: weights } = packWeights(
        gpu,
        precision,
        defaultChoices(gpu.profile),
        (packer) => packDepthwise(packer, 'dw', weight, 12),
      );
      for (const [upsampling, enlarge] of [
        ['bilinear', upsample],
        ['nearest', doubled],
      ] as const) {
        const actual = await run([coarse, finer], ([map, fine]) =>
          planFpemFilter('dw', map, fine, weights, stride, upsampling),
        );
        const sum = add(enlarge(coarse, 2 * height, 2 * width), finer);
        expectClose(
          actual.data,
          depthwise3x3(sum, weight, stride).data,
          bound,
          `filter, ${upsampling}`,
        );
      }
    },
  );

  it('pools by hand', async () => {
    const input = planes(
      4,
      3,
      3,
      Float32Array.from({ length: 36 }, (_, index) => 9 - index),
    );
    const output = await run([input], ([map]) => planPool(map));
    expect([...output.data.subarray(0, 4)]).toEqual([9, 8, 6, 5]);
  });

  it.each([
    [8, 12],
    [9, 7],
    [2, 31],
  ])('pools %i × %i', async (height, width) => {
    const input = relu(random(8, height, width));
    const actual = await run([input], ([map]) => planPool(map));
    expect(actual.data).toEqual(maxPool3x3(input).data);
  });

  it('keeps NaN, of either sign, in pooling and ReLU', async () => {
    // The second NaN is what x86 makes of infinity − infinity.
    const data = new Float32Array(4 * 9).fill(2);
    const bits = new Uint32Array(data.buffer);
    bits[4] = 0x7fc00000;
    bits[9 + 4] = 0xffc00000;
    const odd = planes(4, 3, 3, data);
    const pooled = await run([odd], ([map]) => planPool(map));
    expect([...pooled.data.subarray(0, 12)]).toEqual([
      ...Array.from({ length: 8 }, () => NaN),
      ...[2, 2, 2, 2],
    ]);
    const unit = { ...randomConv(4, 4, 1), bias: new Float32Array(4) };
    unit.weight = Float32Array.from({ length: 16 }, (_, at) => (at % 5 === 0 ? 1 : 0));
    const activated = await run([odd], ([map]) =>
      planConv('conv', map, packed(unit, 1, 'direct'), { relu: true }),
    );
    expect(activated.data[4]).toBeNaN();
    expect(activated.data[9 + 4]).toBeNaN();
  });

  it('upsamples by hand: quarter shares, edges clamped', async () => {
    const input = planes(4, 1, 2, Float32Array.of(0, 4, 0, 4, 0, 4, 0, 4));
    const output = await run([input], ([map]) => planUpsample('up', map, 1, 4));
    expect([...output.data.subarray(0, 4)]).toEqual([0, 1, 3, 4]);
  });

  it.each([
    [3, 4, 6, 8],
    [1, 1, 4, 2],
    [5, 7, 40, 56],
    [2, 3, 5, 10],
  ])('upsamples %i × %i to %i × %i', async (h, w, height, width) => {
    const input = random(8, h, w);
    const expected = upsample(input, height, width);
    expectClose(
      (await run([input], ([map]) => planUpsample('up', map, height, width))).data,
      expected.data,
      bound,
      'upsample',
    );
  });

  it.each([
    [8, 8],
    [8, 24],
    [16, 8],
  ])(
    'convolves a pyramid of %i × %i like its upsampled, concatenated map',
    async (height, width) => {
      // Finest levels of 8 channels are convolved directly, of 16 by Winograd's method.
      for (const channels of [8, 16]) {
        const weights = randomConv(12, 4 * channels, 3);
        const levels = [1, 2, 4, 8].map((step, index) =>
          random(channels, height / step, width / step, index + 1),
        );
        const fused = concatenate(levels.map((level) => upsample(level, height, width)));
        const expected = relu(conv2d(fused, weights.weight, weights.bias, 3, 1));
        const { packed: conv } = packWeights(
          gpu,
          precision,
          defaultChoices(gpu.profile),
          (packer) => packPyramidConv(packer, 'head', weights),
        );
        const actual = await run(levels, (maps) =>
          planPyramidConv('head', maps as unknown as Pyramid, conv),
        );
        // Stored on the way: taps, their sums by rows and by columns.
        const within = convBound(conv[0].method, precision) + 3 * roundoff[precision];
        expectClose(actual.data, expected.data, within, `pyramid conv, ${conv[0].method}`);
      }
    },
  );

  it('convolves a pyramid row by row as at once', async () => {
    // Rows of every level are multiples of 256 bytes, as the network's are.
    const levels = [1, 2, 4, 8].map((step, index) => random(16, 64 / step, 64 / step, index + 1));
    const { packed: conv } = packWeights(gpu, precision, defaultChoices(gpu.profile), (packer) =>
      packPyramidConv(packer, 'head', randomConv(16, 64, 3)),
    );
    const convolved = (bandBytes?: number) =>
      run(levels, (maps) => planPyramidConv('head', maps as unknown as Pyramid, conv, bandBytes));
    expect((await convolved(1)).data).toEqual((await convolved()).data);
  });
}

function planPool(map: FeatureMap) {
  const output = pooledMap('pool', map.height, map.width, map.channels, map.precision);
  return { output, dispatches: [planMaxPool('pool', map, output)] };
}
