// Tiles in registers, for any device (shaders/conv.wgsl).
import source from '../../../../shaders/conv.wgsl';
import { type ConvTile, type TileKind, distinct, lanesFor } from './tile.js';
import { subgroup4, subgroup8 } from './subgroup.js';

/** Approximate number of invocations per workgroup. */
const groupSize = 64;

export function plainTile(pixels: number, lanes: number): ConvTile {
  return {
    kind: 'plain',
    pixels,
    vectors: 1,
    lanes,
    rows: Math.max(1, Math.floor(groupSize / lanes)),
    depth: 0,
  };
}

export const plain: TileKind = {
  weightOrder: 'output',
  sources: [source],
  candidates(shape, device) {
    // On a CPU the kinds that share reads within a subgroup are about twice as fast where they are
    // available, and 16 pixels do not fit in registers.
    if (
      device.software &&
      [subgroup4, subgroup8].some((kind) => kind.candidates(shape, device).length > 0)
    )
      return [];
    const lanes = distinct([lanesFor(shape), lanesFor(shape, 8)]);
    return lanes.flatMap((count) =>
      (device.software ? [4, 8] : [4, 8, 16]).map((pixels) => plainTile(pixels, count)),
    );
  },
  variant: ({ pixels }) => ({ counts: { p: pixels } }),
  overrides: ({ pixels, rows }) => ({ PIXELS: pixels, ROWS: rows }),
};
