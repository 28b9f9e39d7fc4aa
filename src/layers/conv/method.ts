// Chooses the method that computes a convolution. Weights are packed for it before any image's size
// is known, so the choice holds for a whole class of convolutions. The fastest method depends on
// the adapter, so a tuning (src/tuning) can choose it.
import type { GpuProfile } from '../../gpu/context.js';
import { type WeightOrder, convName } from './shape.js';
import { bandBytesOf } from './bands.js';
import { type TileChooser, defaultTile } from './tiles/kinds.js';
import { fillsMatrices } from './tiles/matrix.js';
import type { TileDevice } from './tiles/tile.js';
import type { Precision } from '../precision.js';

/**
 * How a conv is computed: `direct` (any kernel and stride), or `winograd` (3×3, stride 1: a quarter
 * of the multiplications, but intermediate maps 2.25 times as large; relative differences from
 * `direct` near 1e-6).
 */
export type ConvMethod = 'direct' | 'winograd';

/** The properties by which a method is chosen. Channels are multiples of 4. */
export interface ConvClass {
  readonly kernel: number;
  readonly stride: number;
  readonly inChannels: number;
  readonly outChannels: number;
  /** How weights and maps are stored. */
  readonly precision: Precision;
}

/** The device-dependent choices for packing and planning convolutions. */
export interface ConvChoices {
  method(conv: ConvClass): ConvMethod;
  /** The order of its weights, which decides whether its tiles use subgroup matrices. */
  weightOrder(conv: ConvClass): WeightOrder;
  readonly tile: TileChooser;
  /** Maximum bytes of the maps between a layer's dispatches; see bands.ts. */
  readonly bandBytes: number;
}

/** The device properties by which methods are chosen. */
export type MethodDevice = Pick<GpuProfile, 'software'>;

/**
 * The methods that may be fastest for a class on a device. The first is the default without a
 * tuning.
 */
export function candidateMethods(
  { kernel, stride, inChannels }: ConvClass,
  { software }: MethodDevice,
): readonly ConvMethod[] {
  // With few input channels the transforms cost more than they save.
  if (kernel !== 3 || stride !== 1 || inChannels < 16) return ['direct'];
  // On a CPU multiplications dominate: direct, with four times as many, took 1.4 to 2.5 times as
  // long (lavapipe, 320² and 640²).
  return software ? ['winograd'] : ['winograd', 'direct'];
}

/** The default choices, used without a tuning. */
export function defaultChoices(device: TileDevice): ConvChoices {
  return {
    method: (conv) => candidateMethods(conv, device)[0],
    weightOrder: (conv) => (fillsMatrices(conv, device) ? 'input' : 'output'),
    tile: (shape) => defaultTile(shape, device),
    bandBytes: bandBytesOf(device),
  };
}

/**
 * A class as text: `3x3/1 64>128 f16`, followed by `matrix` if it is computed on subgroup matrices.
 * The same adapter lacks them without the toggle, and the fastest method then differs.
 */
export function classKey(conv: ConvClass, device: TileDevice): string {
  return `${convName(conv)} ${conv.precision}${fillsMatrices(conv, device) ? ' matrix' : ''}`;
}
