// 2-D convolution: which of three ways it is computed, how its weights are packed for that, and its plan.
import shader from '../../shaders/conv.wgsl';
import type { Gpu } from '../gpu/context.js';
import { type Kernel, type Resource, gridOf, read } from '../gpu/kernel.js';
import type { ConvWeights } from './conv-weights.js';
import { type FeatureMap, featureMap, readMap, sizesOf, vec4s, writeMap } from './feature-map.js';
import { type MatmulVariant, largestDivisor, matmulVariant, planMatmul } from './matmul.js';
import { packWinograd, planWinograd } from './winograd.js';

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
  /** By itself for `winograd`; else behind the weights. */
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

/** Packs a conv for its method and puts it on the GPU with `upload`. */
export function packedConv(
  conv: ConvWeights,
  stride: number,
  subgroupSize: Gpu['profile']['subgroupSize'],
  upload: (data: Float32Array) => Resource,
  method = convMethod(conv, stride),
): PackedConv {
  const outChannels = vec4s(conv.outChannels) * 4;
  const shape = { outChannels, inChannels: vec4s(conv.inChannels) * 4, kernel: conv.kernel, stride };
  const variant = matmulVariant(outChannels, subgroupSize);
  if (method === 'winograd') {
    const bias = new Float32Array(outChannels);
    bias.set(conv.bias);
    return { method, variant, weights: upload(packWinograd(conv)), bias: upload(bias), ...shape };
  }
  const weights = upload(packDirect(conv));
  return { method, variant, weights, bias: weights, ...shape };
}

/** Weights as [tap][input channel][output channel], then the bias; channels padded with zeros to fours. */
function packDirect({ weight, bias, outChannels, inChannels, kernel }: ConvWeights): Float32Array {
  const taps = kernel * kernel;
  const paddedIn = vec4s(inChannels) * 4;
  const paddedOut = vec4s(outChannels) * 4;
  const packed = new Float32Array((taps * paddedIn + 1) * paddedOut);
  // Output channels in the inner loop: writes then run along the taps' planes.
  for (let channel = 0; channel < inChannels; channel++) {
    for (let out = 0; out < outChannels; out++) {
      const source = (out * inChannels + channel) * taps;
      for (let tap = 0; tap < taps; tap++) packed[(tap * paddedIn + channel) * paddedOut + out] = weight[source + tap];
    }
  }
  packed.set(bias, taps * paddedIn * paddedOut);
  return packed;
}

export interface ConvOptions {
  relu?: boolean;
  /** Added before the ReLU; of the output's shape. */
  residual?: FeatureMap;
}

/** Plans `relu(conv(input) + bias + residual)`, padding kernel / 2. */
export function planConv(
  label: string,
  input: FeatureMap,
  conv: PackedConv,
  { relu = false, residual }: ConvOptions = {},
): { output: FeatureMap; kernels: Kernel[] } {
  const { kernel, stride, outChannels } = conv;
  const outSize = (size: number) => Math.floor((size + 2 * (kernel >> 1) - kernel) / stride) + 1;
  const output = featureMap(label, outSize(input.height), outSize(input.width), outChannels);
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
        epilogue: { relu, residual: residual && readMap(residual) },
      });
      return { output, kernels: [planned] };
    }
  }
}

// Pixels that one invocation computes; `TILE` in the shader.
const tile = 8;
const lanesAcross = 32;

function planDirect(
  label: string,
  input: FeatureMap,
  output: FeatureMap,
  { weights, inChannels, kernel, stride }: PackedConv,
  relu: boolean,
  residual: FeatureMap | undefined,
): Kernel {
  const out4 = vec4s(output.channels);
  const lanes = largestDivisor(out4, lanesAcross);
  const rows = Math.max(1, Math.floor(64 / lanes));
  const tiles = Math.ceil((output.height * output.width) / tile);
  const [x, y] = gridOf(Math.ceil(tiles / rows));
  return {
    label,
    code: shader,
    constants: {
      ...{ KERNEL: kernel, STRIDE: stride, LANES: lanes, ROWS: rows },
      ...{ RELU: Number(relu), RESIDUAL: Number(residual !== undefined) },
    },
    // Something must be bound where there is no residual; it is not read.
    bindings: [readMap(input), read(weights), residual ? readMap(residual) : read(weights), writeMap(output)],
    uniforms: [...sizesOf(input, output), vec4s(inChannels), out4],
    workgroups: [x, y, out4 / lanes],
  };
}
