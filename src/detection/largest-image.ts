// Finds the largest image that a device can process whole. It uses real plans, so the result always
// matches them.
import { type BufferLimits, tightestFit } from '../gpu/program.js';
import { DEFAULT_MAX_PIXELS } from '../images/size.js';
import { defaultChoices } from '../layers/conv/method.js';
import type { TileDevice } from '../layers/conv/tiles/tile.js';
import type { Precision } from '../layers/precision.js';
import type { ModelConfig } from '../network/config.js';
import { planWeights } from '../network/weights.js';
import { planDetection } from './pass.js';

/** The sides of the network's input are multiples of this. */
const step = 32;

/**
 * Side in pixels of the largest square image (after resizing) whose maps fit a device's binding
 * limits. Available memory is not considered.
 */
export function largestSquare(
  config: ModelConfig,
  precision: Precision,
  device: BufferLimits & TileDevice,
): number {
  const weights = planWeights(config, precision, defaultChoices(device));
  // Share of the device's limit that the largest map takes. It is roughly proportional to the
  // image's area, so a few plans are enough.
  const shareOf = (side: number): number => {
    // Resizing reads at most two source pixels for each result pixel, along each axis.
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
  // The proportionality can fail, for example if weights are the largest buffer; occasional
  // bisection guarantees termination.
  for (let turn = 1; tooLarge - fits > step; turn++) {
    const share = shareOf(side);
    if (share <= 1) fits = side;
    else tooLarge = side;
    const expected = turn % 3 > 0 ? side / Math.sqrt(share) : (fits + tooLarge) / 2;
    side = Math.min(Math.max(Math.floor(expected / step) * step, fits + step), tooLarge - step);
  }
  return fits;
}
