// panpp spot: finds and reads text in images, one JSON line per image on stdout.
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Argument, type Command, Option } from 'commander';
import { PanppError } from '../errors.js';
import {
  type Bounds,
  type GivenSettings,
  settingBounds,
  settingsOf,
} from '../model/outside-settings.js';
import { onDisk } from '../node/paths.js';
import {
  type CorrectionSettings,
  type Lexicon,
  defaultCorrection,
  parseLexicon,
} from '../recognition/lexicon.js';
import { type EngineOptions, withEngineOptions } from './engine.js';
import { fileError, namesIn, readBytes, standardInput, statOf, withoutEnding } from './files.js';
import { inputsHelp, runOnImages } from './image-run.js';
import { withSettingsOptions, withTileOption } from './settings-options.js';
import { hashOf } from './output-record.js';
import { type OutputFlags, type ResultTask, withOutputOptions } from './result-files.js';
import { withShardOption } from './shard.js';
import { exiting, integerBetween, numberBetween } from './usage.js';
import type { SpotOptions } from '../model/options.js';

interface SpotFlags extends OutputFlags, EngineOptions, GivenSettings, Partial<CorrectionSettings> {
  readonly lexicon?: string;
  readonly correct?: boolean;
  readonly tileSide?: number;
  readonly beam?: number;
  readonly characters?: boolean;
}

export function addSpot(program: Command): void {
  const command = program
    .command('spot')
    .summary('find the text in images and read it')
    .description(
      'As detect, with the text of every region and its score. With a lexicon ' +
        'or --correct, words are corrected by the authors’ rule, and regions that it drops are left out.',
    )
    .addArgument(new Argument('<images...>', inputsHelp))
    .addOption(
      new Option(
        '--lexicon <path>',
        'words to choose from, one per line; or a folder with a lexicon for each image: NAME.txt or voc_NAME.txt',
      ),
    )
    .addOption(new Option('--correct', 'correct words without a lexicon too'))
    .addOption(
      new Option('--beam <width>', 'width of the beam search; 1 is greedy')
        .default(1)
        .argParser(integerBetween(...settingBounds.beam)),
    )
    .addOption(new Option('--characters', 'also print each character’s probability and position'))
    .addOption(threshold('length', 'drop words of fewer characters'))
    .addOption(threshold('score', 'keep words with a higher score as they are'))
    .addOption(
      threshold('non-alpha-score', 'keep words that are not all letters if their score is higher'),
    )
    .addOption(threshold('ignore-score', 'drop words with a lower score'))
    .addOption(
      threshold('edit-distance', 'take the lexicon’s nearest word if it is fewer edits away'),
    );
  withEngineOptions(
    withShardOption(withOutputOptions(withTileOption(withSettingsOptions(command)))),
  ).action(exiting(spot));
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

const task: ResultTask = {
  protocols: { icdar: 'icdar2015-e2e', totaltext: 'totaltext-e2e', iou: 'iou' },
  reads: true,
};

async function spot(inputs: string[], flags: SpotFlags): Promise<number> {
  const lexicons = await lexiconsAt(flags.lexicon);
  return runOnImages(inputs, flags, task, async (config) => {
    const options: SpotOptions = {
      ...settingsOf(flags, config.detection),
      tileSide: flags.tileSide,
      beam: flags.beam,
      characters: flags.characters,
      correction: flags.correct || flags.lexicon !== undefined ? thresholdsOf(flags) : undefined,
    };
    return {
      settings: { ...options, lexicon: lexicons.stamp },
      forModel: (model) => async (image, path) =>
        model.spot(image, { ...options, lexicon: await lexicons.of(path) }),
    };
  });
}

function thresholdsOf(flags: SpotFlags): Partial<CorrectionSettings> {
  const names = Object.keys(defaultCorrection) as (keyof CorrectionSettings)[];
  return Object.fromEntries(
    names.filter((name) => flags[name] !== undefined).map((name) => [name, flags[name]]),
  );
}

interface Lexicons {
  readonly of: (image: string) => Promise<Lexicon | undefined>;
  /** Differs if a lexicon does. */
  readonly stamp: unknown;
}

/** The lexicon for an image: the single file, the image's own from a folder, or none. */
async function lexiconsAt(path: string | undefined): Promise<Lexicons> {
  if (path === undefined) return { of: async () => undefined, stamp: undefined };
  if (!(await isFolder(path))) {
    const bytes = await readBytes(path);
    const lexicon = parseLexicon(bytes, path);
    return { of: async () => lexicon, stamp: hashOf(bytes) };
  }
  return {
    of: async (image) => {
      const name = basename(withoutEnding(image));
      for (const candidate of [`${name}.txt`, `voc_${name}.txt`].map((file) => join(path, file))) {
        if (await statOf(candidate)) return parseLexicon(await readBytes(candidate), candidate);
      }
      throw new PanppError(
        'file',
        `${path}: no lexicon for this image (${name}.txt or voc_${name}.txt)`,
      );
    },
    stamp: await stampOfFolder(path),
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
