// An evaluation's figures as tables for people and as JSON for programs.
import type { EvaluationResult, ImageNumbers, Protocol } from '../evaluation/types.js';
import type { RunCorrection } from './eval-correction.js';
import type { RunSettings } from './run-folder.js';

export interface ReportDetails {
  readonly protocol: Protocol;
  readonly perImage: boolean;
  readonly notes: readonly string[];
  readonly failed: readonly { readonly image: string; readonly error: string }[];
  /** How the text was found, if the results are a run's. */
  readonly settings?: RunSettings['settings'];
  /** How words were corrected. */
  readonly correction?: RunCorrection['settings'];
}

export function jsonOf(result: EvaluationResult, details: ReportDetails) {
  const { precision, recall, hmean, counts, perImage, groundTruth, ignored } = result;
  return {
    protocol: details.protocol,
    groundTruth,
    precision,
    recall,
    hmean,
    counts,
    images: perImage.size,
    settings: details.settings,
    correction: details.correction,
    notes: details.notes,
    ignored,
    failed: details.failed,
    perImage: details.perImage
      ? [...perImage].map(([image, numbers]) => ({ image, ...numbers }))
      : undefined,
  };
}

/** Percentages, as papers print them. */
export function tablesOf(
  { precision, recall, hmean, perImage, groundTruth }: EvaluationResult,
  details: ReportDetails,
): string {
  const summary = {
    protocol: details.protocol,
    'ground truth': groundTruth,
    images: String(perImage.size),
    precision: percent(precision),
    recall: percent(recall),
    'H-mean': percent(hmean),
  };
  if (!details.perImage) return table([summary]);
  return `${table([...perImage].map(([image, numbers]) => ({ image, ...imageRow(numbers) })))}\n${table([summary])}`;
}

type Row = Readonly<Record<string, string>>;

function imageRow(numbers: ImageNumbers[Protocol]): Row {
  if ('pairs' in numbers) {
    const { gt, det, gtDontCare, detDontCare, pairs, precision, recall, hmean } = numbers;
    return {
      ...counted({
        texts: gt - gtDontCare.length,
        detections: det - detDontCare.length,
        right: pairs.filter(({ correct }) => correct).length,
      }),
      precision: percent(precision),
      recall: percent(recall),
      'H-mean': percent(hmean),
    };
  }
  if ('sigma' in numbers) {
    const { gt, det, precision, recall } = numbers;
    return {
      ...counted({ texts: gt, detections: det }),
      precision: percent(precision),
      recall: percent(recall),
    };
  }
  if ('npos' in numbers)
    return counted({ texts: numbers.npos, detections: numbers.tp + numbers.fp, right: numbers.tp });
  return counted({
    texts: numbers.tp + numbers.missed,
    detections: numbers.det,
    found: numbers.tp,
  });
}

function counted(counts: Readonly<Record<string, number>>): Row {
  return Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, String(count)]));
}

function percent(share: number): string {
  return (100 * share).toFixed(2);
}

/** Columns as wide as needed; the first is left-aligned, numbers right-aligned. */
function table(rows: readonly Row[]): string {
  const names = Object.keys(rows[0] ?? {});
  const widths = names.map((name) => Math.max(name.length, ...rows.map((row) => row[name].length)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]),
      )
      .join('  ');
  return [names, ...rows.map((row) => names.map((name) => row[name]))]
    .map((cells) => `${line(cells)}\n`)
    .join('');
}
