import { PanppError } from '../errors.js';
import { checkNumber } from '../options.js';

/** Which regions are kept and what shape they get. */
export interface RegionSettings {
  /** Smallest mean text probability of a region. */
  readonly minScore: number;
  /**
   * Smallest area in pixels; divided by scale², then compared with the area at the resized image's
   * size.
   */
  readonly minArea: number;
  /** The head's scale: the label map is 1 / scale of the resized image. */
  readonly scale: number;
  /** `rect`: four corners of the minimum-area rectangle. `poly`: the outer contour. */
  readonly bbox: 'rect' | 'poly';
  /**
   * With `poly`: simplify so that no contour point is farther than this from the polygon, in pixels
   * of the original image.
   */
  readonly tolerance?: number;
}

/** @throws PanppError `argument` for a setting out of range; the message names it. */
export function checkRegionSettings({
  minScore,
  minArea,
  scale,
  bbox,
  tolerance,
}: RegionSettings): void {
  const reject = (what: string): never => {
    throw new PanppError('argument', `region settings: ${what}`);
  };
  checkNumber('minScore', minScore, 0, 1);
  checkNumber('minArea', minArea, 0);
  checkNumber('scale', scale, 0);
  if (scale === 0) reject('scale is 0; it must be above 0');
  if (bbox !== 'rect' && bbox !== 'poly')
    reject(`bbox must be 'rect' or 'poly', got ${String(bbox)}`);
  if (tolerance === undefined) return;
  if (bbox !== 'poly') reject(`tolerance applies to 'poly' only, leave it out for '${bbox}'`);
  checkNumber('tolerance', tolerance, 0);
}
