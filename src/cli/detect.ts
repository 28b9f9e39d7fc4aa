// panpp detect: finds text regions in images, one JSON line per image on stdout.
import { Argument, type Command } from 'commander';
import { type GivenSettings, settingsOf } from '../model/outside-settings.js';
import { type EngineOptions, withEngineOptions } from './engine.js';
import { inputsHelp, runOnImages } from './image-run.js';
import { withSettingsOptions, withTileOption } from './settings-options.js';
import { type OutputFlags, type ResultTask, withOutputOptions } from './result-files.js';
import { withShardOption } from './shard.js';
import { exiting } from './usage.js';

export function addDetect(program: Command): void {
  const command = program
    .command('detect')
    .summary('find the text in images')
    .description(
      'Finds the text regions of PNG, JPEG and WebP images and prints one JSON line per image: file, width, height, ' +
        'regions (polygon, box, score, area), timings in milliseconds. An image that fails gives a line with its ' +
        'error, and the others are still processed.',
    )
    .addArgument(new Argument('<images...>', inputsHelp));
  withEngineOptions(
    withShardOption(withOutputOptions(withTileOption(withSettingsOptions(command)))),
  ).action(exiting(detect));
}

const task: ResultTask = {
  protocols: { icdar: 'icdar2015', totaltext: 'totaltext', iou: 'iou' },
  reads: false,
};

async function detect(
  inputs: string[],
  flags: OutputFlags & EngineOptions & GivenSettings & { readonly tileSide?: number },
): Promise<number> {
  return runOnImages(inputs, flags, task, ({ detection }) => {
    const settings = { ...settingsOf(flags, detection), tileSide: flags.tileSide };
    return { settings, forModel: (model) => (image) => model.detect(image, settings) };
  });
}
