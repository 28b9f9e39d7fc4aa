// Batched matrix product (shaders/matmul_common.wgsl): the inner loop of 1×1 and of Winograd convolutions.
import shader from '../../shaders/matmul.wgsl';
import common from '../../shaders/matmul_common.wgsl';
import subgroupShader from '../../shaders/matmul_subgroup8.wgsl';
import { type Binding, type Kernel, type Resource, gridOf, read } from '../gpu/kernel.js';
import { type Precision, withTypes } from './precision.js';

/** `subgroup8` is for adapters whose subgroups have 8 lanes, no more and no fewer. */
export type MatmulVariant = 'plain' | 'subgroup8';

const variants = {
  plain: { code: shader + common, rows: 8 },
  subgroup8: { code: subgroupShader + common, rows: 16 },
} as const;

// A subgroup8 workgroup must be whole subgroups.
const lanesAcross = 32;
const lanesAtLeast = 8;

/** The variant for so many output channels on an adapter with subgroups of `subgroupSize`. */
export function matmulVariant(outChannels: number, subgroupSize: number | undefined): MatmulVariant {
  return subgroupSize === 8 && (outChannels / 4) % lanesAtLeast === 0 ? 'subgroup8' : 'plain';
}

export interface MatmulPlan {
  readonly label: string;
  /** [batches][count][inChannels] */
  readonly rows: Binding;
  /** [batches][inChannels][outChannels] */
  readonly weights: Resource;
  readonly output: Binding;
  readonly batches: number;
  readonly count: number;
  readonly inChannels: number;
  readonly outChannels: number;
  /** How rows, weights and output are stored. */
  readonly types: { readonly input: Precision; readonly weight: Precision; readonly output: Precision };
  /** relu(product + bias + residual), one batch only; the residual is stored as the output is. */
  readonly epilogue?: { readonly bias: Resource; readonly relu: boolean; readonly residual?: Binding };
}

export function planMatmul(variant: MatmulVariant, plan: MatmulPlan): Kernel {
  const { label, rows, weights, output, batches, count, inChannels, outChannels, types, epilogue } = plan;
  const out4 = outChannels / 4;
  const lanes = largestDivisor(out4, lanesAcross);
  const [x, y] = gridOf(Math.ceil(count / variants[variant].rows));
  return {
    label,
    code: withTypes(variants[variant].code, types),
    constants: {
      LANES: lanes,
      EPILOGUE: Number(epilogue !== undefined),
      RELU: Number(epilogue?.relu ?? false),
      RESIDUAL: Number(epilogue?.residual !== undefined),
    },
    // Something must be bound where there is no bias or residual; it is not read.
    bindings: [rows, read(weights), read(epilogue?.bias ?? weights), epilogue?.residual ?? read(weights), output],
    uniforms: [count, inChannels / 4, out4],
    workgroups: [x, y, (out4 / lanes) * batches],
  };
}

/** The largest divisor of `value` that is no larger than `limit`. */
export function largestDivisor(value: number, limit: number): number {
  for (let divisor = Math.min(limit, value); divisor > 1; divisor--) if (value % divisor === 0) return divisor;
  return 1;
}
