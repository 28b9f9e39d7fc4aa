// Any map, on each adapter and by the sequential twin: the same regions, or the same refusal.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { checkAggregationInput, planesOf } from '../../src/aggregation/input.js';
import {
  aggregationSettings,
  type MapInput,
  regionsFromMap,
} from '../../src/detection/regions-from-map.js';
import { PanppError } from '../../src/errors.js';
import { type Region, regionsFromLabels } from '../../src/shapes/regions.js';
import { maps } from '../fuzz/maps.js';
import { describeOnGpus } from '../support/gpu.js';
import { aggregateSequential, sumLabelsSequential } from '../../src/aggregation/sequential.js';

const seed = 20260712;
const runs = 40;

/** The regions by the twin. @throws PanppError */
function twinRegions({ map, height, width, imageSize, originalSize, settings }: MapInput) {
  const input = { ...planesOf(map, height, width), ...aggregationSettings(settings) };
  checkAggregationInput(input);
  const result = aggregateSequential(input);
  return {
    labels: result.labels,
    regions: regionsFromLabels({
      labels: result.labels,
      height,
      width,
      sums: sumLabelsSequential(result, input, imageSize.height, imageSize.width),
      settings,
      imageHeight: imageSize.height,
      imageWidth: imageSize.width,
      originalHeight: originalSize.height,
      originalWidth: originalSize.width,
    }),
  };
}

async function refusalOf(work: () => unknown): Promise<PanppError | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (error instanceof PanppError) return error;
    throw error;
  }
}

const withoutScores = (regions: readonly Region[]) =>
  regions.map(({ score: _, ...region }) => region);

describeOnGpus('any map', (gpu) => {
  it('has the sequential twin’s regions, or is refused as by it', async () => {
    let [read, refused] = [0, 0];
    await fc.assert(
      fc.asyncProperty(maps, async (input) => {
        const refusal = await refusalOf(() => twinRegions(input));
        if (refusal) {
          refused++;
          expect(await refusalOf(() => regionsFromMap(gpu, input))).toEqual(refusal);
          return;
        }
        read++;
        const [twin, own] = [twinRegions(input), await regionsFromMap(gpu, input)];
        expect(own.labels).toEqual(twin.labels);
        expect(withoutScores(own.regions)).toEqual(withoutScores(twin.regions));
        own.regions.forEach(({ score }, i) =>
          expect(Math.abs(score - twin.regions[i].score)).toBeLessThan(1e-6),
        );
      }),
      { seed, numRuns: runs },
    );
    expect(read).toBeGreaterThan(runs / 2);
    expect(refused).toBeGreaterThan(0);
  });
});
