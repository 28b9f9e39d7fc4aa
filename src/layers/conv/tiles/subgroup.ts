// Tiles in registers for adapters whose subgroups have 4 or 8 lanes; these compute on a CPU
// (shaders/conv_subgroup.wgsl).
import source from '../../../../shaders/conv_subgroup.wgsl';
import lanes4 from '../../../../shaders/subgroup4.wgsl';
import lanes8 from '../../../../shaders/subgroup8.wgsl';
import type { Source } from '../../../wgsl/source.js';
import { type TileKind, distinct, lanesFor } from './tile.js';

/**
 * @param size invocations in a subgroup
 * @param widths maximum numbers of invocations along channels, the default first
 */
function subgroupKind(
  size: 4 | 8,
  lanes: Source,
  widths: readonly number[],
  pixelCounts: readonly number[],
): TileKind {
  return {
    weightOrder: 'output',
    sources: [source, lanes],
    candidates(shape, { subgroupSize }) {
      if (subgroupSize !== size) return [];
      const whole = distinct(widths.map((most) => lanesFor(shape, most))).filter(
        (across) => across % size === 0,
      );
      return pixelCounts.flatMap((pixels) =>
        whole.map((across) => ({
          kind: `subgroup${size}` as const,
          pixels,
          vectors: 1,
          lanes: across,
          rows: 1,
          depth: 0,
        })),
      );
    },
    variant: ({ pixels }) => ({
      counts: { o: pixels / size, l: size },
      constants: { SUBGROUP: size },
    }),
    overrides: ({ pixels }) => ({ PIXELS: pixels }),
  };
}

/**
 * For SwiftShader. With 16 invocations along channels, most convolutions of the detector share
 * pipelines, which SwiftShader compiles slowly.
 */
export const subgroup4 = subgroupKind(4, lanes4, [16, 4], [16, 4]);

/** For lavapipe. */
export const subgroup8 = subgroupKind(8, lanes8, [32, 16, 8], [16, 8, 24]);
