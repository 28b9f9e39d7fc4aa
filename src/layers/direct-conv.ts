// Convolution without a transform, of any kernel and stride (shaders/conv.wgsl), and with it the batched matrix product that Winograd's way ends
// in: its kernel, and which variant an adapter gets.
import common from '../../shaders/conv_common.wgsl';
import shader from '../../shaders/conv.wgsl';
import subgroupShader from '../../shaders/conv_subgroup8.wgsl';
import { type Binding, type Kernel, type Resource, gridOf, read } from '../gpu/kernel.js';
import { type Precision, withTypes } from './precision.js';

/** `subgroup8` is for adapters whose subgroups have 8 lanes, no more and no fewer. */
export type ConvVariant = 'plain' | 'subgroup8';

/** The variant for so many output channels on an adapter with subgroups of `subgroupSize`. A workgroup of `subgroup8` must be whole subgroups. */
export function convVariant(outChannels: number, subgroupSize: number | undefined): ConvVariant {
  return subgroupSize === 8 && largestDivisor(outChannels / 4, lanesAcross) % 8 === 0 ? 'subgroup8' : 'plain';
}

export interface DirectConvPlan {
  readonly label: string;
  /** [batches][height][width][inChannels] */
  readonly input: Binding;
  /** [batches][kernel · kernel][inChannels][outChannels] */
  readonly weights: Resource;
  /** [batches][height][width][outChannels] */
  readonly output: Binding;
  /** Heights and widths: `inHeight, inWidth, outHeight, outWidth`. */
  readonly sizes: readonly [number, number, number, number];
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernel: number;
  readonly stride: number;
  /** How input, weights and output are stored. */
  readonly types: { readonly input: Precision; readonly weight: Precision; readonly output: Precision };
  /** 1 unless given. */
  readonly batches?: number;
  readonly bias?: Resource;
  readonly relu?: boolean;
  /** Added before the ReLU, of one batch; of the output's shape and type. */
  readonly residual?: Binding;
}

const lanesAcross = 32;
/** Invocations of a workgroup of the plain variant, about. */
const groupSize = 64;
/** Pixels that one invocation computes; `TILE` in the shaders. */
const tiles: Readonly<Record<ConvVariant, number>> = { plain: 8, subgroup8: 16 };

/** Plans relu(conv(input) + bias + residual), padding kernel / 2. */
export function planDirectConv(variant: ConvVariant, plan: DirectConvPlan): Kernel {
  const { label, input, weights, output, sizes, inChannels, outChannels, kernel, stride, types, batches = 1, bias, relu = false, residual } = plan;
  const out4 = outChannels / 4;
  const lanes = largestDivisor(out4, lanesAcross);
  const rows = variant === 'plain' ? Math.max(1, Math.floor(groupSize / lanes)) : 1;
  const [x, y] = gridOf(Math.ceil((sizes[2] * sizes[3]) / (tiles[variant] * rows)));
  return {
    label,
    code: withTypes((variant === 'plain' ? shader : subgroupShader) + common, types),
    constants: {
      ...{ KERNEL: kernel, STRIDE: stride, LANES: lanes, ...(variant === 'plain' && { ROWS: rows }) },
      ...{ BIAS: Number(bias !== undefined), RELU: Number(relu), RESIDUAL: Number(residual !== undefined) },
    },
    // Something must be bound where there is no bias or residual; it is not read.
    bindings: [input, read(weights), read(bias ?? weights), residual ?? read(weights), output],
    uniforms: [...sizes, inChannels / 4, out4],
    workgroups: [x, y, (out4 / lanes) * batches],
  };
}

function largestDivisor(value: number, limit: number): number {
  for (let divisor = Math.min(limit, value); divisor > 1; divisor--) if (value % divisor === 0) return divisor;
  return 1;
}
