// All kinds of tiles, and the default tile of a shape. The fastest tile depends on the adapter, so
// a tuning (src/tuning) can choose another.
import common from '../../../../shaders/conv_common.wgsl';
import store from '../../../../shaders/conv_store.wgsl';
import storeWithSum from '../../../../shaders/conv_store_sum.wgsl';
import { type Shader, type Variant, shaderOf } from '../../../wgsl/assemble.js';
import type { Source } from '../../../wgsl/source.js';
import { type ConvShape, pixelBucket } from '../shape.js';
import { matrix } from './matrix.js';
import { plain, plainTile } from './plain.js';
import { subgroup4, subgroup8 } from './subgroup.js';
import {
  type ConvTile,
  type TileDevice,
  type TileKind,
  type TileKindName,
  lanesFor,
  tileSize,
} from './tile.js';
import { defaultTiled, tiled } from './tiled.js';

/** Chooses the tile for a shape. */
export type TileChooser = (shape: ConvShape) => ConvTile;

const kinds: Readonly<Record<TileKindName, TileKind>> = {
  plain,
  subgroup4,
  subgroup8,
  tiled,
  matrix,
};

/** All tiles that may be fastest for a shape on a device. */
export function candidateTiles(shape: ConvShape, device: TileDevice): ConvTile[] {
  const { weightOrder = 'output' } = shape;
  return Object.values(kinds)
    .filter((kind) => kind.weightOrder === weightOrder)
    .flatMap((kind) => kind.candidates(shape, device));
}

const shadersWith = (end: Source): Record<TileKindName, (variant: Variant) => Shader> =>
  Object.fromEntries(
    Object.entries(kinds).map(([name, { sources }]) => [name, shaderOf(...sources, common, end)]),
  ) as Record<TileKindName, (variant: Variant) => Shader>;

const shaders = shadersWith(store);
const shadersWithSum = shadersWith(storeWithSum);

/**
 * The shader and the overrides of a tile.
 * @param withSum whether it also stores the sum with another map
 */
export function tileShader(
  tile: ConvTile,
  types: ConvShape['types'],
  withSum = false,
): { shader: Shader; constants: Record<string, number> } {
  const kind = kinds[tile.kind];
  const shader = (withSum ? shadersWithSum : shaders)[tile.kind];
  return {
    shader: shader({ ...kind.variant(tile), types }),
    constants: { LANES: tile.lanes, ...kind.overrides(tile) },
  };
}

/** The WGSL of all tile kinds, as a tuning measures them. */
export const tileSources: readonly Source[] = [
  common,
  store,
  ...new Set(Object.values(kinds).flatMap(({ sources }) => sources)),
];

/**
 * The default tile of a shape, used without a tuning. For adapters that compute on a CPU, the
 * choice was measured. For GPUs it was not: it follows from the number of values that an invocation
 * reads per multiplication (docs/tuning.md).
 */
export function defaultTile(shape: ConvShape, device: TileDevice): ConvTile {
  if (shape.weightOrder === 'input') {
    const matrices = matrix.candidates(shape, device);
    return matrices.find(({ pixels, rows }) => pixels * rows <= pixelBucket(shape)) ?? matrices[0];
  }
  const shared = [subgroup4, subgroup8].flatMap((kind) => kind.candidates(shape, device));
  // At most as many pixels as the shape has: Winograd's products of a small map have one to four.
  const fits = shared.find(({ pixels }) => pixels === Math.max(4, pixelBucket(shape)));
  if (shared.length > 0) return fits ?? shared[0];
  return defaultTiled(shape, device) ?? plainTile(device.software ? 8 : 4, lanesFor(shape));
}

/**
 * A readable name for a tile: `tiled 64x64 by 8x8, 16 deep` is 64 pixels × 64 channels, 8 × 8 per
 * invocation, in steps of 16 input channels.
 */
export function tileName(tile: ConvTile): string {
  const [pixels, out4] = tileSize(tile);
  const { kind, depth, matrix: matrices } = tile;
  const deep = depth > 0 ? `, ${depth} deep` : '';
  const of = matrices ? `, ${matrices.M}x${matrices.N}x${matrices.K} by ${matrices.subgroup}` : '';
  return `${kind} ${pixels}x${4 * out4} by ${tile.pixels}x${4 * tile.vectors}${deep}${of}`;
}
