// What of a convolution's output a workgroup and an invocation compute: a tile, of one of several kinds of shader. Results are the same
// for all tiles; which is fastest depends on the adapter, so a tile is plain data that a tuning (src/tuning) can choose.
import common from '../../shaders/conv_common.wgsl';
import plainSource from '../../shaders/conv.wgsl';
import subgroupSource from '../../shaders/conv_subgroup8.wgsl';
import matrixSource from '../../shaders/conv_matrix.wgsl';
import tiledSource from '../../shaders/conv_tiled.wgsl';
import type { GpuProfile, SubgroupMatrix } from '../gpu/context.js';
import type { Precision } from './precision.js';
import { type Shader, type Source, type Variant, shaderOf } from '../wgsl/assemble.js';

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
  readonly types: { readonly input: Precision; readonly weight: Precision; readonly output: Precision };
}

/**
 * `plain`: registers; `subgroup8`: registers, for subgroups of 8 lanes; `tiled`: workgroup memory; `matrix`: subgroup matrices, the tensor
 * cores (shaders/conv*.wgsl).
 */
export type TileKindName = 'plain' | 'subgroup8' | 'tiled' | 'matrix';

/**
 * A tile: an invocation computes `pixels` × 4 · `vectors` channels, a workgroup has `lanes` across channels and `rows` down pixels. For the kind
 * `matrix`, a subgroup stands for an invocation.
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

/** Chooses the tile for a shape. */
export type TileChooser = (shape: ConvShape) => ConvTile;

/** What of a device decides which tiles there are. */
export type TileDevice = Pick<GpuProfile, 'software' | 'subgroupSize' | 'subgroupMatrix' | 'maxWorkgroupBytes'>;

/** A kind of tile: all that planning, tuning and tests know of it. */
interface TileKind {
  /** What may be fastest for a shape on a device; empty where the kind does not work on it or makes no sense for it. */
  candidates(shape: ConvShape, device: TileDevice): ConvTile[];
  readonly shader: (variant: Variant) => Shader;
  /** What a tile adds to it. */
  variant(tile: ConvTile): Variant;
  /** Values of its own overrides. */
  constants(tile: ConvTile): Record<string, number>;
}

const lanesAcross = 32;
/** Most invocations of a workgroup. */
const largestGroup = 256;
/** Invocations of a workgroup of the plain kind, about. */
const groupSize = 64;

const kinds: Readonly<Record<TileKindName, TileKind>> = {
  plain: {
    candidates(shape, device) {
      // On a CPU the subgroup's kind is at least twice as fast where there is one, and 16 pixels do not fit the registers.
      if (device.software && kinds.subgroup8.candidates(shape, device).length > 0) return [];
      const lanes = distinct([lanesAcross, 8].map((most) => largestDivisor(shape.outChannels / 4, most)));
      return lanes.flatMap((count) => (device.software ? [4, 8] : [4, 8, 16]).map((pixels) => plainTile(pixels, count)));
    },
    shader: shaderOf(plainSource, common),
    variant: ({ pixels }) => ({ counts: { p: pixels } }),
    constants: ({ pixels, rows }) => ({ PIXELS: pixels, ROWS: rows }),
  },

  subgroup8: {
    candidates({ outChannels }, { subgroupSize }) {
      // A workgroup must be whole subgroups.
      const lanes = [lanesAcross, 16, 8].map((most) => largestDivisor(outChannels / 4, most)).filter((count) => count % 8 === 0);
      return subgroupSize === 8 ? distinct(lanes).flatMap((count) => [8, 16, 24].map((pixels) => subgroupTile(pixels, count))) : [];
    },
    shader: shaderOf(subgroupSource, common),
    variant: ({ pixels }) => ({ counts: { o: pixels / 8, l: 8 } }),
    constants: ({ pixels }) => ({ PIXELS: pixels }),
  },

  tiled: {
    // On a CPU workgroup memory is no faster than any other, and barriers cost.
    candidates: (shape, device) => (device.software ? [] : tiledTiles.filter((tile) => suits(tile, shape, device))),
    shader: shaderOf(tiledSource, common),
    variant: (tile) => ({ counts: { i: readsOfInput(tile), j: readsOfWeights(tile), p: tile.pixels, c: tile.vectors, r: 4 } }),
    constants: ({ pixels, vectors, rows, depth }) => ({ PIXELS: pixels, VECTORS: vectors, ROWS: rows, DEPTH4: depth / 4 }),
  },

  matrix: {
    candidates: (shape, device) => (device.software ? [] : matrixTiles(device).filter((tile) => suitsMatrices(tile, shape, device))),
    shader: shaderOf(matrixSource, common),
    variant: (tile) => ({ counts: { p: matricesDown(tile), q: matricesAcross }, constants: matrixConstants(tile) }),
    // WGSL's matrix types take constants, not overrides.
    constants: () => ({}),
  },
};

