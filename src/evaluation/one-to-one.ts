// Greedy pairing by IoU in file order: ICDAR 2015 (detection, end to end, word spotting),
// Total-Text end to end, and the plain `iou`. The protocols differ in their file formats and in how
// words are compared, not in the pairing.
import { PanppError } from '../errors.js';
import * as icdar from './formats/icdar.js';
import type { KeyedFile, WordRegion } from './formats/icdar.js';
import { refuse } from './formats/text.js';
import * as totaltext from './formats/totaltext.js';
import { coveredShare, exceeds, intersectionOverUnion, type Outline, outline } from './geometry.js';
import { type Findings, imageList, noFindings, setAside, reported } from './notes.js';
import type { FileSet } from './formats/files.js';
import {
  type EvaluationOptions,
  type EvaluationResult,
  type OneToOneImage,
  type Score,
  ratio,
  score,
} from './types.js';
import { type IsCorrect, isCorrectEndToEnd, isCorrectSpotting, spottingWord } from './words.js';

const DONT_CARE = '###';
/** A detection is ignored if more than this share of it lies in one don't-care region. */
const DONT_CARE_SHARE = 0.5;
const OFFICIAL_IOU = 0.5;

interface Region {
  readonly shape: Outline;
  readonly word: string;
  readonly isDontCare: boolean;
  readonly place: string;
}

interface Rules {
  readonly iouThreshold: number;
  readonly isCorrect: IsCorrect;
}

/** ICDAR 2015 task 4.1: detection only. */
export function evaluateIcdarDetection(
  groundTruth: FileSet,
  results: FileSet,
): EvaluationResult<OneToOneImage> {
  return evaluateIcdar(groundTruth, results, {
    readGroundTruth: icdar.readDetectionGroundTruth,
    readResults: icdar.readDetectionResults,
    rules: { iouThreshold: OFFICIAL_IOU, isCorrect: () => true },
    wordOf: (word) => (word === DONT_CARE ? undefined : ''),
  });
}

/** ICDAR 2015 task 4.4: a detection is correct only if its word is too. */
export function evaluateIcdarEndToEnd(
  groundTruth: FileSet,
  results: FileSet,
): EvaluationResult<OneToOneImage> {
  return evaluateIcdar(groundTruth, results, {
    readGroundTruth: icdar.readWordGroundTruth,
    readResults: icdar.readWords,
    rules: { iouThreshold: OFFICIAL_IOU, isCorrect: isCorrectEndToEnd },
    wordOf: (word) => (word === DONT_CARE ? undefined : word),
  });
}

/** ICDAR 2015 task 4.4, word spotting: only words of three letters or more count. */
export function evaluateIcdarSpotting(
  groundTruth: FileSet,
  results: FileSet,
): EvaluationResult<OneToOneImage> {
  return evaluateIcdar(groundTruth, results, {
    readGroundTruth: icdar.readWordGroundTruth,
    readResults: icdar.readWords,
    rules: { iouThreshold: OFFICIAL_IOU, isCorrect: isCorrectSpotting },
    wordOf: (word) => (word === DONT_CARE ? undefined : spottingWord(word)),
  });
}

interface IcdarTask {
  readonly readGroundTruth: (file: KeyedFile, forms: icdar.TruthForms) => WordRegion[];
  readonly readResults: (file: KeyedFile) => WordRegion[];
  readonly rules: Rules;
  /** The word to compare, or undefined for don't-care. */
  readonly wordOf: (word: string) => string | undefined;
}

function evaluateIcdar(
  groundTruth: FileSet,
  results: FileSet,
  task: IcdarTask,
): EvaluationResult<OneToOneImage> {
  const findings = noFindings();
  const { files: gtFiles, names } = icdar.groundTruthFiles(groundTruth, findings.notes);
  const { files: detFiles, extra } = icdar.resultFiles(results, gtFiles, names);
  setAside(extra, results.size, findings);
  const forms = { isMlt: icdar.areMltLines(gtFiles.values()), found: findings.forms };
  const groundTruthRegion = (read: WordRegion): Region => {
    const word = task.wordOf(read.word);
    return prepared(read, word ?? read.word, word === undefined);
  };
  return evaluateImages(gtFiles, detFiles, findings, task.rules, {
    gt: (file) => task.readGroundTruth(file, forms).map(groundTruthRegion),
    det: (file) => task.readResults(file).map((read) => prepared(read, read.word, false)),
  });
}

/** Total-Text end to end: polygons, lower-case words, y first in the results. */
export function evaluateTotalTextEndToEnd(
  groundTruth: FileSet,
  results: FileSet,
): EvaluationResult<OneToOneImage> {
  const findings = noFindings();
  const gtFiles = totaltext.groundTruthFiles(groundTruth, 'after the last underscore');
  const detFiles = totaltext.resultFiles(results);
  const unknown = [...detFiles.keys()].filter((key) => !gtFiles.has(key));
  if (unknown.length > 0) {
    findings.notes.push(
      `ignored, as in the official script: results without ground truth: ${imageList(unknown)}`,
    );
    findings.ignored.push(...unknown.map((key) => `${key}.txt`));
  }
  unknown.forEach((key) => detFiles.delete(key));
  const groundTruthRegion = (read: totaltext.TotalTextRegion): Region => {
    if (read.word === '')
      refuse(read.place, 'an empty word, which the official script fails on; mark it # or ###');
    return prepared(read, read.word.toLowerCase(), read.isMarkedByWord);
  };
  const format = { yFirst: true, withWord: true };
  const rules = { iouThreshold: OFFICIAL_IOU, isCorrect: isCorrectEndToEnd };
  return evaluateImages(gtFiles, detFiles, findings, rules, {
    gt: (file) => totaltext.readGroundTruth(file, findings.forms).map(groundTruthRegion),
    det: (file) =>
      totaltext
        .readResults(file, format)
        .map((read) => prepared(read, read.word.toLowerCase(), false)),
  });
}

