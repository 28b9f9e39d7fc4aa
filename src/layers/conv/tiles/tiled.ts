// Tiles in workgroup memory, for GPUs (shaders/conv_tiled.wgsl).
import common from '../../../../shaders/conv_common.wgsl';
import source from '../../../../shaders/conv_tiled.wgsl';
import { shaderOf } from '../../../wgsl/assemble.js';
import { type ConvShape, pixelBucket } from '../shape.js';
import { type ConvTile, type TileDevice, type TileKind, tileSize } from './tile.js';

// 64 to 256 invocations with 16 to 64 sums each. Invocations take turns along the depth of a pixel
// and read whole rows of columns, so lanes · rows must be a multiple of depth / 4, pixels · depth /
// 4 of lanes, and rows of vectors.
const tiles = (
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
).map(([pixels, vectors, lanes, rows, depth]): ConvTile => ({
  kind: 'tiled',
  pixels,
  vectors,
  lanes,
  rows,
  depth,
}));

/** Bytes of workgroup memory: one step's inputs of all pixels and weights of all channels. */
function memoryOf(tile: ConvTile): number {
  const [pixels, out4] = tileSize(tile);
  return (pixels + 4 * out4) * tile.depth * 4;
}

// The tile must fit in workgroup memory, and more than half of its pixels, channels and depth must
// lie in the shape.
function suits(tile: ConvTile, shape: ConvShape, { maxWorkgroupBytes }: TileDevice): boolean {
  const [pixels, out4] = tileSize(tile);
  return (
    memoryOf(tile) <= maxWorkgroupBytes &&
    pixels < 2 * pixelBucket(shape) &&
    out4 < shape.outChannels / 2 &&
    tile.depth < 2 * shape.kernel ** 2 * shape.inChannels
  );
}

export const tiled: TileKind = {
  sources: [source],
  shader: shaderOf(source, common),
  // On a CPU, workgroup memory is no faster than other memory, and barriers are expensive.
  candidates: (shape, device) =>
    device.software ? [] : tiles.filter((tile) => suits(tile, shape, device)),
  variant: ({ pixels, vectors, lanes, rows, depth }) => ({
    // An invocation's reads of input and of weights in a step, its pixels, its vec4s of channels,
    // the input channels of a vec4.
    counts: {
      i: (pixels * depth) / 4 / lanes,
      j: (depth * vectors) / rows,
      p: pixels,
      c: vectors,
      r: 4,
    },
  }),
  overrides: ({ pixels, vectors, rows, depth }) => ({
    PIXELS: pixels,
    VECTORS: vectors,
    ROWS: rows,
    DEPTH4: depth / 4,
  }),
};