function plainTile(pixels: number, lanes: number): ConvTile {
  return { kind: 'plain', pixels, vectors: 1, lanes, rows: Math.max(1, Math.floor(groupSize / lanes)), depth: 0 };
}

function subgroupTile(pixels: number, lanes: number): ConvTile {
  return { kind: 'subgroup8', pixels, vectors: 1, lanes, rows: 1, depth: 0 };
}

// Of 64 to 256 invocations, each with 16 to 64 sums. Invocations read the depth of a pixel in turns and whole rows of columns, so lanes · rows is
// a multiple of depth / 4, pixels · depth / 4 of lanes, rows of vectors.
const tiledTiles = (
  [
    // pixels, vectors, lanes, rows, depth
    [8, 2, 8, 8, 16],
    [16, 1, 16, 4, 16],
    [8, 2, 8, 16, 16],
    [8, 2, 16, 8, 16],
    [8, 2, 16, 16, 16],
    [8, 2, 16, 16, 32],
    [4, 2, 8, 8, 16],
    [4, 1, 8, 8, 16],
  ] as const
).map(([pixels, vectors, lanes, rows, depth]): ConvTile => ({ kind: 'tiled', pixels, vectors, lanes, rows, depth }));

// What fits a device, with no more than half of the tile's pixels, channels or depth beyond the shape's.
function suits(tile: ConvTile, shape: ConvShape, { maxWorkgroupBytes }: TileDevice): boolean {
  const [pixels, out4] = tileSize(tile);
  return (
    (pixels + 4 * out4) * tile.depth * 4 <= maxWorkgroupBytes &&
    pixels < 2 * pixelBucket(shape) &&
    out4 < shape.outChannels / 2 &&
    tile.depth < 2 * shape.kernel ** 2 * shape.inChannels
  );
}

/** Statements `$i` and `$j` in conv_tiled.wgsl. */
const readsOfInput = ({ pixels, lanes, depth }: ConvTile): number => (pixels * depth) / 4 / lanes;
const readsOfWeights = ({ vectors, rows, depth }: ConvTile): number => (depth * vectors) / rows;

const matricesAcross = 2;
const matricesDown = ({ pixels, matrix }: ConvTile): number => pixels / matrix!.M;

// Subgroups down and across, and the matrices of each of them down.
const matrixLayouts = [
  [2, 2, 4],
  [2, 2, 2],
  [1, 4, 4],
  [1, 4, 2],
  [1, 2, 4],
  [1, 2, 2],
  [2, 4, 4],
  [4, 2, 2],
] as const;

function matrixTiles({ subgroupSize: subgroup, subgroupMatrix }: TileDevice): ConvTile[] {
  if (!subgroup || !subgroupMatrix) return [];
  const { M, N, K } = subgroupMatrix;
  return matrixLayouts.map(([rows, lanes, down]) => ({
    ...{ kind: 'matrix', pixels: down * M, vectors: (matricesAcross * N) / 4, lanes, rows, depth: 2 * K },
    matrix: { M, N, K, subgroup },
  }));
}

// Whole steps of the depth and whole workgroups across; the rest as for `tiled`.
function suitsMatrices(tile: ConvTile, shape: ConvShape, { maxWorkgroupBytes }: TileDevice): boolean {
  const [pixels, out4] = tileSize(tile);
  const { M, N, subgroup } = tile.matrix!;
  // In conv_matrix.wgsl: corners, inputs, held.
  const bytes = pixels * (8 + 2 * (tile.depth + 8)) + tile.rows * tile.lanes * M * matricesAcross * N * 4;
  return (
    shape.types.input === 'f16' &&
    shape.types.weight === 'f16' &&
    shape.inChannels % tile.depth === 0 &&
    shape.outChannels % (4 * out4) === 0 &&
    tile.rows * tile.lanes * subgroup <= largestGroup &&
    bytes <= maxWorkgroupBytes &&
    pixels < 2 * pixelBucket(shape)
  );
}

