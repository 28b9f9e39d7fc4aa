// Total-Text's DetEval: one to one, then one to many, then many to one. σ (recall) is the share of
// a ground truth that a detection covers; τ (precision) is the share of a detection that lies in a
// ground truth. Idea: C. Wolf and J.-M. Jolion, "Object count/area graphs for the evaluation of
// object detection and segmentation algorithms", 2006. Rules, thresholds and quirks: the Total-Text
// script in the authors' repository.
import type { KeyedFile } from './formats/icdar.js';
import { refuse } from './formats/text.js';
import {
  groundTruthFiles,
  readGroundTruth,
  readResults,
  resultFiles,
} from './formats/totaltext.js';
import { exceeds, intersectionArea, type Outline, outline, reaches } from './geometry.js';
import { imageList, noFindings, setAside, reported } from './notes.js';
import type { FileSet } from './formats/files.js';
import { type DetEvalImage, type EvaluationResult, ratio, score } from './types.js';

const SIGMA = 0.7;
const TAU = 0.6;
/** The credit for a split or merged text. */
const FRAGMENT = 0.8;
const DONT_CARE_SHARE = 0.5;

/** Only images with a result file are counted; the ground truth of the others is ignored. */
export function evaluateTotalText(
  groundTruth: FileSet,
  results: FileSet,
): EvaluationResult<DetEvalImage> {
  const gtFiles = groundTruthFiles(groundTruth, 'after poly_gt_');
  const detFiles = resultFiles(results);
  const findings = noFindings();
  const { notes } = findings;
  const extra = [...detFiles.values()].filter(({ key }) => !gtFiles.has(key));
  setAside(
    extra.map(({ key, name }) => ({ name, lacks: `the ground truth has no image ${key}` })),
    detFiles.size,
    findings,
  );
  const missing = [...gtFiles.keys()].filter((key) => !detFiles.has(key));
  if (missing.length > 0) {
    notes.push(`left out, as in the official script: ${imageList(missing)} without a result file`);
  }

  const counts = { recallSum: 0, precisionSum: 0, gt: 0, det: 0 };
  const perImage = new Map<string, DetEvalImage>();
  for (const [key, detFile] of detFiles) {
    const gtFile = gtFiles.get(key);
    if (!gtFile) continue;
    const image = evaluateImage(gtFile, detFile, findings.forms);
    perImage.set(key, image);
    counts.recallSum += image.recallSum;
    counts.precisionSum += image.precisionSum;
    counts.gt += image.gt;
    counts.det += image.det;
  }
  const total = score(ratio(counts.precisionSum, counts.det), ratio(counts.recallSum, counts.gt));
  if (total.hmean === 0)
    notes.push('nothing was found: the official script fails here where this gives 0');
  return { ...total, counts, perImage, ...reported(findings) };
}

interface GroundTruth {
  readonly shape: Outline;
  readonly isDontCare: boolean;
  readonly corners: number;
  readonly place: string;
}

interface Detection {
  readonly shape: Outline;
  readonly place: string;
}

function evaluateImage(gtFile: KeyedFile, detFile: KeyedFile, forms: Set<string>): DetEvalImage {
  const allGt = readGroundTruth(gtFile, forms).map(({ polygon, place, isMarkedByOrientation }) => ({
    shape: outline(
      polygon.map(([x, y]) => [Math.trunc(x), Math.trunc(y)]),
      place,
    ),
    isDontCare: isMarkedByOrientation,
    corners: polygon.length,
    place,
  }));
  const allDet = readResults(detFile, { yFirst: true, withWord: false }).map(
    ({ polygon, place }) => ({
      shape: outline(polygon, place),
      place,
    }),
  );
  const det = withoutDontCare(allGt, allDet);
  const gt = allGt.filter((region) => !region.isDontCare);
  const { sigma, tau } = shares(gt, det);
  const tally = new Tally(sigma, tau, gt.length, det.length);
  tally.oneToOne();
  tally.oneToMany();
  tally.manyToOne();
  return {
    precision: ratio(tally.precisionSum, det.length),
    recall: ratio(tally.recallSum, gt.length),
    recallSum: tally.recallSum,
    precisionSum: tally.precisionSum,
    gt: gt.length,
    det: det.length,
    gtFlag: tally.gtFlag,
    detFlag: tally.detFlag,
    sigma,
    tau,
  };
}

