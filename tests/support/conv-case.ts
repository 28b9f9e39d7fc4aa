// A random convolution with bias, ReLU, and a residual or a sum with another map, computed by the
// twin, and on a GPU with any tile.
import type { Gpu } from '../../src/gpu/context.js';
import { packConv, planConv, planSummedConv } from '../../src/layers/conv/conv.js';
import { type ConvMethod, defaultChoices } from '../../src/layers/conv/method.js';
import type { ConvShape } from '../../src/layers/conv/shape.js';
import type { TileChooser } from '../../src/layers/conv/tiles/kinds.js';
import type { ConvTile } from '../../src/layers/conv/tiles/tile.js';
import { packWeights } from '../../src/layers/pack.js';
import type { Precision } from '../../src/layers/precision.js';
import { randomValues, runLayer, stored } from './run-layer.js';
import { add, conv2d, planes, relu } from './twin.js';

export interface ConvCase {
  readonly out: number;
  readonly in: number;
  readonly kernel: number;
  readonly stride: number;
  readonly height: number;
  readonly width: number;
  /** The result is its sum with another map, added after the ReLU instead of before it. */
  readonly summed?: boolean;
}

export interface RunnableConv {
  /** The twin's result. */
  readonly expected: Float32Array;
  /** Runs it with the default tile; also returns its shape. */
  runDefault(): Promise<{ values: Float32Array; shape: ConvShape }>;
  /** Runs it with a tile. */
  run(tile: ConvTile): Promise<Float32Array>;
}

/** @param method default: the device's default method */
export function convCase(
  gpu: Gpu,
  precision: Precision,
  { out, in: channels, kernel, stride, height, width, summed = false }: ConvCase,
  method?: ConvMethod,
): RunnableConv {
  const values = (count: number, seed: number) => stored(randomValues(count, seed), precision);
  const weights = {
    weight: values(out * channels * kernel ** 2, 7),
    bias: randomValues(out, 8),
    outChannels: out,
    inChannels: channels,
    kernel,
  };
  const input = planes(channels, height, width, values(channels * height * width, 1));
  const linear = conv2d(input, weights.weight, weights.bias, kernel, stride);
  const added = { ...linear, data: stored(linear.data, precision) };
  const defaults = defaultChoices(gpu.profile);
  const runWith = async (tile: TileChooser) => {
    const choices = { ...defaults, tile };
    const { packed, dispose } = packWeights(gpu, precision, choices, (packer) =>
      packConv(packer, 'conv', weights, stride, method),
    );
    const output = await runLayer(
      gpu,
      [input, added],
      ([map, other]) => {
        if (!summed) return planConv('conv', map, packed, { relu: true, residual: other });
        const { total, dispatches } = planSummedConv('conv', map, packed, other);
        return { output: total, dispatches };
      },
      precision,
    );
    dispose();
    return output.data;
  };
  return {
    expected: (summed ? add(relu(linear), added) : relu(add(linear, added))).data,
    async runDefault() {
      let shape: ConvShape | undefined;
      const result = await runWith((asked) => defaults.tile((shape = asked)));
      return { values: result, shape: shape! };
    },
    run: (tile) => runWith(() => tile),
  };
}
