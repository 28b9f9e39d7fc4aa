// The options that set how words are read, and corrected by a lexicon or by the authors' thresholds.
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type Command, Option } from 'commander';
import { PanppError } from '../errors.js';
import { type Bounds, settingBounds, thresholdsOf } from '../model/outside-settings.js';
import { onDisk } from '../node/paths.js';
import {
  type CorrectionSettings,
  type Lexicon,
  defaultCorrection,
  parseLexicon,
} from '../recognition/lexicon.js';
import { fileError, namesIn, readBytes, standardInput, statOf, withoutEnding } from './files.js';
import { hashOf } from './output-record.js';
import { integerBetween, numberBetween } from './usage.js';

export interface CorrectionFlags extends Partial<CorrectionSettings> {
  readonly lexicon?: string;
  readonly correct?: boolean;
}

export interface ReadFlags {
  readonly beam?: number;
  /** True unless the command says `--no-rectify`. */
  readonly rectify?: boolean;
}

/** Adds `--beam` and `--no-rectify`. */
export function withReadOptions(command: Command): Command {
  return withRectifyOption(
    command.addOption(
      new Option(
        '--beam <width>',
        'width of the beam search for words; 1 is greedy (default: 1)',
      ).argParser(integerBetween(...settingBounds.beam)),
    ),
  );
}

/** Adds `--no-rectify`. */
export function withRectifyOption(command: Command): Command {
  return command.addOption(
    new Option(
      '--no-rectify',
      'read each region once, in its axis-aligned box as in the paper; by default it is read a second time, straightened along its centreline',
    ),
  );
}

/** Adds `--lexicon`, `--correct` and the thresholds. */
export function withCorrectionOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--lexicon <path>',
        'words to choose from, one per line; or a folder with a lexicon for each image: NAME.txt or voc_NAME.txt',
      ),
    )
    .addOption(
      new Option('--correct', 'drop words by the thresholds below, even without a lexicon'),
    )
    .addOption(threshold('length', 'drop words of fewer characters'))
    .addOption(threshold('score', 'keep words with a higher score as they are'))
    .addOption(
      threshold('non-alpha-score', 'keep words that are not all letters if their score is higher'),
    )
    .addOption(threshold('ignore-score', 'drop words with a lower score'))
    .addOption(
      threshold('edit-distance', 'take the lexicon’s nearest word if it is fewer edits away'),
    );
}

function threshold(name: string, what: string): Option {
  const key =
    `${name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())}Threshold` as keyof CorrectionSettings;
  const bounds: Bounds = settingBounds[key];
  return new Option(
    `--${name}-threshold <n>`,
    `${what} (default: ${defaultCorrection[key]})`,
  ).argParser(numberBetween(...bounds));
}

/**
 * The thresholds to correct by; undefined if words are left as they are.
 * @throws PanppError `argument` for a threshold without `--correct` and `--lexicon`
 */
export function givenCorrection(flags: CorrectionFlags): Partial<CorrectionSettings> | undefined {
  return thresholdsOf(flags, flags.correct === true || flags.lexicon !== undefined);
}

/**
 * How words are read. A beam of 1, the default, is left out, so that both count as the same setting.
 * `rectify` is always given, so that results that were read the other way are not reused.
 */
export function readingSettings({ beam, rectify = true }: ReadFlags): {
  beam: number | undefined;
  rectify: boolean;
} {
  return { beam: beam === 1 ? undefined : beam, rectify };
}

export interface Lexicons {
  readonly of: (image: string) => Promise<Lexicon | undefined>;
  /** Differs if a lexicon does. */
  readonly stamp: () => Promise<unknown>;
}

/** The lexicon for an image: the single file, the image's own from a folder, or none. */
export async function lexiconsAt(path: string | undefined): Promise<Lexicons> {
  if (path === undefined) return { of: async () => undefined, stamp: async () => undefined };
  if (!(await isFolder(path))) {
    const bytes = await readBytes(path);
    const lexicon = parseLexicon(bytes, path);
    return { of: async () => lexicon, stamp: async () => hashOf(bytes) };
  }
  return {
    of: async (image) => {
      const name = basename(withoutEnding(image));
      for (const candidate of [`${name}.txt`, `voc_${name}.txt`].map((file) => join(path, file))) {
        if (await statOf(candidate)) return parseLexicon(await readBytes(candidate), candidate);
      }
      throw new PanppError(
        'file',
        `${path}: no lexicon for ${name} (${name}.txt or voc_${name}.txt)`,
      );
    },
    stamp: () => stampOfFolder(path),
  };
}

/** Names, sizes and times of a folder's files. */
async function stampOfFolder(folder: string): Promise<unknown> {
  const names = (await namesIn(folder)).sort().map((name) => join(folder, name));
  return Promise.all(
    names.map(async (name) => {
      const file = await statOf(name);
      return [name, file?.size, file?.mtimeMs];
    }),
  );
}

async function isFolder(path: string): Promise<boolean> {
  if (path === standardInput) return false;
  try {
    return (await stat(onDisk(path))).isDirectory();
  } catch (cause) {
    throw fileError(path, '', cause);
  }
}
