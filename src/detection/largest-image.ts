// How large an image a device can look at: found by planning, so that it is what the plan is.
import { type BufferLimits, tightestFit } from '../gpu/program.js';
import { DEFAULT_MAX_PIXELS } from '../images/size.js';
import { defaultChoices } from '../layers/conv/method.js';
import type { TileDevice } from '../layers/conv/tiles/tile.js';
import type { Precision } from '../layers/precision.js';
import type { ModelConfig } from '../network/config.js';
import { planWeights } from '../network/weights.js';
import { planDetection } from './pass.js';

/** What the network's sides are multiples of. */
const step = 32;

/**
 * The side in pixels of the largest square, after resizing, whose maps fit a device's bindings. The
 * memory that it has is another matter.
 */
export function largestSquare(
  config: ModelConfig,
  precision: Precision,
  device: BufferLimits & TileDevice,
): number {
  const weights = planWeights(config, precision, defaultChoices(device));
  // Of what the device allows, how much the largest map takes: about as the image's area grows, so
  // few plans are enough.
  const shareOf = (side: number): number => {
    // Resizing reads two pixels of the original for one at most, each way.
    const original = { rows: 2 * side, columns: 2 * side, channels: 4 } as const;
    const { stages } = planDetection(
      config,
      weights,
      original,
      { height: side, width: side },
      device,
    );
    return tightestFit(
      device,
      stages.flatMap(({ dispatches }) => dispatches),
    ).share;
  };
  let [fits, tooLarge] = [0, Math.floor(Math.sqrt(DEFAULT_MAX_PIXELS)) + step];
  let side = tooLarge - step;
  // Where that is wrong, as where weights are the largest, halving the range now and then ends it.
  for (let turn = 1; tooLarge - fits > step; turn++) {
    const share = shareOf(side);
    if (share <= 1) fits = side;
    else tooLarge = side;
    const expected = turn % 3 > 0 ? side / Math.sqrt(share) : (fits + tooLarge) / 2;
    side = Math.min(Math.max(Math.floor(expected / step) * step, fits + step), tooLarge - step);
  }
  return fits;
}
