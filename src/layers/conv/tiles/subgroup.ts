// Tiles in registers for adapters whose subgroups have 4 or 8 lanes; these compute on a CPU
// (shaders/conv_subgroup.wgsl).
import common from '../../../../shaders/conv_common.wgsl';
import source from '../../../../shaders/conv_subgroup.wgsl';
import { shaderOf } from '../../../wgsl/assemble.js';
import { type ConvTile, type TileDevice, type TileKind, distinct, lanesFor } from './tile.js';

/** SwiftShader's subgroups have 4 lanes; lavapipe's 8, or 4 where the CPU has no AVX. */
const subgroupSizes = [4, 8];

/** The tile for `lanes` invocations across; undefined unless these are whole subgroups. */
export function subgroupTile(
  pixels: number,
  lanes: number,
  { subgroupSize }: Pick<TileDevice, 'subgroupSize'>,
): ConvTile | undefined {
  if (!subgroupSize || !subgroupSizes.includes(subgroupSize) || lanes % subgroupSize !== 0)
    return undefined;
  return { kind: 'subgroup', pixels, vectors: 1, lanes, rows: 1, depth: 0, subgroup: subgroupSize };
}

export const subgroup: TileKind = {
  source,
  shader: shaderOf(source, common),
  candidates: (shape, device) =>
    distinct([32, 16, 8].map((most) => lanesFor(shape, most)))
      .flatMap((lanes) => [8, 16, 24].map((pixels) => subgroupTile(pixels, lanes, device)))
      .filter((tile) => tile !== undefined),
  variant: ({ pixels, subgroup: size }) => ({
    counts: { o: pixels / size!, l: size! },
    constants: { SUBGROUP: size! },
  }),
  overrides: ({ pixels }) => ({ PIXELS: pixels }),
};
