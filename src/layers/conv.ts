// 2-D convolution: which of three ways it is computed, how its weights are packed for that, and its plan.
import shader from '../../shaders/conv.wgsl';
import { type Kernel, type Resource, gridOf, read } from '../gpu/kernel.js';
import type { ConvWeights } from './conv-weights.js';
import { type FeatureMap, featureMap, readMap, sizesOf, vec4s, writeMap } from './feature-map.js';
import { type MatmulVariant, largestDivisor, matmulVariant, planMatmul } from './matmul.js';
import type { WeightPacker } from './pack.js';
import { type Precision, withTypes } from './precision.js';
import { planWinograd, winogradPlaces } from './winograd.js';

/**
 * How a conv is computed: `direct` (any kernel and stride), `matmul` (1×1, stride 1), `winograd` (3×3, stride 1: a quarter of the
 * multiplications, differences to `direct` near 1e-6 relative).
 */
export type ConvMethod = 'direct' | 'matmul' | 'winograd';

/** Packed weights on the GPU, with what a plan needs to know of them. Channels are counted with padding to a multiple of 4. */
export interface PackedConv {
  readonly method: ConvMethod;
  readonly variant: MatmulVariant;
  readonly weights: Resource;
  /** How the weights are stored; the bias is float32. */
  readonly precision: Precision;
  readonly bias: Resource;
  readonly outChannels: number;
  readonly inChannels: number;
  readonly kernel: number;
  readonly stride: number;
}

/** The method that suits a conv. */
export function convMethod({ kernel, inChannels }: Pick<ConvWeights, 'kernel' | 'inChannels'>, stride: number): ConvMethod {
  if (stride !== 1) return 'direct';
  if (kernel === 1) return 'matmul';
  // With few input channels the transforms cost more than they save.
  return kernel === 3 && inChannels >= 16 ? 'winograd' : 'direct';
}

/** Packs a conv for its method. */
export function packConv(
  packer: WeightPacker,
  label: string,
  conv: ConvWeights,
  stride = 1,
  method = convMethod(conv, stride),
): PackedConv {
  const { weight, bias, outChannels, inChannels, kernel } = conv;
  const taps = kernel * kernel;
  const { outStride = inChannels * taps } = conv;
  const [paddedIn, paddedOut] = [inChannels, outChannels].map((channels) => vec4s(channels) * 4);
  const winograd = method === 'winograd';
  const weights = packer.pack(label, weight, {
    counts: [winograd ? winogradPlaces : taps, paddedIn, paddedOut],
    ...{ used: [inChannels, outChannels], strides: [1, taps, outStride], winograd },
  });
  return {
    ...{ method, weights, precision: packer.precision, bias: packer.bias(label, bias) },
    variant: matmulVariant(paddedOut, packer.gpu.profile.subgroupSize),
    ...{ outChannels: paddedOut, inChannels: paddedIn, kernel, stride },
  };
}

export interface ConvOptions {
  relu?: boolean;
  /** Added before the ReLU; of the output's shape and precision. */
  residual?: FeatureMap;
  /** How the output is stored; as the weights are unless given. */
  precision?: Precision;
}

/** Plans `relu(conv(input) + bias + residual)`, padding kernel / 2. */
export function planConv(
  label: string,
  input: FeatureMap,
  conv: PackedConv,
  { relu = false, residual, precision = conv.precision }: ConvOptions = {},
): { output: FeatureMap; kernels: Kernel[] } {
  const { kernel, stride, outChannels } = conv;
  const outSize = (size: number) => Math.floor((size + 2 * (kernel >> 1) - kernel) / stride) + 1;
  const output = featureMap(label, outSize(input.height), outSize(input.width), outChannels, precision);
  switch (conv.method) {
    case 'direct':
      return { output, kernels: [planDirect(label, input, output, conv, relu, residual)] };
    case 'winograd':
      return { output, kernels: planWinograd({ label, input, output, ...conv, relu, residual }) };
    case 'matmul': {
      const planned = planMatmul(conv.variant, {
        label,
        ...{ rows: readMap(input), weights: conv.weights, output: writeMap(output), batches: 1, count: output.height * output.width },
        ...{ inChannels: conv.inChannels, outChannels },
        types: typesOf(input, conv, output),
        epilogue: { bias: conv.bias, relu, residual: residual && readMap(residual) },
      });
      return { output, kernels: [planned] };
    }
  }
}

function typesOf(input: FeatureMap, weights: PackedConv, output: FeatureMap) {
  return { input: input.precision, weight: weights.precision, output: output.precision };
}

// Pixels that one invocation computes; `TILE` in the shader.
const tile = 8;
const lanesAcross = 32;

function planDirect(
  label: string,
  input: FeatureMap,
  output: FeatureMap,
  conv: PackedConv,
  relu: boolean,
  residual: FeatureMap | undefined,
): Kernel {
  const { weights, bias, inChannels, kernel, stride } = conv;
  const out4 = vec4s(output.channels);
  const lanes = largestDivisor(out4, lanesAcross);
  const rows = Math.max(1, Math.floor(64 / lanes));
  const tiles = Math.ceil((output.height * output.width) / tile);
  const [x, y] = gridOf(Math.ceil(tiles / rows));
  return {
    label,
    code: withTypes(shader, typesOf(input, conv, output)),
    constants: {
      ...{ KERNEL: kernel, STRIDE: stride, LANES: lanes, ROWS: rows },
      ...{ RELU: Number(relu), RESIDUAL: Number(residual !== undefined) },
    },
    // Something must be bound where there is no residual; it is not read.
    bindings: [readMap(input), read(weights), read(bias), residual ? readMap(residual) : read(weights), writeMap(output)],
    uniforms: [...sizesOf(input, output), vec4s(inChannels), out4],
    workgroups: [x, y, out4 / lanes],
  };
}
