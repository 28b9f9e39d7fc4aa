// The options that set how text is detected.
import { type Command, Option } from 'commander';
import { settingBounds } from '../model/outside-settings.js';
import { integerBetween, numberBetween } from './usage.js';

/** Adds `--tile-side`, for commands that detect text. */
export function withTileOption(command: Command): Command {
  return command.addOption(
    new Option(
      '--tile-side <pixels>',
      'process larger images in overlapping tiles of this side; smaller tiles take less GPU memory (default: only images that don’t fit the GPU)',
    ).argParser(integerBetween(...settingBounds.tileSide)),
  );
}

/** Adds `--short-side`, `--max-side`, `--bbox`, `--tolerance`, `--min-score` and `--min-area`. */
export function withSettingsOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--short-side <pixels>',
        'resize so that the shorter side has this many pixels',
      ).argParser(integerBetween(...settingBounds.shortSide)),
    )
    .addOption(
      new Option(
        '--max-side <pixels>',
        'limit for the longer side after resizing; where it applies, the shorter side has fewer pixels than --short-side',
      ).argParser(integerBetween(...settingBounds.maxSide)),
    )
    .addOption(new Option('--bbox <shape>', 'rectangles or outlines').choices(['rect', 'poly']))
    .addOption(
      new Option(
        '--tolerance <pixels>',
        'with --bbox poly: simplify outlines by at most this distance, in pixels',
      ).argParser(numberBetween(...settingBounds.tolerance)),
    )
    .addOption(
      new Option(
        '--min-score <score>',
        'drop regions with a lower mean text probability',
      ).argParser(numberBetween(...settingBounds.minScore)),
    )
    .addOption(
      new Option('--min-area <pixels>', 'drop smaller regions (see README, Settings)').argParser(
        numberBetween(...settingBounds.minArea),
      ),
    );
}
