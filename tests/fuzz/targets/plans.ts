// Plans from sizes and settings, without a GPU: what is planned fits every device's limits and
// covers every pixel.
import fc from 'fast-check';
import { checkAggregationSettings } from '../../../src/aggregation/input.js';
import { packSettings, planAggregation } from '../../../src/aggregation/plan.js';
import type { Dispatch } from '../../../src/gpu/dispatch.js';
import { type ResizeSettings, resizedSize } from '../../../src/images/size.js';
import { horizontalTaps, verticalTaps } from '../../../src/images/resize-taps.js';
import { planConv } from '../../../src/layers/conv/conv.js';
import { convShapeOf } from '../../../src/layers/conv/direct.js';
import { candidateMethods, defaultChoices } from '../../../src/layers/conv/method.js';
import { candidateTiles } from '../../../src/layers/conv/tiles/kinds.js';
import { tileSize, type TileDevice } from '../../../src/layers/conv/tiles/tile.js';
import { featureMap } from '../../../src/layers/feature-map.js';
import { target } from '../target.js';

/** WebGPU's default limit, which no device may undercut. */
const mostWorkgroups = 65535;

function checkDispatches(dispatches: readonly Dispatch[]): void {
  for (const { label, workgroups, bindings } of dispatches) {
    const fits = (count: number) =>
      Number.isInteger(count) && count >= 1 && count <= mostWorkgroups;
    if (!workgroups.every(fits))
      throw new Error(`${label} has ${workgroups.join(' x ')} workgroups`);
    for (const { resource, range } of bindings) {
      if (!range || !('bytes' in resource)) continue;
      if (range.offset % 256 !== 0 || range.offset + range.bytes > resource.bytes)
        throw new Error(`${label} binds ${range.offset}…+${range.bytes} of ${resource.bytes}`);
    }
  }
}

const devices: readonly TileDevice[] = [
  { software: true, maxWorkgroupBytes: 16384 },
  { software: true, maxWorkgroupBytes: 32768, subgroupSize: 4 },
  { software: true, maxWorkgroupBytes: 32768, subgroupSize: 8 },
  { software: false, maxWorkgroupBytes: 16384, subgroupSize: 32 },
  { software: false, maxWorkgroupBytes: 32768, vendor: 'intel', pinnedSubgroupSize: 8 },
  { software: false, maxWorkgroupBytes: 65536, vendor: 'amd', architecture: 'gcn-5' },
  {
    software: false,
    maxWorkgroupBytes: 49152,
    subgroupMatrix: { M: 16, N: 16, K: 16, subgroup: 32, pinned: true },
  },
];

interface ConvInput {
  readonly device: TileDevice;
  readonly kernel: number;
  readonly stride: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly height: number;
  readonly width: number;
  readonly images: number;
  readonly precision: 'f32' | 'f16';
  /** Picks the method and the tile among those that fit. */
  readonly choice: number;
}

const side = fc.oneof(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 4096 }));
const channels = fc.integer({ min: 1, max: 512 }).map((fours) => 4 * fours);

/** Values of the largest map that a device can bind. */
const mostValues = 2 ** 28;

const convolutions: fc.Arbitrary<ConvInput> = fc
  .record({
    device: fc.constantFrom(...devices),
    kernel: fc.constantFrom(1, 3),
    stride: fc.constantFrom(1, 2),
    inChannels: channels,
    outChannels: channels,
    height: side,
    width: side,
    images: fc.integer({ min: 1, max: 4 }),
    precision: fc.constantFrom('f32', 'f16'),
    choice: fc.nat(1000),
  })
  .map((input) => {
    const row = input.width * input.images * Math.max(input.inChannels, input.outChannels);
    return { ...input, height: Math.max(1, Math.min(input.height, Math.floor(mostValues / row))) };
  });

function planConvolution(input: ConvInput): void {
  const { device, kernel, stride, height, width, images, precision, choice } = input;
  const choices = defaultChoices(device);
  const methods = candidateMethods(input, device);
  const { inChannels, outChannels } = input;
  const tiles: typeof choices.tile = (shape) => {
    const fitting = candidateTiles(shape, device);
    return fitting[choice % (fitting.length + 1)] ?? choices.tile(shape);
  };
  const { output, dispatches } = planConv(
    'conv',
    featureMap('input', height, width, inChannels, precision, images),
    {
      method: methods[choice % methods.length],
      tiles,
      bandBytes: choices.bandBytes,
      weights: { label: 'weights', bytes: 4 },
      weightOrder: choices.weightOrder({ kernel, stride, inChannels, outChannels, precision }),
      precision,
      bias: { label: 'bias', bytes: 4 * outChannels },
      inChannels,
      outChannels,
      kernel,
      stride,
    },
  );
  checkDispatches(dispatches);
  const expected = [height, width].map((size) => Math.ceil(size / stride));
  if (output.height !== expected[0] || output.width !== expected[1])
    throw new Error(`an output of ${output.height} x ${output.width}`);
  for (const planned of dispatches) {
    const shape = convShapeOf(planned);
    if (!shape) continue;
    const [pixels, out4] = tileSize(tiles(shape));
    const [x, y, z] = planned.workgroups;
    const covered = x * y * pixels >= shape.sizes[2] * shape.sizes[3];
    if (!covered || z * out4 * 4 < shape.outChannels * (shape.batches ?? 1))
      throw new Error(`${x} x ${y} x ${z} tiles of ${pixels} x ${out4} don't cover the output`);
  }
}

interface SizeInput extends ResizeSettings {
  readonly height: number;
  readonly width: number;
}

const anySize = fc.oneof(
  fc.integer({ min: -2, max: 5000 }),
  fc.constantFrom(0, NaN, Infinity, 0.5, 2 ** 31, 2 ** 53, -1),
);
const sizes: fc.Arbitrary<SizeInput> = fc.record({
  height: anySize,
  width: anySize,
  shortSide: anySize,
  maxSide: fc.option(anySize, { nil: undefined }),
});

function planSize({ height, width, ...settings }: SizeInput): void {
  const size = resizedSize(height, width, settings);
  for (const [from, to] of [
    [height, size.height],
    [width, size.width],
  ]) {
    if (!(to > 0 && to % 32 === 0)) throw new Error(`a resized side of ${to}`);
    for (const taps of [horizontalTaps(from, to), verticalTaps(from, to)]) {
      if (taps.index1.some((index) => index >= from)) throw new Error('a tap outside the image');
      if (taps.weight0.some((weight, i) => weight + taps.weight1[i] !== 2048))
        throw new Error('weights of taps that do not add up');
    }
  }
  const map = featureMap('map', size.height / 4, size.width / 4, 8);
  for (const software of [true, false])
    checkDispatches(planAggregation(map, size, { software }).dispatches);
}

const settings = fc.record({
  minKernelArea: fc.oneof(fc.double(), fc.constantFrom(2 ** 31 - 0.5, 2 ** 32, '3')),
  mode: fc.constantFrom('reference', 'always', 'other', undefined),
  distance: fc.oneof(fc.double(), fc.constantFrom(3, Infinity, '3')),
});

function packAny(input: object): void {
  const given = input as Parameters<typeof checkAggregationSettings>[0];
  checkAggregationSettings(given);
  if (packSettings(given).length % 4 !== 0) throw new Error('settings of an odd length');
}

export const planTargets = [
  target({ name: 'convolution plans', inputs: convolutions, read: planConvolution, inSuite: 40 }),
  target({ name: 'image sizes', inputs: sizes, read: planSize, inSuite: 300 }),
  target({ name: 'aggregation settings', inputs: settings, read: packAny, inSuite: 1000 }),
];
