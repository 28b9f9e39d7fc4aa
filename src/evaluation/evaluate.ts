// The benchmarks' own evaluation protocols, by name. Each reproduces the official script's numbers
// and decisions exactly. Input that the script refuses is refused here too, with a one-line message
// that says what is wrong and where.
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
import type { FileSet } from './formats/files.js';
import {
  type EvaluationOptions,
  type EvaluationResult,
  type ImageNumbers,
  PROTOCOLS,
  type Protocol,
  type Score,
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
 * Compares result files with ground-truth files. See formats/ for file names and formats; write
 * results with `formatResults`, named by `resultFileName`.
 * @throws PanppError `evaluation` for files that the official script refuses, naming the file and
 * the line; `argument` for an unknown protocol or an option that it does not have.
 */
export function evaluate<P extends Protocol>(
  protocol: P,
  groundTruth: FileSet,
  results: FileSet,
  options: EvaluationOptions = {},
): EvaluationResult<ImageNumbers[P]> {
  if (!PROTOCOLS.includes(protocol)) {
    throw new PanppError(
      'argument',
      `no protocol "${protocol}"; there are ${PROTOCOLS.join(', ')}`,
    );
  }
  if (options.iouThreshold !== undefined && protocol !== 'iou') {
    throw new PanppError(
      'argument',
      `${protocol} has an IoU threshold of its own; only iou takes another`,
    );
  }
  const evaluator: Evaluators[P] = EVALUATORS[protocol];
  const result = evaluator(groundTruth, results, options);
  const note = noteOnOrder(protocol, result, () =>
    evaluator(groundTruth, swapped(results), options),
  );
  return note === undefined ? result : { ...result, notes: [...result.notes, note] };
}

/**
 * The order of a corner's numbers in results; the protocols with four corners detect a wrong order
 * themselves.
 */
const ORDERS: Partial<Record<Protocol, 'x' | 'y'>> = {
  totaltext: 'y',
  'totaltext-e2e': 'y',
  ctw1500: 'y',
  'msra-td500': 'x',
  iou: 'x',
};
/** Below this H-mean, results are also checked in the other order. */
const SUSPICIOUS = 0.2;

/** A note for results that match much better with x and y swapped. */
function noteOnOrder(
  protocol: Protocol,
  { hmean }: Score,
  evaluateSwapped: () => Score,
): string | undefined {
  const first = ORDERS[protocol];
  if (!first || hmean > SUSPICIOUS) return undefined;
  let other: Score;
  try {
    other = evaluateSwapped();
  } catch {
    return undefined; // not readable in the other order, so not written in it
  }
  if (other.hmean < 2 * hmean + SUSPICIOUS) return undefined;
  const [own, wrong] = first === 'x' ? ['x', 'y'] : ['y', 'x'];
  const percent = (share: number) => (100 * share).toFixed(2);
  return (
    `the results seem to list ${wrong} before ${own}: ${protocol} reads ${own} first, which gives H-mean ${percent(hmean)}; ` +
    `in the other order it would be ${percent(other.hmean)} (panpp detect writes --format totaltext y first, --format iou x first)`
  );
}

// The lookbehind lets a match start only at a number's first digit: starting at every digit would
// take quadratic time.
const PAIR = /(?<![0-9])(-?[0-9]+),(-?[0-9]+)(?=,|\s*$)/gm;

/** The same files with x and y swapped at the beginning of every line. */
function swapped(results: FileSet): FileSet {
  return new Map(
    [...results].map(([name, bytes]) => {
      const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
      return [name, new TextEncoder().encode(text.replace(PAIR, '$2,$1'))];
    }),
  );
}
