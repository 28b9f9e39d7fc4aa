// What an evaluation takes and gives. The rules themselves lie with each protocol.

/**
 * The benchmarks' own protocols, and `iou`: one-to-one matching of polygons by IoU, which is
 * nobody's official one.
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

/**
 * File names (without folders, unless a protocol should see them) with their bytes, in order of
 * their reading.
 */
export type FileSet = ReadonlyMap<string, Uint8Array>;

export interface EvaluationOptions {
  /** For `iou` only: a pair needs an IoU greater than this; above 0 and below 1, by default 0.5. */
  readonly iouThreshold?: number;
}

/**
 * Precision, recall and their harmonic mean: 0 to 1, but DetEval's and MSRA-TD500's precision can
 * exceed 1.
 */
export interface Score {
  readonly precision: number;
  readonly recall: number;
  readonly hmean: number;
}

/**
 * An image's numbers where ground truth and detections are paired one to one (ICDAR 2015,
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
   * In order of matching. `correct` says whether the words match; it is true where words are not
   * compared.
   */
  readonly pairs: readonly {
    readonly gt: number;
    readonly det: number;
    readonly correct: boolean;
  }[];
  /**
   * All pairs whose IoU is not 0. Not within 0 to 1 where a polygon crosses itself: see
   * geometry.ts.
   */
  readonly overlaps: readonly { readonly gt: number; readonly det: number; readonly iou: number }[];
  /**
   * The words as they are compared, before upper-casing; empty texts where words are not compared.
   */
  readonly gtWords: readonly string[];
  readonly detWords: readonly string[];
}

/**
 * An image's numbers in DetEval. Rows of σ and τ are ground truth, columns detections, don't-care
 * ones left out.
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
  /** The data set's sums that precision and recall are made of. */
  readonly counts: Readonly<Record<string, number>>;
  /**
   * By the image's key: the digits of `img_<digits>` in ICDAR 2015, elsewhere the name that its
   * files share.
   */
  readonly perImage: ReadonlyMap<string, Image>;
  /**
   * What a reader of the figures should know, a line each: images without a result file and the
   * like.
   */
  readonly notes: readonly string[];
  /** Names of result files that were left out, for there is no ground truth of that name. */
  readonly ignored: readonly string[];
  /**
   * Which form of ground truth was read: data sets have several, with different texts and so
   * different figures.
   */
  readonly groundTruth: string;
}

/** `part / whole`, and 0 for a zero denominator. */
export function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

/** The score of a precision and a recall. */
export function score(precision: number, recall: number): Score {
  return { precision, recall, hmean: ratio(2 * precision * recall, precision + recall) };
}
