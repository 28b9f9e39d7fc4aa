// Several images in one map: each layer gives what it gives for every one of them alone, to the
// last bit.
import { describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/gpu/context.js';
import { packConv, planConv, planSummedConv } from '../../src/layers/conv/conv.js';
import { defaultChoices, type ConvChoices } from '../../src/layers/conv/method.js';
import type { ConvShape } from '../../src/layers/conv/shape.js';
import { candidateTiles } from '../../src/layers/conv/tiles/kinds.js';
import type { ConvTile } from '../../src/layers/conv/tiles/tile.js';
import type { FeatureMap } from '../../src/layers/feature-map.js';
import { packDepthwise, planFpemFilter } from '../../src/layers/fpem-filter.js';
import { type WeightPacker, packWeights } from '../../src/layers/pack.js';
import { planMaxPool, pooledMap } from '../../src/layers/max-pool.js';
import { type Precision, valueBytes } from '../../src/layers/precision.js';
import { packPyramidConv, planPyramidConv, type Pyramid } from '../../src/layers/conv/pyramid.js';
import { planUpsample } from '../../src/layers/upsample.js';
import type { Dispatch } from '../../src/gpu/dispatch.js';
import { describeOnGpus } from '../support/gpu.js';
import { precisionsOf, randomPlanes, randomValues, runLayers } from '../support/run-layer.js';
import { type Planes, planes } from '../support/twin.js';

const images = 3;

describeOnGpus('layers on several images', (gpu) => {
  describe.each(precisionsOf(gpu))('in %s', (precision) => testLayers(gpu, precision));
});

function testLayers(gpu: Gpu, precision: Precision): void {
  const packed = <T>(pack: (packer: WeightPacker<ConvChoices>) => T): T =>
    packWeights(gpu, precision, defaultChoices(gpu.profile), pack).packed;

  /** Runs a layer on images together and alone. @param inputs shapes of one image's maps */
  async function expectSame(
    inputs: readonly [channels: number, height: number, width: number][],
    plan: (maps: FeatureMap[]) => Planned,
  ): Promise<void> {
    const shaped = (maps: FeatureMap[]) => {
      const { output, dispatches } = plan(maps);
      return { output: [output], dispatches };
    };
    const stacks = inputs.map(([channels, height, width], index) =>
      randomPlanes(channels, images * height, width, index + 1),
    );
    const [together] = await runLayers(gpu, stacks, shaped, precision, images);
    expect(together.data.some((value) => value !== 0)).toBe(true);
    for (let image = 0; image < images; image++) {
      const [alone] = await runLayers(
        gpu,
        stacks.map((stack) => imageOf(stack, image)),
        shaped,
        precision,
      );
      expect(imageOf(together, image).data).toEqual(alone.data);
    }
  }

  it.each([
    ['direct', 20, 8, 3, 2, 7, 9],
    ['direct', 64, 4, 3, 1, 5, 6],
    ['direct', 128, 12, 1, 2, 5, 3],
    ['direct', 64, 32, 1, 1, 3, 5],
    ['winograd', 30, 18, 3, 1, 9, 10],
    ['winograd', 64, 16, 3, 1, 4, 1],
  ] as const)(
    'convolution, %s, to %i channels from %i, kernel %i, stride %i, %i × %i',
    async (method, outChannels, inChannels, kernel, stride, height, width) => {
      const weights = {
        weight: randomValues(outChannels * inChannels * kernel ** 2),
        bias: randomValues(outChannels),
        outChannels,
        inChannels,
        kernel,
      };
      const conv = packed((packer) => packConv(packer, 'conv', weights, stride, method));
      const down = (size: number) => Math.floor((size - 1) / stride) + 1;
      const residualShape = [Math.ceil(outChannels / 4) * 4, down(height), down(width)] as [
        number,
        number,
        number,
      ];
      await expectSame([[inChannels, height, width], residualShape], ([map, residual]) =>
        planConv('conv', map, conv, { relu: true, residual }),
      );
    },
  );

  it('convolution and sum', async () => {
    const weights = {
      weight: randomValues(64 * 32),
      bias: randomValues(64),
      outChannels: 64,
      inChannels: 32,
      kernel: 1,
    };
    const conv = packed((packer) => packConv(packer, 'conv', weights));
    await expectSame(
      [
        [32, 3, 5],
        [64, 3, 5],
      ],
      ([map, addend]) => {
        const { total, dispatches } = planSummedConv('conv', map, conv, addend);
        return { output: total, dispatches };
      },
    );
  });

  it('convolution in a tile of workgroup memory', async () => {
    const [outChannels, inChannels, kernel, stride] = [32, 16, 3, 2];
    const weights = {
      weight: randomValues(outChannels * inChannels * kernel ** 2),
      bias: randomValues(outChannels),
      outChannels,
      inChannels,
      kernel,
    };
    const tile = (shape: ConvShape): ConvTile =>
      candidateTiles(shape, { ...gpu.profile, software: false })
        .filter(({ kind }) => kind === 'tiled')
        .at(-1)!;
    const { packed: conv } = packWeights(
      gpu,
      precision,
      { ...defaultChoices(gpu.profile), tile },
      (packer) => packConv(packer, 'conv', weights, stride),
    );
    await expectSame([[inChannels, 13, 17]], ([map]) => planConv('conv', map, conv));
  });

  it.each([1, 2] as const)('joining and filtering, stride %i', async (stride) => {
    const weights = packed((packer) => packDepthwise(packer, 'dw', randomValues(12 * 9), 12));
    await expectSame(
      [
        [12, 3, 4],
        [12, 6, 8],
      ],
      ([coarse, finer]) => planFpemFilter('dw', coarse, finer, weights, stride),
    );
  });

  it('pooling', async () => {
    await expectSame([[8, 5, 7]], ([map]) => {
      const output = pooledMap('pool', map.height, map.width, map.channels, precision, map.images);
      return { output, dispatches: [planMaxPool('pool', map, output)] };
    });
  });

  it('upsampling', async () => {
    await expectSame([[8, 3, 5]], ([map]) => planUpsample('up', map, 6, 10));
  });

  // Level 2 has 9 · 64 · 8 · 8 values of taps an image: an image's in two bands, one image at a
  // time, two, and all.
  it.each([36864 / 2, 36864, 2 * 36864, 1e9])(
    'the pyramid’s convolution, %i values at a time',
    async (values) => {
      const weights = {
        weight: randomValues(64 * 4 * 64 * 9),
        bias: randomValues(64),
        outChannels: 64,
        inChannels: 4 * 64,
        kernel: 3,
      };
      const conv = packed((packer) => packPyramidConv(packer, 'head', weights));
      const shapes = [16, 8, 4, 2].map((side) => [64, side, side] as [number, number, number]);
      await expectSame(shapes, (maps) =>
        planPyramidConv('head', maps as unknown as Pyramid, conv, values * valueBytes[precision]),
      );
    },
  );
}

interface Planned {
  readonly output: FeatureMap;
  readonly dispatches: readonly Dispatch[];
}

function imageOf({ channels, height, width, data }: Planes, image: number): Planes {
  const rows = height / images;
  const one = planes(channels, rows, width);
  for (let channel = 0; channel < channels; channel++) {
    const first = (channel * height + image * rows) * width;
    one.data.set(data.subarray(first, first + rows * width), channel * rows * width);
  }
  return one;
}
