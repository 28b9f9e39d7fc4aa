// panpp eval: corrects the stored words of a run before they are scored.
import { PanppError } from '../errors.js';
import type { Protocol } from '../evaluation/types.js';
import { assertComparesWords } from '../evaluation/words.js';
import {
  type CorrectionSettings,
  type Lexicon,
  correctWord,
  defaultCorrection,
} from '../recognition/lexicon.js';
import { type CorrectionFlags, givenCorrection, lexiconsAt } from './reading-options.js';
import {
  type StoredImage,
  type StoredImages,
  type StoredRegion,
  asFileName,
} from './run-folder.js';

/** How the words of a run are corrected. */
export interface RunCorrection {
  readonly settings: CorrectionSettings & { readonly lexicon?: string };
  /** The same in words. */
  readonly note: string;
  /**
   * Checks, before hours of work, that each of the images has its lexicon.
   * @throws PanppError `file` for an image without one
   */
  readonly check: (names: Iterable<string>) => Promise<void>;
  /** @throws PanppError `file` for an image without a lexicon, `argument` for words without scores */
  readonly apply: (stored: StoredImages) => Promise<StoredImages>;
}

/**
 * The correction that the options ask for; undefined if words are left as they are.
 * @throws PanppError `argument` for options that don't fit, `file` for an unreadable lexicon
 */
export async function runCorrection(
  protocol: Protocol,
  flags: CorrectionFlags,
): Promise<RunCorrection | undefined> {
  const given = givenCorrection(flags);
  if (!given) return undefined;
  assertComparesWords('--lexicon and --correct', protocol);
  const lexicons = await lexiconsAt(flags.lexicon);
  const settings = { ...defaultCorrection, ...given, lexicon: flags.lexicon };
  const lexiconOf = (name: string) => lexicons.of(asFileName(name));
  const corrected = async (name: string, image: StoredImage): Promise<StoredImage> => {
    if ('error' in image) return image;
    const lexicon = await lexiconOf(name);
    const regions = image.regions.flatMap((each) => correct(each, name, given, lexicon));
    return { ...image, regions };
  };
  return {
    settings,
    note: noteOf(settings),
    check: async (names) => {
      for (const name of names) await lexiconOf(name);
    },
    apply: async (stored) => {
      const all = new Map<string, StoredImage>();
      for (const [name, image] of stored) all.set(name, await corrected(name, image));
      return all;
    },
  };
}

function noteOf({ lexicon, ...thresholds }: RunCorrection['settings']): string {
  const by = lexicon === undefined ? 'without a lexicon' : `by ${lexicon}`;
  const values = Object.entries(thresholds).map(([name, value]) => `${name} ${value}`);
  return `words were corrected ${by}: ${values.join(', ')}`;
}

/** The region with its corrected word; none if the word is dropped. */
function correct(
  region: StoredRegion,
  image: string,
  settings: Partial<CorrectionSettings>,
  lexicon: Lexicon | undefined,
): StoredRegion[] {
  const { text, textScore } = region;
  if (text === undefined || textScore === undefined)
    throw new PanppError(
      'argument',
      `${image}: the run did not read its regions, so there are no words to correct; run it with this protocol`,
    );
  const word = correctWord(text, textScore, lexicon, settings);
  return word === undefined ? [] : [{ ...region, text: word }];
}
