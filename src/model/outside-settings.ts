// Settings that come from outside the program, as text: the command line's options and the
// service's parameters. Their bounds are tighter than those of the API, so that a slip of the
// finger does not ask for terabytes.
import { PanppError } from '../errors.js';
import type { DetectionSettings } from '../network/config.js';
import { type CorrectionSettings, defaultCorrection } from '../recognition/lexicon.js';
import { maxBeam } from '../recognition/plan.js';

/** The smallest and the largest value of a setting. */
export type Bounds = readonly [least: number, most: number];

/** Bounds of the settings that are numbers. */
export const settingBounds = {
  shortSide: [32, 8192],
  maxSide: [32, 1_000_000],
  tileSide: [768, 1_000_000],
  tolerance: [0, 10_000],
  minScore: [0, 1],
  minArea: [0, 1e9],
  beam: [1, maxBeam],
  lengthThreshold: [0, 100],
  scoreThreshold: [0, 1],
  nonAlphaScoreThreshold: [0, 1],
  ignoreScoreThreshold: [0, 1],
  editDistanceThreshold: [0, 100],
} as const satisfies Readonly<Record<string, Bounds>>;

/** Settings of detection that may be given. */
export interface GivenSettings {
  readonly shortSide?: number;
  readonly maxSide?: number;
  readonly bbox?: 'rect' | 'poly';
  readonly tolerance?: number;
  readonly minScore?: number;
  readonly minArea?: number;
}

/**
 * Given settings on top of others.
 * @throws PanppError `argument` for an invalid combination
 */
export function settingsOf(given: GivenSettings, others: DetectionSettings): DetectionSettings {
  const { shortSide, maxSide, bbox = others.bbox, tolerance, minScore, minArea } = given;
  if (tolerance !== undefined && bbox === 'rect')
    throw new PanppError(
      'argument',
      'tolerance (--tolerance) is for outlines; set bbox (--bbox) to poly',
    );
  return {
    ...others,
    bbox,
    shortSide: shortSide ?? others.shortSide,
    maxSide: maxSide ?? others.maxSide,
    // The default tolerance also applies only to outlines.
    tolerance: tolerance ?? (bbox === 'poly' ? others.tolerance : undefined),
    minScore: minScore ?? others.minScore,
    minArea: minArea ?? others.minArea,
  };
}

/** Names of the thresholds of the correction rule. */
export const thresholdNames = Object.keys(defaultCorrection) as (keyof CorrectionSettings)[];

/**
 * The thresholds that are given, to correct words by; undefined if words are left as they are.
 * @param corrects whether there is a lexicon, or words are to be corrected without one
 * @throws PanppError `argument` for a threshold that would have no effect
 */
export function thresholdsOf(
  given: Partial<CorrectionSettings>,
  corrects: boolean,
): Partial<CorrectionSettings> | undefined {
  const names = thresholdNames.filter((name) => given[name] !== undefined);
  if (corrects) return Object.fromEntries(names.map((name) => [name, given[name]]));
  if (names.length > 0)
    throw new PanppError(
      'argument',
      `${names[0]} is for words that are corrected; give a lexicon (--lexicon) or correct (--correct)`,
    );
  return undefined;
}
