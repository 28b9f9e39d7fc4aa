// Tiles in workgroup memory, for GPUs (shaders/conv_tiled.wgsl).
import source from '../../../../shaders/conv_tiled.wgsl';
import { type ConvShape, pixelBucket } from '../shape.js';
import { type ConvTile, type TileDevice, type TileKind, tileSize } from './tile.js';

// 64 to 256 invocations with 8 to 64 sums each. In each step, an invocation reads inputs at one
// depth and weights of one column, and all invocations read equally many. So lanes · rows must be a
// multiple of depth / 4, pixels · depth / 4 of lanes, and depth · vectors of rows.
const tile = (
  pixels: number,
  vectors: number,
  lanes: number,
  rows: number,
  depth: number,
): ConvTile => ({ kind: 'tiled', pixels, vectors, lanes, rows, depth });

const wide = tile(8, 2, 16, 16, 16);
const square = tile(8, 2, 8, 8, 16);
const flat = tile(16, 1, 16, 4, 16);
const halved = tile(4, 2, 8, 8, 16);
const halvedDeep = tile(4, 2, 8, 16, 16);
const quarter = tile(4, 1, 16, 8, 16);
const eighth = tile(4, 1, 16, 4, 16);
const small = tile(2, 1, 16, 8, 32);

/** All tiles that a tuning may choose. */
const tiles: readonly ConvTile[] = [
  square,
  flat,
  tile(8, 2, 8, 16, 16),
  tile(8, 2, 16, 8, 16),
  wide,
  tile(8, 2, 16, 16, 32),
  halved,
  halvedDeep,
  tile(4, 1, 8, 8, 16),
  quarter,
  eighth,
  small,
];

/**
 * Default tiles of a device, the largest first: those that its compiler keeps in registers without
 * spilling, with at least two subgroups in flight (bench/STATIC.md).
 */
function defaultsOf({ vendor, architecture, pinnedSubgroupSize }: TileDevice): readonly ConvTile[] {
  // At most 16 sums fit in 64 registers, or where wide subgroups can't be avoided.
  if (/^(arm|qualcomm|img-tec|samsung)$/.test(vendor ?? '')) return [eighth, small];
  if (vendor === 'intel') return pinnedSubgroupSize ? [wide, flat, quarter, eighth] : [small];
  if (architecture?.startsWith('gcn')) return [halvedDeep, quarter, eighth];
  return [square, halved, quarter, eighth];
}

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

/**
 * Workgroups that fill a large GPU: two for each of 132 multiprocessors. A dispatch with fewer gets
 * smaller tiles.
 */
const fullGrid = 264;

/**
 * Most pixels that a batch's tiles may compute, per pixel of its map. 66 pixels in tiles of 64 would
 * be almost twice the work.
 */
const mostWork = 1.5;

/** The default tile of a shape, used without a tuning; undefined if none suits. */
export function defaultTiled(shape: ConvShape, device: TileDevice): ConvTile | undefined {
  if (device.software) return undefined;
  const suitable = defaultsOf(device).filter((each) => suits(each, shape, device));
  const { sizes, outChannels, batches = 1 } = shape;
  const pixels = sizes[2] * sizes[3];
  const fills = (each: ConvTile) => {
    const [tilePixels, out4] = tileSize(each);
    const tilesDown = Math.ceil(pixels / tilePixels);
    return (
      tilesDown * Math.ceil(outChannels / 4 / out4) * batches >= fullGrid &&
      tilesDown * tilePixels <= mostWork * pixels
    );
  };
  return suitable.find(fills) ?? suitable.at(-1);
}

export const tiled: TileKind = {
  weightOrder: 'output',
  sources: [source],
  // On a CPU, workgroup memory is no faster than other memory, and barriers are expensive.
  candidates: (shape, device) =>
    device.software ? [] : tiles.filter((each) => suits(each, shape, device)),
  variant: ({ pixels, vectors, lanes, rows, depth }) => ({
    // Per invocation: reads of input (i) and of weights (j) in a step, pixels (p), vec4s of
    // channels (c). r: the input channels of a vec4.
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
