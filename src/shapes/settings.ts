import { PanppError } from '../errors.js';

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
   * With `poly`: simplify so that no contour point is further than this from the polygon, in pixels
   * of the original image.
   */
  readonly tolerance?: number;
}

/** @throws PanppError `argument` that names the setting out of range. */
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
  // A string such as '4' would work in some expressions and not in others.
  for (const [name, value] of Object.entries({ minScore, minArea, scale, tolerance })) {
    if (value !== undefined && typeof value !== 'number')
      reject(`${name} must be a number, got ${JSON.stringify(value)}`);
  }
  if (!(minScore >= 0 && minScore <= 1)) reject(`minScore must lie in 0 … 1, got ${minScore}`);
  if (!(minArea >= 0 && minArea < Infinity)) reject(`minArea must be 0 or more, got ${minArea}`);
  if (!(scale > 0 && scale < Infinity)) reject(`scale must be above 0, got ${scale}`);
  if (bbox !== 'rect' && bbox !== 'poly')
    reject(`bbox must be 'rect' or 'poly', got ${String(bbox)}`);
  if (tolerance === undefined) return;
  if (bbox !== 'poly') reject(`tolerance applies to 'poly' only, leave it out for '${bbox}'`);
  if (!(tolerance >= 0 && tolerance < Infinity))
    reject(`tolerance must be 0 or more, got ${tolerance}`);
}
