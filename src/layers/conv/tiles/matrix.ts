// Tiles that use subgroup matrices, a GPU's tensor cores (shaders/conv_matrix.wgsl).
import source from '../../../../shaders/conv_matrix.wgsl';
import type { Precision } from '../../precision.js';
import { type ConvShape, pixelBucket } from '../shape.js';
import { type ConvTile, type TileDevice, type TileKind, tileSize } from './tile.js';

/** Matrices per subgroup along channels; the shader stores two at a time. */
const matricesAcross = 2;
/** Blocks of K input channels that are copied to workgroup memory at a time. */
const steps = 2;
/** Padding after each pixel's inputs, in values. It avoids bank conflicts. */
const gap = 8;
/** Most invocations of a workgroup. */
const largestGroup = 256;

// Subgroups along pixels, subgroups along channels, and matrices per subgroup along pixels.
const layouts = [
  [2, 2, 4],
  [2, 2, 2],
  [1, 4, 4],
  [1, 4, 2],
  [1, 2, 4],
  [1, 2, 2],
  [2, 4, 4],
  [4, 2, 2],
] as const;

function tilesOf({ subgroupMatrix }: TileDevice): ConvTile[] {
  if (!subgroupMatrix) return [];
  const { M, N, K } = subgroupMatrix;
  return layouts.map(([rows, lanes, down]) => ({
    kind: 'matrix',
    pixels: down * M,
    vectors: (matricesAcross * N) / 4,
    lanes,
    rows,
    depth: steps * K,
    matrix: subgroupMatrix,
  }));
}

/** The shader's constants, which size its arrays. */
function constantsOf({ pixels, rows, lanes, depth, matrix }: ConvTile) {
  const { M, N, K, subgroup } = matrix!;
  return {
    M,
    N,
    K,
    SUBGROUP: subgroup,
    DOWN: rows,
    ACROSS: lanes,
    MATRICES: pixels / M,
    DEPTH: depth,
    // Workgroup memory: pixels; values from one pixel's inputs to the next; sums per subgroup.
    PIXELS: pixels * rows,
    PITCH: depth + gap,
    HELD: M * matricesAcross * N,
  };
}

/** Bytes of workgroup memory: window corners, inputs, and held sums. */
function memoryOf(tile: ConvTile): number {
  const { PIXELS, PITCH, HELD, DOWN, ACROSS } = constantsOf(tile);
  return 8 * PIXELS + 2 * PIXELS * PITCH + 4 * DOWN * ACROSS * HELD;
}

type Channels = Pick<ConvShape, 'inChannels' | 'outChannels'>;

/** The tiles whose steps and workgroups a convolution's channels fill. */
function filledTiles({ inChannels, outChannels }: Channels, device: TileDevice): ConvTile[] {
  if (device.software) return [];
  return tilesOf(device).filter(
    (tile) =>
      inChannels % tile.depth === 0 &&
      outChannels % (4 * tileSize(tile)[1]) === 0 &&
      tile.rows * tile.lanes * tile.matrix!.subgroup <= largestGroup &&
      memoryOf(tile) <= device.maxWorkgroupBytes,
  );
}

/**
 * Whether a convolution is computed on subgroup matrices: always where it can be, because its
 * weights are packed for them before any image's size is known.
 */
export function fillsMatrices(
  conv: Channels & { readonly precision: Precision },
  device: TileDevice,
): boolean {
  return conv.precision === 'f16' && filledTiles(conv, device).length > 0;
}

const pixelsOf = (tile: ConvTile): number => tileSize(tile)[0];

export const matrix: TileKind = {
  weightOrder: 'input',
  sources: [source],
  candidates(shape, device) {
    const filled = filledTiles(shape, device);
    // More than half of a tile's pixels must lie in the shape, if any tile is that small.
    const suiting = filled.filter((tile) => pixelsOf(tile) < 2 * pixelBucket(shape));
    const smallest = filled.sort((a, b) => pixelsOf(a) - pixelsOf(b)).slice(0, 1);
    return suiting.length > 0 ? suiting : smallest;
  },
  // WGSL's subgroup matrix types need constants, not overrides.
  variant: (tile) => ({
    counts: { p: tile.pixels / tile.matrix!.M, q: matricesAcross },
    constants: constantsOf(tile),
    ...(tile.matrix!.pinned && { subgroupSize: tile.matrix!.subgroup }),
  }),
  overrides: () => ({}),
};
