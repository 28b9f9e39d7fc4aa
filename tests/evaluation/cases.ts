// The reference cases of the official scripts, as they lie in tests/data/eval.
import { readFileSync, readdirSync } from 'node:fs';
import { fileSetFromZip } from '../../src/evaluation/formats/zip.js';
import type { FileSet } from '../../src/evaluation/formats/files.js';
import type { Protocol } from '../../src/evaluation/types.js';
import { bundledPath } from '../support/reference.js';

/** Their folders and keys in accept_reject.json. */
export const FOLDERS = {
  icdar2015: 'ic15',
  'icdar2015-e2e': 'ic15_end2end_rec',
  'icdar2015-spotting': 'ic15_word_spotting',
  totaltext: 'tt',
  'totaltext-e2e': 'tt_rec',
  ctw1500: 'ctw',
  'msra-td500': 'msra',
} as const satisfies Partial<Record<Protocol, string>>;

export type OfficialProtocol = keyof typeof FOLDERS;

export interface OfficialCase<Image> {
  readonly groundTruth: FileSet;
  readonly results: FileSet;
  readonly expected: {
    readonly method: {
      readonly precision: number;
      readonly recall: number;
      readonly hmean: number;
    };
    readonly counts: Readonly<Record<string, number>>;
    readonly per_image: Readonly<Record<string, Image>>;
  };
}

export function officialCase<Image>(
  protocol: OfficialProtocol,
  number: number,
): OfficialCase<Image> {
  const folder = bundledPath(`eval/${FOLDERS[protocol]}/case${number}`);
  const isZipped = protocol.startsWith('icdar2015');
  const zip = (name: string) =>
    fileSetFromZip(readFileSync(`${folder}/${name}.zip`), `${name}.zip`);
  return {
    groundTruth: isZipped ? zip('gt') : fileSetFromFolder(`${folder}/gt`),
    results: isZipped ? zip('submission') : fileSetFromFolder(`${folder}/results`),
    expected: JSON.parse(readFileSync(`${folder}/expected.json`, 'utf8')),
  };
}

export function fileSetFromFolder(folder: string): FileSet {
  return new Map(
    readdirSync(folder)
      .sort()
      .map((name) => [name, readFileSync(`${folder}/${name}`)]),
  );
}

export function fileSet(texts: Readonly<Record<string, string>>): FileSet {
  return new Map(
    Object.entries(texts).map(([name, text]) => [name, new TextEncoder().encode(text)]),
  );
}
