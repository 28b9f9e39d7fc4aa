// panpp spot: finds and reads text in images, one JSON line per image on stdout.
import { Argument, type Command, Option } from 'commander';
import type { SpotOptions } from '../model/options.js';
import { type GivenSettings, settingsOf } from '../model/outside-settings.js';
import { type EngineOptions, withEngineOptions } from './engine.js';
import { inputsHelp, runOnImages } from './image-run.js';
import {
  type CorrectionFlags,
  type ReadFlags,
  givenCorrection,
  lexiconsAt,
  readingSettings,
  withCorrectionOptions,
  withReadOptions,
} from './reading-options.js';
import { type OutputFlags, type ResultTask, withOutputOptions } from './result-files.js';
import { withSettingsOptions, withTileOption } from './settings-options.js';
import { withShardOption } from './shard.js';
import { exiting } from './usage.js';

interface SpotFlags extends OutputFlags, EngineOptions, GivenSettings, CorrectionFlags, ReadFlags {
  readonly tileSide?: number;
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
    .addOption(new Option('--characters', 'also print each character’s probability and position'));
  withEngineOptions(
    withShardOption(
      withOutputOptions(
        withTileOption(withSettingsOptions(withCorrectionOptions(withReadOptions(command)))),
      ),
    ),
  ).action(exiting(spot));
}

const task: ResultTask = {
  protocols: { icdar: 'icdar2015-e2e', totaltext: 'totaltext-e2e', iou: 'iou' },
  reads: true,
};

async function spot(inputs: string[], flags: SpotFlags): Promise<number> {
  const correction = givenCorrection(flags);
  const lexicons = await lexiconsAt(flags.lexicon);
  return runOnImages(inputs, flags, task, async (config) => {
    const options: SpotOptions = {
      ...settingsOf(flags, config.detection),
      tileSide: flags.tileSide,
      ...readingSettings(flags),
      characters: flags.characters,
      correction,
    };
    return {
      settings: { ...options, lexicon: await lexicons.stamp() },
      forModel: (model) => async (image, path) =>
        model.spot(image, { ...options, lexicon: await lexicons.of(path) }),
    };
  });
}
