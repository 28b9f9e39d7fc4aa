// CTW1500's protocol, with IoU ≥ 0.5 on polygons.
import { readCtwGroundTruth, readPolygons } from './formats/numbers.js';
import { refuse } from './formats/text.js';
import { intersectionArea, type Outline, outline, reaches, unionArea } from './geometry.js';
import { imageList, noFindings, setAside, reported } from './notes.js';
import type { FileSet } from './formats/files.js';
import { type Ctw1500Image, type EvaluationResult, score } from './types.js';

const IOU = 0.5;

/** Only images with a result file are counted. */
export function evaluateCtw1500(
  groundTruth: FileSet,
  results: FileSet,
): EvaluationResult<Ctw1500Image> {
  const findings = noFindings();
  const { notes } = findings;
  const byStem = new Map([...groundTruth.keys()].map((name) => [stemOf(name), name]));
  const truthOf = (name: string) => (groundTruth.has(name) ? name : byStem.get(stemOf(name)));
  const extra = [...results.keys()].filter((name) => truthOf(name) === undefined);
  setAside(
    extra.map((name) => ({ name, lacks: 'the ground truth has no file of that name' })),
    results.size,
    findings,
  );
  const counts = { tp: 0, fp: 0, npos: 0 };
  const perImage = new Map<string, Ctw1500Image>();
  const missing = new Set(groundTruth.keys());
  for (const [name, bytes] of results) {
    const gtName = truthOf(name);
    if (gtName === undefined) continue;
    missing.delete(gtName);
    const [gtPlace, place] = [`ground truth: ${gtName}`, `results: ${name}`];
    const gt = readCtwGroundTruth(gtPlace, groundTruth.get(gtName)!, findings.forms);
    const det = readPolygons(place, bytes, { yFirst: true });
    const image = evaluateImage(
      name,
      gt.map((polygon) => outline(polygon, gtPlace)),
      det.map((polygon) => outline(polygon, place)),
    );
    perImage.set(name.replace(/\.txt$/, ''), image);
    counts.tp += image.tp;
    counts.fp += image.fp;
    counts.npos += image.npos;
  }
  if (missing.size > 0) {
    notes.push(
      `left out, as in the official script: ${imageList([...missing])} without a result file`,
    );
  }
  if (counts.tp + counts.fp === 0)
    refuse('results', 'no detections at all, for which there is no precision');
  if (counts.npos === 0) refuse('ground truth', 'no text at all, for which there is no recall');
  return {
    ...score(counts.tp / (counts.tp + counts.fp), counts.tp / counts.npos),
    counts,
    perImage,
    ...reported(findings),
  };
}

function stemOf(name: string): string {
  return name.replace(/\.(txt|xml)$/, '');
}

/** A detection takes every free ground truth that it matches, but counts as one true positive. */
function evaluateImage(
  name: string,
  gt: readonly Outline[],
  det: readonly Outline[],
): Ctw1500Image {
  const isTaken = new Array<boolean>(gt.length).fill(false);
  let tp = 0;
  for (const detection of det) {
    let isHit = false;
    gt.forEach((region, g) => {
      if (!reaches(definedIou(name, region, detection), IOU) || isTaken[g]) return;
      isTaken[g] = true;
      isHit = true;
    });
    if (isHit) tp++;
  }
  return { tp, fp: det.length - tp, npos: gt.length };
}

/** The official script fails on an IoU whose union is 0. */
export function definedIou(name: string, gt: Outline, det: Outline): number {
  const intersection = intersectionArea(gt, det);
  const union = unionArea(gt, det, intersection);
  if (union === 0)
    refuse(
      `results: ${name}`,
      'a detection and a ground truth have a union without area, and so no IoU',
    );
  return intersection / union;
}
