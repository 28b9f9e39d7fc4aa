// The options that set how text is detected.
import { type Command, Option } from 'commander';
import { PanppError } from '../errors.js';
import type { DetectionSettings } from '../network/config.js';
import { integerBetween, numberBetween } from './usage.js';

/** Settings of detection given as options. */
export interface SettingsFlags {
  readonly shortSide?: number;
  readonly maxSide?: number;
  readonly bbox?: 'rect' | 'poly';
  readonly tolerance?: number;
  readonly minScore?: number;
  readonly minArea?: number;
}

/** Adds `--tile-side`, for commands that detect text. */
export function withTileOption(command: Command): Command {
  return command.addOption(
    new Option(
      '--tile-side <pixels>',
      'process larger images in overlapping tiles of this side; smaller tiles take less GPU memory (default: only images that don’t fit the GPU)',
    ).argParser(integerBetween(768, 1_000_000)),
  );
}

/** Adds `--short-side`, `--max-side`, `--bbox`, `--tolerance`, `--min-score` and `--min-area`. */
export function withSettingsOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--short-side <pixels>',
        'resize so that the shorter side has this many pixels',
      ).argParser(integerBetween(32, 8192)),
    )
    .addOption(
      new Option(
        '--max-side <pixels>',
        'limit for the longer side after resizing; where it applies, the shorter side has fewer pixels than --short-side',
      ).argParser(integerBetween(32, 1_000_000)),
    )
    .addOption(new Option('--bbox <shape>', 'rectangles or outlines').choices(['rect', 'poly']))
    .addOption(
      new Option(
        '--tolerance <pixels>',
        'with --bbox poly: simplify outlines by at most this distance, in pixels',
      ).argParser(numberBetween(0, 10_000)),
    )
    .addOption(
      new Option(
        '--min-score <score>',
        'drop regions with a lower mean text probability',
      ).argParser(numberBetween(0, 1)),
    )
    .addOption(
      new Option('--min-area <pixels>', 'drop smaller regions (see README, Settings)').argParser(
        numberBetween(0, 1e9),
      ),
    );
}

/**
 * The settings that options give on top of others.
 * @throws PanppError `argument` for an invalid combination
 */
export function settingsOf(flags: SettingsFlags, others: DetectionSettings): DetectionSettings {
  const { shortSide, maxSide, bbox = others.bbox, tolerance, minScore, minArea } = flags;
  if (tolerance !== undefined && bbox === 'rect')
    throw new PanppError('argument', '--tolerance is for outlines; add --bbox poly');
  return {
    ...others,
    bbox,
    shortSide: shortSide ?? others.shortSide,
    maxSide: maxSide ?? others.maxSide,
    // The default tolerance also applies only to outlines.
    tolerance: tolerance ?? (bbox === 'poly' ? others.tolerance : undefined),
    minScore: minScore ?? others.minScore,
    minArea: minArea ?? others.minArea,
  };
}
