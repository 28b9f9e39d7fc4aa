// What convolutions are told apart by.
import type { Precision } from '../precision.js';

/** What a tile is chosen by. Channels are multiples of 4. */
export interface ConvShape {
  readonly kernel: number;
  readonly stride: number;
  readonly inChannels: number;
  readonly outChannels: number;
  /** 1 unless given. */
  readonly batches?: number;
  /** Heights and widths: `inHeight, inWidth, outHeight, outWidth`. */
  readonly sizes: readonly [number, number, number, number];
  /** How input, weights and output are stored. */
  readonly types: {
    readonly input: Precision;
    readonly weight: Precision;
    readonly output: Precision;
  };
}

/**
 * Output pixels of one batch, up to the next power of two: shapes that differ in less get the same
 * tile.
 */
export function pixelBucket({ sizes }: ConvShape): number {
  return 2 ** Math.ceil(Math.log2(sizes[2] * sizes[3]));
}

/** What convolutions of one kind have in common, in words: `3x3/2 64>128`. */
export function convName({
  kernel,
  stride,
  inChannels,
  outChannels,
}: Pick<ConvShape, 'kernel' | 'stride' | 'inChannels' | 'outChannels'>): string {
  return `${kernel}x${kernel}/${stride} ${inChannels}>${outChannels}`;
}

/**
 * What shapes that get the same tile have in common, in words: `1x1/1 64>128 x36 1024px f32 f32
 * f32`.
 */
export function shapeKey(shape: ConvShape): string {
  const { batches = 1, types } = shape;
  return `${convName(shape)} x${batches} ${pixelBucket(shape)}px ${types.input} ${types.weight} ${types.output}`;
}
