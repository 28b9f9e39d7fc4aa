// What a reader of the figures should know besides them.
import { refuse } from './formats/text.js';

/** Gathered while files are read. */
export interface Findings {
  readonly notes: string[];
  /** Names of result files that no ground truth belongs to. */
  readonly ignored: string[];
  /** Forms of ground truth that were read. */
  readonly forms: Set<string>;
}

export function noFindings(): Findings {
  return { notes: [], ignored: [], forms: new Set() };
}

/** What of it a result tells. */
export function told({ notes, ignored, forms }: Findings) {
  return { notes, ignored, groundTruth: [...forms].sort().join(' and ') };
}

/**
 * Puts result files aside that no ground truth belongs to; official scripts refuse these.
 * @param results files with what they lack: `the ground truth has no image 7`
 * @throws PanppError `evaluation` if that are all
 */
export function setAside(
  results: readonly { readonly name: string; readonly lacks: string }[],
  total: number,
  findings: Findings,
): void {
  if (results.length === 0) return;
  const [{ name, lacks }] = results;
  if (results.length === total)
    refuse(name.startsWith('results: ') ? name : `results: ${name}`, lacks);
  const names = results.map((one) => one.name.replace(/^results: /, ''));
  findings.ignored.push(...names);
  const files = `${names.length} result file${names.length === 1 ? '' : 's'} without ground truth`;
  findings.notes.push(
    `ignored, where the official script would refuse all: ${files} (${listed(names)})`,
  );
}

const LISTED = 10;

/** `3 images (1, 2, 7)`; long lists are cut. */
export function imageList(keys: readonly string[]): string {
  return `${keys.length} image${keys.length === 1 ? '' : 's'} (${listed(keys)})`;
}

function listed(names: readonly string[]): string {
  return names.slice(0, LISTED).join(', ') + (names.length > LISTED ? ', …' : '');
}