/**
 * Not a benchmark's own protocol: polygons with any number of corners, paired as in ICDAR 2015 with
 * a configurable IoU threshold. Ground truth in any Total-Text form, results as lines of integers
 * `x1,y1,…,xn,yn`, x first.
 */
export function evaluateIou(
  groundTruth: FileSet,
  results: FileSet,
  { iouThreshold = OFFICIAL_IOU }: EvaluationOptions,
): EvaluationResult<OneToOneImage> {
  if (!(iouThreshold > 0 && iouThreshold < 1)) {
    throw new PanppError(
      'argument',
      `the IoU threshold is ${iouThreshold}; it must be between 0 and 1`,
    );
  }
  const gtFiles = totaltext.groundTruthFiles(groundTruth, 'after poly_gt_');
  const detFiles = totaltext.resultFiles(results);
  const findings = noFindings();
  const extra = [...detFiles.values()].filter(({ key }) => !gtFiles.has(key));
  setAside(
    extra.map(({ key, name }) => ({ name, lacks: `the ground truth has no image ${key}` })),
    detFiles.size,
    findings,
  );
  const format = { yFirst: false, withWord: false };
  const rules = { iouThreshold, isCorrect: () => true };
  return evaluateImages(gtFiles, detFiles, findings, rules, {
    gt: (file) =>
      totaltext
        .readGroundTruth(file, findings.forms)
        .map((read) => prepared(read, '', read.isMarkedByWord)),
    det: (file) => totaltext.readResults(file, format).map((read) => prepared(read, '', false)),
  });
}

function prepared({ polygon, place }: WordRegion, word: string, isDontCare: boolean): Region {
  return { shape: outline(polygon, place), word, isDontCare, place };
}

interface Readers {
  readonly gt: (file: KeyedFile) => Region[];
  readonly det: (file: KeyedFile) => Region[];
}

/** All images of the ground truth; one without a result file counts as one without detections. */
function evaluateImages(
  gtFiles: ReadonlyMap<string, KeyedFile>,
  detFiles: ReadonlyMap<string, KeyedFile>,
  findings: Findings,
  rules: Rules,
  read: Readers,
): EvaluationResult<OneToOneImage> {
  const missing = [...gtFiles.keys()].filter((key) => !detFiles.has(key));
  if (missing.length > 0) {
    findings.notes.push(
      `counted as images without detections, because they have no result file: ${imageList(missing)}`,
    );
  }
  const counts = { matched: 0, gtCare: 0, detCare: 0 };
  const perImage = new Map<string, OneToOneImage>();
  for (const [key, file] of gtFiles) {
    const results = detFiles.get(key);
    const image = evaluateImage(read.gt(file), results ? read.det(results) : [], rules);
    perImage.set(key, image);
    counts.matched += matchedOf(image);
    counts.gtCare += image.gt - image.gtDontCare.length;
    counts.detCare += image.det - image.detDontCare.length;
  }
  const precision = ratio(counts.matched, counts.detCare);
  return {
    ...score(precision, ratio(counts.matched, counts.gtCare)),
    counts,
    perImage,
    ...reported(findings),
  };
}

function evaluateImage(gt: readonly Region[], det: readonly Region[], rules: Rules): OneToOneImage {
  const dontCare = gt.filter((region) => region.isDontCare);
  const isIgnored = det.map(({ shape }) =>
    dontCare.some((region) => exceeds(coveredShare(shape, region.shape), DONT_CARE_SHARE)),
  );
  const isTaken = new Set<number>();
  const pairs: OneToOneImage['pairs'][number][] = [];
  const overlaps: OneToOneImage['overlaps'][number][] = [];
  gt.forEach((g, i) => {
    let isPaired = g.isDontCare;
    det.forEach((d, k) => {
      const iou = intersectionOverUnion(g.shape, d.shape);
      if (iou !== 0) overlaps.push({ gt: i, det: k, iou });
      if (isPaired || isTaken.has(k) || isIgnored[k] || !exceeds(iou, rules.iouThreshold)) return;
      isPaired = true;
      isTaken.add(k);
      pairs.push({ gt: i, det: k, correct: rules.isCorrect(g.word, d.word, g.place) });
    });
  });
  const numbers = {
    gt: gt.length,
    det: det.length,
    gtDontCare: indicesWhere(gt.map((region) => region.isDontCare)),
    detDontCare: indicesWhere(isIgnored),
    pairs,
    overlaps,
    gtWords: gt.map((region) => region.word),
    detWords: det.map((region) => region.word),
  };
  return { ...imageScore(numbers), ...numbers };
}

function matchedOf({ pairs }: Pick<OneToOneImage, 'pairs'>): number {
  return pairs.filter(({ correct }) => correct).length;
}

function imageScore(image: Omit<OneToOneImage, keyof Score>): Score {
  const gtCare = image.gt - image.gtDontCare.length;
  const detCare = image.det - image.detDontCare.length;
  if (gtCare === 0) return score(detCare > 0 ? 0 : 1, 1);
  return score(ratio(matchedOf(image), detCare), matchedOf(image) / gtCare);
}

function indicesWhere(flags: readonly boolean[]): number[] {
  return flags.flatMap((flag, i) => (flag ? [i] : []));
}