function matrixConstants(tile: ConvTile): Record<string, number> {
  const { M, N, K, subgroup } = tile.matrix!;
  return { M, N, K, SUBGROUP: subgroup, DOWN: tile.rows, ACROSS: tile.lanes, MATRICES: matricesDown(tile) };
}

/** Pixels, and fours of channels, that a workgroup computes. */
export function tileSize({ pixels, vectors, lanes, rows }: ConvTile): [pixels: number, out4: number] {
  return [pixels * rows, vectors * lanes];
}

/** All tiles that may be fastest for a shape on a device. */
export function candidateTiles(shape: ConvShape, device: TileDevice): ConvTile[] {
  return Object.values(kinds).flatMap((kind) => kind.candidates(shape, device));
}

/** The WGSL and the overrides that a tile is computed by. */
export function tileShader(tile: ConvTile, types: ConvShape['types']): { shader: Shader; constants: Record<string, number> } {
  const kind = kinds[tile.kind];
  return { shader: kind.shader({ ...kind.variant(tile), types }), constants: { LANES: tile.lanes, ...kind.constants(tile) } };
}

/** The WGSL that tiles are made of. */
export const tileSources: readonly Source[] = [common, plainSource, subgroupSource, tiledSource, matrixSource];

/**
 * The tile that a shape gets without a tuning. On adapters that compute on a CPU it has been measured; on GPUs it follows from how many values
 * an invocation must read for a multiplication (docs/tuning.md), and has not.
 */
export function defaultTile(shape: ConvShape, device: TileDevice): ConvTile {
  const lanes = largestDivisor(shape.outChannels / 4, lanesAcross);
  if (device.subgroupSize === 8 && lanes % 8 === 0) return subgroupTile(16, lanes);
  const fitting = [kinds.matrix, kinds.tiled].map((kind) => {
    const tiles = kind.candidates(shape, device);
    // 128 or 64 pixels × 64 channels; for few pixels, fewer.
    return tiles.find(({ pixels, rows }) => pixels * rows <= pixelBucket(shape)) ?? tiles[0];
  });
  return fitting.find(Boolean) ?? plainTile(8, lanes);
}

/** Output pixels of one batch, up to the next power of two: shapes that differ in less get the same tile. */
function pixelBucket({ sizes }: ConvShape): number {
  return 2 ** Math.ceil(Math.log2(sizes[2] * sizes[3]));
}

/** What convolutions of one kind have in common, in words: `3x3/2 64>128`. */
export function convName({ kernel, stride, inChannels, outChannels }: Pick<ConvShape, 'kernel' | 'stride' | 'inChannels' | 'outChannels'>): string {
  return `${kernel}x${kernel}/${stride} ${inChannels}>${outChannels}`;
}

/**
 * What shapes that get the same tile have in common, in words: `1x1/1 64>128 x36 1024px f32 f32 f32`.
 */
export function shapeKey(shape: ConvShape): string {
  const { batches = 1, types } = shape;
  return `${convName(shape)} x${batches} ${pixelBucket(shape)}px ${types.input} ${types.weight} ${types.output}`;
}

/** A tile in words, no two alike: `tiled 64x64 by 8x8, 16 deep` is 64 pixels × 64 channels, 8 × 8 of them an invocation. */
export function tileName(tile: ConvTile): string {
  const [pixels, out4] = tileSize(tile);
  const { kind, depth, matrix } = tile;
  const deep = depth > 0 ? `, ${depth} deep` : '';
  const matrices = matrix ? `, ${matrix.M}x${matrix.N}x${matrix.K} by ${matrix.subgroup}` : '';
  return `${kind} ${pixels}x${4 * out4} by ${tile.pixels}x${4 * tile.vectors}${deep}${matrices}`;
}

function largestDivisor(value: number, limit: number): number {
  for (let divisor = Math.min(limit, value); divisor > 1; divisor--) if (value % divisor === 0) return divisor;
  return 1;
}

function distinct<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
