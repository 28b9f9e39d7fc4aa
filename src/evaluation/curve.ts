// Precision and recall against the score threshold, with the same protocol at each threshold.
import { evaluate } from './evaluate.js';
import { formatResults, resultFileName, type ResultRegion } from './results.js';
import type { FileSet } from './formats/files.js';
import type { EvaluationOptions, Protocol, Score } from './types.js';

export interface ScoredRegion extends ResultRegion {
  readonly score: number;
}

export interface CurvePoint extends Score {
  /** Regions with at least this score were kept. */
  readonly threshold: number;
}

/**
 * The protocol's figures at each threshold, in the order given. A threshold that leaves no region
 * is skipped: precision is undefined there.
 * @param detections regions by the image's name, such as `img_25.jpg`; an empty list if nothing was
 * found.
 * @throws PanppError as `evaluate` and `formatResults` do.
 */
export function thresholdCurve(
  protocol: Protocol,
  groundTruth: FileSet,
  detections: ReadonlyMap<string, readonly ScoredRegion[]>,
  thresholds: readonly number[],
  options: EvaluationOptions = {},
): CurvePoint[] {
  const encoder = new TextEncoder();
  return thresholds.flatMap((threshold) => {
    const results = new Map<string, Uint8Array>();
    let kept = 0;
    for (const [image, regions] of detections) {
      const good = regions.filter(({ score }) => score >= threshold);
      kept += good.length;
      results.set(resultFileName(protocol, image), encoder.encode(formatResults(protocol, good)));
    }
    if (kept === 0) return [];
    const { precision, recall, hmean } = evaluate(protocol, groundTruth, results, options);
    return [{ threshold, precision, recall, hmean }];
  });
}