/** The detections that don't-care regions do not remove. */
function withoutDontCare(gt: readonly GroundTruth[], det: readonly Detection[]): Detection[] {
  let left = [...det];
  let share: number | undefined;
  for (const region of gt) {
    if (!region.isDontCare || region.corners < 2) continue;
    left = left.filter(({ shape, place }) => {
      // For a detection without area the script keeps the share of the previous detection.
      if (shape.area !== 0) share = intersectionArea(region.shape, shape) / shape.area;
      if (share === undefined)
        return refuse(
          place,
          'a detection without area comes first, which the official script fails on',
        );
      return !exceeds(share, DONT_CARE_SHARE);
    });
  }
  return left;
}

/** σ and τ for all pairs; rows are ground truth. */
function shares(
  gt: readonly GroundTruth[],
  det: readonly Detection[],
): { sigma: number[][]; tau: number[][] } {
  if (gt.length > 0 && det.length > 0) {
    for (const { shape, place } of [...gt, ...det]) {
      if (shape.area === 0)
        refuse(place, 'a polygon without area, which the official script fails on');
    }
  }
  const areas = gt.map((g) => det.map((d) => intersectionArea(g.shape, d.shape)));
  return {
    sigma: areas.map((row, g) => row.map((area) => area / gt[g].shape.area)),
    tau: areas.map((row) => row.map((area, d) => area / det[d].shape.area)),
  };
}

/** The two sums, with a flag for each matched text and detection. */
class Tally {
  recallSum = 0;
  precisionSum = 0;
  readonly gtFlag: boolean[];
  readonly detFlag: boolean[];

  constructor(
    private readonly sigma: readonly (readonly number[])[],
    private readonly tau: readonly (readonly number[])[],
    private readonly gtCount: number,
    private readonly detCount: number,
  ) {
    this.gtFlag = new Array<boolean>(gtCount).fill(false);
    this.detFlag = new Array<boolean>(detCount).fill(false);
  }

  /**
   * A text that exactly one detection covers well, and in which exactly one detection lies well.
   * The two may be different detections, and one detection can match several texts: only the text's
   * row is checked.
   */
  oneToOne(): void {
    for (let g = 0; g < this.gtCount; g++) {
      const covering = indices(this.detCount, (d) => exceeds(this.sigma[g][d], SIGMA));
      const inside = indices(this.detCount, (d) => exceeds(this.tau[g][d], TAU));
      if (covering.length === 1 && inside.length === 1) this.add(1, 1, [g], covering);
    }
  }

  /** A text that was split into several detections. */
  oneToMany(): void {
    for (let g = 0; g < this.gtCount; g++) {
      if (this.gtFlag[g] || indices(this.detCount, (d) => this.sigma[g][d] > 0).length < 2)
        continue;
      const parts = indices(this.detCount, (d) => !this.detFlag[d] && reaches(this.tau[g][d], TAU));
      if (parts.length === 1) {
        if (reaches(this.sigma[g][parts[0]], SIGMA)) this.add(1, 1, [g], parts);
      } else if (reaches(sum(parts.map((d) => this.sigma[g][d])), SIGMA)) {
        this.add(FRAGMENT, FRAGMENT * parts.length, [g], parts);
      }
    }
  }

  /** Several texts that were merged into one detection. */
  manyToOne(): void {
    for (let d = 0; d < this.detCount; d++) {
      if (this.detFlag[d] || indices(this.gtCount, (g) => this.tau[g][d] > 0).length < 2) continue;
      // σ is compared with τ's threshold here, as in the script.
      const parts = indices(this.gtCount, (g) => !this.gtFlag[g] && reaches(this.sigma[g][d], TAU));
      if (parts.length === 1) {
        if (reaches(this.tau[parts[0]][d], TAU) && reaches(this.sigma[parts[0]][d], SIGMA))
          this.add(1, 1, parts, [d]);
      } else if (reaches(sum(parts.map((g) => this.tau[g][d])), TAU)) {
        this.add(FRAGMENT * parts.length, FRAGMENT, parts, [d]);
      }
    }
  }

  private add(
    recall: number,
    precision: number,
    gt: readonly number[],
    det: readonly number[],
  ): void {
    this.recallSum += recall;
    this.precisionSum += precision;
    for (const g of gt) this.gtFlag[g] = true;
    for (const d of det) this.detFlag[d] = true;
  }
}

function indices(count: number, isWanted: (index: number) => boolean): number[] {
  return Array.from({ length: count }, (_, i) => i).filter(isWanted);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
