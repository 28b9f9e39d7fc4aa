// The benchmarks' own evaluation protocols, by name. Each gives the official script's numbers to the last decision;
// where the script refuses its input so does this, with a line that says what and where.
import { PanppError } from '../errors.js';
import { evaluateCtw1500 } from './ctw1500.js';
import { evaluateTotalText } from './deteval.js';
import { evaluateMsraTd500 } from './msra-td500.js';
import {
  evaluateIcdarDetection,
  evaluateIcdarEndToEnd,
  evaluateIcdarSpotting,
  evaluateIou,
  evaluateTotalTextEndToEnd,
} from './one-to-one.js';
import {
  type EvaluationOptions,
  type EvaluationResult,
  type FileSet,
  type ImageNumbers,
  PROTOCOLS,
  type Protocol,
} from './types.js';

type Evaluators = {
  readonly [P in Protocol]: (
    groundTruth: FileSet,
    results: FileSet,
    options: EvaluationOptions,
  ) => EvaluationResult<ImageNumbers[P]>;
};

const EVALUATORS: Evaluators = {
  icdar2015: evaluateIcdarDetection,
  'icdar2015-e2e': evaluateIcdarEndToEnd,
  'icdar2015-spotting': evaluateIcdarSpotting,
  totaltext: evaluateTotalText,
  'totaltext-e2e': evaluateTotalTextEndToEnd,
  ctw1500: evaluateCtw1500,
  'msra-td500': evaluateMsraTd500,
  iou: evaluateIou,
};

/**
 * Compares result files with ground-truth files. For the names and formats see formats/; results are written with
 * `formatResults` under `resultFileName`.
 * @throws PanppError `evaluation` for files that the official script refuses, naming the file and the line;
 * `argument` for an unknown protocol or an option that it does not have.
 */
export function evaluate<P extends Protocol>(
  protocol: P,
  groundTruth: FileSet,
  results: FileSet,
  options: EvaluationOptions = {},
): EvaluationResult<ImageNumbers[P]> {
  if (!PROTOCOLS.includes(protocol)) {
    throw new PanppError('argument', `no protocol "${protocol}"; there are ${PROTOCOLS.join(', ')}`);
  }
  if (options.iouThreshold !== undefined && protocol !== 'iou') {
    throw new PanppError('argument', `${protocol} has an IoU threshold of its own; only iou takes another`);
  }
  return EVALUATORS[protocol](groundTruth, results, options);
}
