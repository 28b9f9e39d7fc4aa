// What the commands that look at images have in common: settings as options, a file in, a JSON line out.
import { type Command, Option } from 'commander';
import type { Detection, Spotting } from '../model/options.js';
import { streamed } from '../model/stream.js';
import { PanppError } from '../errors.js';
import { decodeImage } from '../images/decode.js';
import type { PixelImage } from '../images/image.js';
import type { DetectionSettings } from '../network/config.js';
import type { SpottedRegion } from '../model/spotting-pass.js';
import type { Region } from '../shapes/regions.js';
import { readBytes } from './files.js';
import { errorLine } from './report.js';
import { integerBetween, numberBetween } from './usage.js';
import type { TextCharacter } from '../recognition/reading.js';

/** Settings of detection given as options. */
export interface SettingsFlags {
  readonly shortSide?: number;
  readonly bbox?: 'rect' | 'poly';
  readonly tolerance?: number;
  readonly minScore?: number;
  readonly minArea?: number;
}

/** Adds `--short-side`, `--bbox`, `--tolerance`, `--min-score` and `--min-area`. */
export function withSettingsOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--short-side <pixels>', 'resize so that the shorter side has so many pixels').argParser(
        integerBetween(32, 8192),
      ),
    )
    .addOption(new Option('--bbox <shape>', 'rectangles or outlines').choices(['rect', 'poly']))
    .addOption(
      new Option(
        '--tolerance <pixels>',
        'with --bbox poly: fewer points, none of the outline further away than this',
      ).argParser(numberBetween(0, 10_000)),
    )
    .addOption(
      new Option('--min-score <score>', 'drop regions with a lower mean text probability').argParser(
        numberBetween(0, 1),
      ),
    )
    .addOption(
      new Option('--min-area <pixels>', 'drop smaller regions (see README, Settings)').argParser(numberBetween(0, 1e9)),
    );
}

/**
 * The settings that options give on top of others.
 * @throws PanppError `argument` for a combination that makes no sense
 */
export function settingsOf(flags: SettingsFlags, others: DetectionSettings): DetectionSettings {
  const { shortSide, bbox = others.bbox, tolerance, minScore, minArea } = flags;
  if (tolerance !== undefined && bbox === 'rect')
    throw new PanppError('argument', '--tolerance is for outlines; add --bbox poly');
  return {
    ...others,
    bbox,
    shortSide: shortSide ?? others.shortSide,
    // The others' tolerance belongs to outlines too.
    tolerance: tolerance ?? (bbox === 'poly' ? others.tolerance : undefined),
    minScore: minScore ?? others.minScore,
    minArea: minArea ?? others.minArea,
  };
}

/** What finds the text of an image: a model's `detect` or `spot`. The path is the image's. */
export type Look = (image: PixelImage, path: string) => Promise<Detection | Spotting>;

export interface Looked {
  readonly image: PixelImage;
  readonly found: Detection | Spotting;
}

/** What became of an image file: what was found, or in one line why not. */
export type Outcome = { readonly looked: Looked } | { readonly error: string };

/** Images in memory at a time: while the GPU works on one, the next ones are decoded. */
const imagesAtOnce = 3;

/**
 * Looks at image files, one outcome each in their order.
 * @throws PanppError `device-lost`: without its device nothing more can be done
 */
export function lookAtEach<F extends { readonly path: string }>(files: Iterable<F>, look: Look): AsyncIterable<Outcome & { readonly image: F }> {
  return streamed(files, ({ path }) => lookAtFile(path, look), { concurrency: imagesAtOnce });
}

async function lookAtFile(path: string, look: Look): Promise<Outcome> {
  try {
    const image = await decodeImage(await readBytes(path), path);
    return { looked: { image, found: await lookAt(image, path, look) } };
  } catch (error) {
    if (error instanceof PanppError && error.code === 'device-lost') throw error;
    return { error: errorLine(error) };
  }
}

async function lookAt(image: PixelImage, path: string, look: Look): Promise<Looked['found']> {
  try {
    return await look(image, path);
  } catch (error) {
    // The model does not know which file it is about.
    if (!(error instanceof PanppError) || error.code === 'device-lost') throw error;
    throw new PanppError(error.code, `${path}: ${error.message}`, { cause: error });
  }
}

/** An image's result as it is printed and stored. */
export function resultLine(file: string, { width, height, regions, timings }: Detection | Spotting) {
  return {
    file,
    width,
    height,
    regions: regions.map(resultRegion),
    timings: Object.fromEntries(
      Object.entries(timings).map(([stage, milliseconds]) => [stage, rounded(milliseconds, 3)]),
    ),
  };
}

function resultRegion(region: Region | SpottedRegion) {
  const { polygon, box, score, area } = region;
  const found = { polygon, box, score: rounded(score, 4), area };
  if (!('text' in region)) return found;
  const { text, textScore, characters } = region;
  return { ...found, text, textScore: rounded(textScore, 4), ...(characters && { characters: characters.map(resultCharacter) }) };
}

function resultCharacter({ character, probability, attention: [x, y] }: TextCharacter) {
  return { character, probability: rounded(probability, 4), attention: [rounded(x, 1), rounded(y, 1)] };
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
