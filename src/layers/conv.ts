// 2-D convolution (shaders/conv.wgsl): how its weights are packed, and its plan.
import shader from '../../shaders/conv.wgsl';
import { type Kernel, type Resource, gridOf, read, write } from '../gpu/kernel.js';
import { type FeatureMap, featureMap, sizesOf, vec4s } from './feature-map.js';

/** A conv with its batch norm folded in. */
export interface ConvWeights {
  /** Output channels × input channels × kernel × kernel, as PyTorch stores it. */
  readonly weight: Float32Array;
  readonly bias: Float32Array;
  readonly outChannels: number;
  readonly inChannels: number;
  readonly kernel: number;
}

/** Packed weights on the GPU, with what a plan needs to know of them. Channels are counted with padding to a multiple of 4. */
export interface PackedConv {
  readonly resource: Resource;
  readonly outChannels: number;
  readonly inChannels: number;
  readonly kernel: number;
}

/** Weights as the shader reads them: [tap][input channel][output channel], then the bias; channels padded with zeros to fours. */
export function packConv({ weight, bias, outChannels, inChannels, kernel }: ConvWeights): Float32Array {
  const taps = kernel * kernel;
  const paddedIn = vec4s(inChannels) * 4;
  const paddedOut = vec4s(outChannels) * 4;
  const packed = new Float32Array((taps * paddedIn + 1) * paddedOut);
  for (let out = 0; out < outChannels; out++) {
    for (let channel = 0; channel < inChannels; channel++) {
      const source = (out * inChannels + channel) * taps;
      for (let tap = 0; tap < taps; tap++) packed[(tap * paddedIn + channel) * paddedOut + out] = weight[source + tap];
    }
  }
  packed.set(bias, taps * paddedIn * paddedOut);
  return packed;
}

export interface ConvOptions {
  stride?: number;
  relu?: boolean;
  /** Added before the ReLU; of the output's shape. */
  residual?: FeatureMap;
}

// Pixels that one invocation computes; `TILE` in the shader.
const tile = 8;
const lanesAcross = 32;

/** Plans `relu(conv(input) + bias + residual)`, padding kernel / 2. */
export function planConv(
  label: string,
  input: FeatureMap,
  weights: PackedConv,
  { stride = 1, relu = false, residual }: ConvOptions = {},
): { output: FeatureMap; kernels: Kernel[] } {
  const { kernel, outChannels } = weights;
  const outSize = (size: number) => Math.floor((size + 2 * (kernel >> 1) - kernel) / stride) + 1;
  const output = featureMap(label, outSize(input.height), outSize(input.width), outChannels);
  const out4 = vec4s(outChannels);
  const lanes = largestDivisor(out4, lanesAcross);
  const rows = Math.max(1, Math.floor(64 / lanes));
  const tiles = Math.ceil((output.height * output.width) / tile);
  const [x, y] = gridOf(Math.ceil(tiles / rows));
  const planned: Kernel = {
    label,
    code: shader,
    constants: {
      KERNEL: kernel,
      STRIDE: stride,
      IN4: vec4s(weights.inChannels),
      OUT4: out4,
      LANES: lanes,
      ROWS: rows,
      RELU: Number(relu),
      RESIDUAL: Number(residual !== undefined),
    },
    bindings: [
      read(input.slot),
      read(weights.resource),
      // Something must be bound where there is no residual; it is not read.
      read(residual?.slot ?? weights.resource),
      write(output.slot),
    ],
    uniforms: sizesOf(input, output),
    workgroups: [x, y, out4 / lanes],
  };
  return { output, kernels: [planned] };
}

function largestDivisor(value: number, limit: number): number {
  for (let divisor = Math.min(limit, value); divisor > 1; divisor--) if (value % divisor === 0) return divisor;
  return 1;
}
