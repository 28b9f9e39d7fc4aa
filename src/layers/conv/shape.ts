// The shape of a convolution, and its keys for tuning.
import type { Precision } from '../precision.js';

/** The properties by which a tile is chosen. Channels are multiples of 4. */
export interface ConvShape {
  readonly kernel: number;
  readonly stride: number;
  readonly inChannels: number;
  readonly outChannels: number;
  /** Default: 1. */
  readonly batches?: number;
  /** Heights and widths: `inHeight, inWidth, outHeight, outWidth`. */
  readonly sizes: readonly [number, number, number, number];
  /** How input, weights and output are stored. */
  readonly types: {
    readonly input: Precision;
    readonly weight: Precision;
    readonly output: Precision;
  };
  /** Default: `output`. */
  readonly weightOrder?: WeightOrder;
}

/**
 * Whose channels lie next to each other in the weights: the output's, or the input's, as tiles of
 * subgroup matrices read them.
 */
export type WeightOrder = 'output' | 'input';

/**
 * Output pixels of one batch, rounded up to a power of two: a tuning has one tile for all shapes of
 * a bucket.
 */
export function pixelBucket({ sizes }: ConvShape): number {
  return 2 ** Math.ceil(Math.log2(sizes[2] * sizes[3]));
}

/** Kernel, stride and channels as text: `3x3/2 64>128`. */
export function convName({
  kernel,
  stride,
  inChannels,
  outChannels,
}: Pick<ConvShape, 'kernel' | 'stride' | 'inChannels' | 'outChannels'>): string {
  return `${kernel}x${kernel}/${stride} ${inChannels}>${outChannels}`;
}

/**
 * A key that is equal for shapes that share a tuning's tile: `1x1/1 64>128 x36 1024px f32 f32 f32`,
 * followed by `matrix` if it is computed on subgroup matrices.
 */
export function shapeKey(shape: ConvShape): string {
  const { batches = 1, types, weightOrder } = shape;
  return `${convName(shape)} x${batches} ${pixelBucket(shape)}px ${types.input} ${types.weight} ${types.output}${weightOrder === 'input' ? ' matrix' : ''}`;
}
