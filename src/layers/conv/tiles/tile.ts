// A tile says which outputs of a convolution each workgroup and each invocation computes. Tiles are
// plain data; each kind (plain.ts, subgroup.ts, tiled.ts, matrix.ts) has its shader, what it asks
// of shape and device, and the memory that it takes. Results are the same for all tiles.
import type { GpuProfile, SubgroupMatrix } from '../../../gpu/context.js';
import type { Shader, Source, Variant } from '../../../wgsl/assemble.js';
import type { ConvShape } from '../shape.js';

/**
 * `plain`: registers; `subgroup8`: registers, for subgroups of 8 lanes; `tiled`: workgroup memory;
 * `matrix`: subgroup matrices, the tensor cores (shaders/conv*.wgsl).
 */
export type TileKindName = 'plain' | 'subgroup8' | 'tiled' | 'matrix';

/**
 * A tile: an invocation computes `pixels` × 4 · `vectors` channels, a workgroup has `lanes` across
 * channels and `rows` down pixels. For the kind `matrix`, a subgroup stands for an invocation.
 */
export interface ConvTile {
  /** Which shader. */
  readonly kind: TileKindName;
  /** Pixels that an invocation computes. */
  readonly pixels: number;
  /** Fours of channels that an invocation computes. */
  readonly vectors: number;
  /** Invocations of a workgroup across channels. */
  readonly lanes: number;
  /** Invocations of a workgroup down pixels. */
  readonly rows: number;
  /** Input channels that a workgroup brings to its memory at a time; 0 for kinds without. */
  readonly depth: number;
  /** What the kind `matrix` is made of: the matrices, and the invocations of a subgroup. */
  readonly matrix?: SubgroupMatrix & { readonly subgroup: number };
}

/** What of a device decides which tiles there are. */
export type TileDevice = Pick<
  GpuProfile,
  'software' | 'subgroupSize' | 'subgroupMatrix' | 'maxWorkgroupBytes'
>;

/** A kind of tile: all that planning, tuning and tests know of it. */
export interface TileKind {
  /** Its own WGSL; conv_common.wgsl is behind it. */
  readonly source: Source;
  readonly shader: (variant: Variant) => Shader;
  /**
   * What may be fastest for a shape on a device; empty where the kind does not work on it or makes
   * no sense for it.
   */
  candidates(shape: ConvShape, device: TileDevice): ConvTile[];
  /** What a tile adds to the shader. */
  variant(tile: ConvTile): Variant;
  /** Values of the shader's own overrides. */
  overrides(tile: ConvTile): Record<string, number>;
}

/** Pixels, and fours of channels, that a workgroup computes. */
export function tileSize({
  pixels,
  vectors,
  lanes,
  rows,
}: ConvTile): [pixels: number, out4: number] {
  return [pixels * rows, vectors * lanes];
}

/** Most invocations across channels, of kinds that share no memory. */
const lanesAcross = 32;

/**
 * The largest number of invocations across channels that leaves none without work, at most `most`.
 */
export function lanesFor(
  { outChannels }: Pick<ConvShape, 'outChannels'>,
  most = lanesAcross,
): number {
  const vectors = outChannels / 4;
  for (let lanes = Math.min(most, vectors); lanes > 1; lanes--)
    if (vectors % lanes === 0) return lanes;
  return 1;
}

export function distinct<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
