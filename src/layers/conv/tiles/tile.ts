// A tile says which outputs of a convolution each workgroup and each invocation computes. Tiles are
// plain data; each kind (plain.ts, subgroup.ts, tiled.ts, matrix.ts) has its own shader,
// requirements on shape and device, and memory use. All tiles compute the same convolution.
import type { GpuProfile, SubgroupMatrix } from '../../../gpu/context.js';
import type { Variant } from '../../../wgsl/assemble.js';
import type { Source } from '../../../wgsl/source.js';
import type { ConvShape, WeightOrder } from '../shape.js';

/**
 * `plain`: registers; `subgroup4`, `subgroup8`: registers, with reads shared by subgroups of 4 or 8
 * lanes; `tiled`: workgroup memory; `matrix`: subgroup matrices, the tensor cores
 * (shaders/conv*.wgsl).
 */
export type TileKindName = 'plain' | 'subgroup4' | 'subgroup8' | 'tiled' | 'matrix';

/**
 * A tile: an invocation computes `pixels` × 4 · `vectors` channels; a workgroup has `lanes`
 * invocations along channels and `rows` along pixels. For the kind `matrix`, read "subgroup"
 * instead of "invocation".
 */
export interface ConvTile {
  /** Which shader. */
  readonly kind: TileKindName;
  /** Pixels that an invocation computes. */
  readonly pixels: number;
  /** Vec4s of channels that an invocation computes. */
  readonly vectors: number;
  /** Invocations of a workgroup along channels. */
  readonly lanes: number;
  /** Invocations of a workgroup along pixels. */
  readonly rows: number;
  /** Input channels that a workgroup copies to its memory at a time; 0 for kinds that copy none. */
  readonly depth: number;
  /** For the kind `matrix`: the device's matrices. */
  readonly matrix?: SubgroupMatrix;
}

/** The device properties by which tiles are chosen. */
export type TileDevice = Pick<GpuProfile, 'software' | 'maxWorkgroupBytes'> &
  Partial<
    Pick<
      GpuProfile,
      'vendor' | 'architecture' | 'subgroupSize' | 'pinnedSubgroupSize' | 'subgroupMatrix'
    >
  >;

/** A kind of tile: the interface that planning, tuning and tests use. */
export interface TileKind {
  /** The order in which it reads weights. */
  readonly weightOrder: WeightOrder;
  /** The WGSL of this kind, without conv_common.wgsl and conv_store.wgsl or conv_store_sum.wgsl. */
  readonly sources: readonly Source[];
  /**
   * The tiles that may be fastest for a shape on a device; empty if the kind does not work or makes
   * no sense there.
   */
  candidates(shape: ConvShape, device: TileDevice): ConvTile[];
  /** The shader variant of a tile. */
  variant(tile: ConvTile): Variant;
  /** Values of the shader's own overrides. */
  overrides(tile: ConvTile): Record<string, number>;
}

/** Pixels and vec4s of channels that a workgroup computes. */
export function tileSize({
  pixels,
  vectors,
  lanes,
  rows,
}: ConvTile): [pixels: number, out4: number] {
  return [pixels * rows, vectors * lanes];
}

/** Whether `other`, which may be untrusted data, has all members of a tile. */
export function sameTile(tile: ConvTile, other: ConvTile): boolean {
  return hasMembers(tile, other);
}

function hasMembers(value: unknown, other: unknown): boolean {
  if (typeof value !== 'object') return value === other;
  return Object.entries(value!).every(([name, member]) =>
    hasMembers(member, (other as Record<string, unknown> | undefined)?.[name]),
  );
}

/** Maximum invocations along channels, for kinds that do not use workgroup memory. */
const lanesAcross = 32;

/** The largest number of invocations along channels, up to `most`, that leaves none idle. */
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
