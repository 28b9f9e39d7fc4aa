// MSRA-TD500's protocol: rotated boxes as ground truth, IoU ≥ 0.5.
import { definedIou } from './ctw1500.js';
import { readMsraGroundTruth, readPolygons } from './formats/numbers.js';
import { refuse } from './formats/text.js';
import { type Outline, outline, reaches } from './geometry.js';
import { imageList, noFindings, setAside, reported } from './notes.js';
import type { FileSet } from './formats/files.js';
import { type EvaluationResult, type MsraTd500Image, score } from './types.js';

const IOU = 0.5;

/**
 * Only images with a result file are counted. Precision can exceed 1: a detection can match several
 * texts.
 */
export function evaluateMsraTd500(
  groundTruth: FileSet,
  results: FileSet,
): EvaluationResult<MsraTd500Image> {
  const findings = noFindings();
  findings.forms.add('MSRA-TD500 turned boxes');
  const { notes } = findings;
  const gtNameOf = (name: string) => `${name.split('.')[0]}.gt`;
  const extra = [...results.keys()].filter((name) => !groundTruth.has(gtNameOf(name)));
  setAside(
    extra.map((name) => ({ name, lacks: `the ground truth has no ${gtNameOf(name)}` })),
    results.size,
    findings,
  );
  const counts = { tp: 0, missed: 0, det: 0 };
  const perImage = new Map<string, MsraTd500Image>();
  const missing = new Set(groundTruth.keys());
  for (const [name, bytes] of results) {
    const key = name.split('.')[0];
    const gtName = gtNameOf(name);
    const gtBytes = groundTruth.get(gtName);
    if (!gtBytes) continue;
    missing.delete(gtName);
    const [gtPlace, place] = [`ground truth: ${gtName}`, `results: ${name}`];
    const gt = readMsraGroundTruth(gtPlace, gtBytes);
    const det = readPolygons(place, bytes, { yFirst: false });
    const image = evaluateImage(
      name,
      gt.map(({ polygon, isDifficult }) => ({ shape: outline(polygon, gtPlace), isDifficult })),
      det.map((polygon) => outline(polygon, place)),
    );
    perImage.set(key, image);
    counts.tp += image.tp;
    counts.missed += image.missed;
    counts.det += image.det;
  }
  if (missing.size > 0) {
    notes.push(
      `left out, as in the official script: ${imageList([...missing])} without a result file`,
    );
  }
  if (counts.det === 0) refuse('results', 'no detections at all, for which there is no precision');
  if (counts.tp + counts.missed === 0)
    refuse('ground truth', 'no text to be found at all, for which there is no recall');
  return {
    ...score(counts.tp / counts.det, counts.tp / (counts.tp + counts.missed)),
    counts,
    perImage,
    ...reported(findings),
  };
}

interface GroundTruth {
  readonly shape: Outline;
  readonly isDifficult: boolean;
}

/** A detection can match several texts; a difficult text that is not found is not counted. */
function evaluateImage(
  name: string,
  gt: readonly GroundTruth[],
  det: readonly Outline[],
): MsraTd500Image {
  let tp = 0;
  let missed = 0;
  for (const { shape, isDifficult } of gt) {
    if (det.some((detection) => reaches(definedIou(name, shape, detection), IOU))) tp++;
    else if (!isDifficult) missed++;
  }
  return { tp, missed, det: det.length };
}
