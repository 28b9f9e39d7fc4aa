// Inputs and results of an evaluation. The rules are in each protocol's file.

/**
 * The benchmarks' own protocols, and `iou`: one-to-one matching of polygons by IoU, which is not an
 * official protocol.
 */
export const PROTOCOLS = [
  'icdar2015', // ICDAR 2015 challenge 4, task 4.1: detection
  'icdar2015-e2e', // task 4.4: detection with words, end to end
  'icdar2015-spotting', // task 4.4: word spotting
  'totaltext', // Total-Text: DetEval
  'totaltext-e2e', // Total-Text with words
  'ctw1500',
  'msra-td500',
  'iou',
] as const;

export type Protocol = (typeof PROTOCOLS)[number];

export interface EvaluationOptions {
  /** For `iou` only: a pair needs an IoU greater than this; above 0 and below 1. Default: 0.5. */
  readonly iouThreshold?: number;
}

/**
 * Precision, recall and their harmonic mean: 0 to 1, except that DetEval's and MSRA-TD500's
 * precision can exceed 1.
 */
export interface Score {
  readonly precision: number;
  readonly recall: number;
  readonly hmean: number;
}

/**
 * An image's figures where ground truth and detections are paired one to one (ICDAR 2015,
 * Total-Text e2e, IoU).
 */
export interface OneToOneImage extends Score {
  /** Counts as read, don't-care ones included. */
  readonly gt: number;
  readonly det: number;
  /** Indices, in file order. */
  readonly gtDontCare: readonly number[];
  readonly detDontCare: readonly number[];
  /**
   * In order of matching. `correct` says whether the words match; it is true if words are not
   * compared.
   */
  readonly pairs: readonly {
    readonly gt: number;
    readonly det: number;
    readonly correct: boolean;
  }[];
  /**
   * All pairs whose IoU is not 0. May lie outside 0 to 1 for self-intersecting polygons: see
   * geometry.ts.
   */
  readonly overlaps: readonly { readonly gt: number; readonly det: number; readonly iou: number }[];
  /** The words to compare, before upper-casing; empty strings if words are not compared. */
  readonly gtWords: readonly string[];
  readonly detWords: readonly string[];
}

/**
 * An image's figures in DetEval. Rows of σ and τ are ground truth, columns are detections;
 * don't-care regions are left out.
 */
export interface DetEvalImage {
  readonly precision: number;
  readonly recall: number;
  readonly recallSum: number;
  readonly precisionSum: number;
  readonly gt: number;
  readonly det: number;
  readonly gtFlag: readonly boolean[];
  readonly detFlag: readonly boolean[];
  readonly sigma: readonly (readonly number[])[];
  readonly tau: readonly (readonly number[])[];
}

export interface Ctw1500Image {
  /** Detections that hit, detections that do not, and ground truth. */
  readonly tp: number;
  readonly fp: number;
  readonly npos: number;
}

export interface MsraTd500Image {
  /** Ground truth found; ground truth not found that is not difficult; detections. */
  readonly tp: number;
  readonly missed: number;
  readonly det: number;
}

export interface ImageNumbers {
  icdar2015: OneToOneImage;
  'icdar2015-e2e': OneToOneImage;
  'icdar2015-spotting': OneToOneImage;
  totaltext: DetEvalImage;
  'totaltext-e2e': OneToOneImage;
  ctw1500: Ctw1500Image;
  'msra-td500': MsraTd500Image;
  iou: OneToOneImage;
}

export interface EvaluationResult<Image = ImageNumbers[Protocol]> extends Score {
  /** The data set's sums from which precision and recall are computed. */
  readonly counts: Readonly<Record<string, number>>;
  /**
   * By the image's key: the digits of `img_<digits>` in ICDAR 2015, elsewhere the common name of
   * its files.
   */
  readonly perImage: ReadonlyMap<string, Image>;
  /** Notes on the figures, one line each, such as images without a result file. */
  readonly notes: readonly string[];
  /** Names of result files that were ignored because no ground truth has that name. */
  readonly ignored: readonly string[];
  /**
   * Which form of ground truth was read: some data sets have several, with different texts and so
   * different figures.
   */
  readonly groundTruth: string;
}

/** `part / whole`; 0 if `whole` is 0. */
export function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

/** The score from precision and recall. */
export function score(precision: number, recall: number): Score {
  return { precision, recall, hmean: ratio(2 * precision * recall, precision + recall) };
}
