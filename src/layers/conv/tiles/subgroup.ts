// Tiles in registers for adapters whose subgroups have 8 lanes; these compute on a CPU
// (shaders/conv_subgroup8.wgsl).
import common from '../../../../shaders/conv_common.wgsl';
import source from '../../../../shaders/conv_subgroup8.wgsl';
import { shaderOf } from '../../../wgsl/assemble.js';
import { type ConvTile, type TileKind, distinct, lanesFor } from './tile.js';

/** Lanes of a subgroup. */
const subgroupSize = 8;

export function subgroupTile(pixels: number, lanes: number): ConvTile {
  return { kind: 'subgroup8', pixels, vectors: 1, lanes, rows: 1, depth: 0 };
}

/** Whether `lanes` invocations across are whole subgroups of the device. */
export function suitsSubgroups(lanes: number, device: { readonly subgroupSize?: number }): boolean {
  return device.subgroupSize === subgroupSize && lanes % subgroupSize === 0;
}

export const subgroup: TileKind = {
  source,
  shader: shaderOf(source, common),
  candidates(shape, device) {
    const lanes = distinct([32, 16, 8].map((most) => lanesFor(shape, most))).filter((count) =>
      suitsSubgroups(count, device),
    );
    return lanes.flatMap((count) => [8, 16, 24].map((pixels) => subgroupTile(pixels, count)));
  },
  variant: ({ pixels }) => ({
    counts: { o: pixels / subgroupSize, l: subgroupSize },
    constants: { SUBGROUP: subgroupSize },
  }),
  overrides: ({ pixels }) => ({ PIXELS: pixels }),
};
