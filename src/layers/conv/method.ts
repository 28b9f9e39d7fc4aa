// Which way a convolution is computed. Its weights are packed for that way, before any image's size
// is known, so that the choice is one for all convolutions that are alike (a class); which way is
// fastest depends on the adapter, so a tuning (src/tuning) can choose it.
import type { GpuProfile } from '../../gpu/context.js';
import { convName } from './shape.js';
import { type TileChooser, defaultTile } from './tiles/kinds.js';
import type { TileDevice } from './tiles/tile.js';
import type { Precision } from '../precision.js';

/**
 * How a conv is computed: `direct` (any kernel and stride), or `winograd` (3×3, stride 1: a quarter
 * of the multiplications, through maps that are 2.25 times as large; differences to `direct` near
 * 1e-6 relative).
 */
export type ConvMethod = 'direct' | 'winograd';

/** What a method is chosen by. Channels are multiples of 4. */
export interface ConvClass {
  readonly kernel: number;
  readonly stride: number;
  readonly inChannels: number;
  readonly outChannels: number;
  /** How weights and maps are stored. */
  readonly precision: Precision;
}

/** How convolutions are computed: all that planning and packing choose by the device. */
export interface ConvChoices {
  method(conv: ConvClass): ConvMethod;
  readonly tile: TileChooser;
}

/** What of a device decides which methods make sense. */
export type MethodDevice = Pick<GpuProfile, 'software'>;

/**
 * The methods that may be fastest for a class on a device, the one that it gets without a tuning
 * first.
 */
export function candidateMethods(
  { kernel, stride, inChannels }: ConvClass,
  { software }: MethodDevice,
): readonly ConvMethod[] {
  // With few input channels the transforms cost more than they save.
  if (kernel !== 3 || stride !== 1 || inChannels < 16) return ['direct'];
  // A CPU is busy with multiplications: direct, which has four times as many, took 1.4 to 2.5 times
  // as long (lavapipe, 320² and 640²).
  return software ? ['winograd'] : ['winograd', 'direct'];
}

/** What convolutions get without a tuning. */
export function defaultChoices(device: TileDevice): ConvChoices {
  return {
    method: (conv) => candidateMethods(conv, device)[0],
    tile: (shape) => defaultTile(shape, device),
  };
}

/**
 * A class in words: `3x3/1 64>128 f16`, and `matrix` behind it where a device has subgroup matrices
 * for it: the same adapter has none without the toggle, and what is fastest with them is not
 * without.
 */
export function classKey(conv: ConvClass, { subgroupMatrix }: TileDevice): string {
  return `${convName(conv)} ${conv.precision}${conv.precision === 'f16' && subgroupMatrix ? ' matrix' : ''}`;
}
