// Notes that accompany the figures.
import { refuse } from './formats/text.js';

/** Collected while files are read. */
export interface Findings {
  readonly notes: string[];
  /** Names of result files without ground truth. */
  readonly ignored: string[];
  /** Forms of ground truth that were read. */
  readonly forms: Set<string>;
}

export function noFindings(): Findings {
  return { notes: [], ignored: [], forms: new Set() };
}

/** The part of the findings that a result reports. */
export function reported({ notes, ignored, forms }: Findings) {
  return { notes, ignored, groundTruth: [...forms].sort().join(' and ') };
}

/**
 * Sets aside result files without ground truth; official scripts refuse these.
 * @param results files with the reason: `the ground truth has no image 7`
 * @throws PanppError `evaluation` if no result file is left
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

/** `3 images (1, 2, 7)`; long lists are shortened. */
export function imageList(keys: readonly string[]): string {
  return `${keys.length} image${keys.length === 1 ? '' : 's'} (${listed(keys)})`;
}

function listed(names: readonly string[]): string {
  return names.slice(0, LISTED).join(', ') + (names.length > LISTED ? ', …' : '');
}
