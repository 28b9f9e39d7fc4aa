// panpp eval: corrects the stored words of a run before they are scored.
import { PanppError } from '../errors.js';
import type { Protocol } from '../evaluation/types.js';
import { comparesWords } from '../evaluation/words.js';
import {
  type CorrectionSettings,
  type Lexicon,
  correctWord,
  defaultCorrection,
} from '../recognition/lexicon.js';
import { shown } from './files.js';
import { type CorrectionFlags, correctionOf, lexiconsAt } from './reading-options.js';
import type { StoredImage, StoredImages, StoredRegion } from './run-folder.js';

/** How the words of a run are corrected. */
export interface RunCorrection {
  /** What the figures depend on. */
  readonly settings: CorrectionSettings & { readonly lexicon?: string };
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
  const given = correctionOf(flags);
  if (!given) return undefined;
  if (!comparesWords(protocol))
    throw new PanppError(
      'argument',
      `--lexicon and --correct are for protocols that compare words; ${protocol} does not`,
    );
  const lexicons = await lexiconsAt(flags.lexicon);
  const settings = { ...defaultCorrection, ...given, lexicon: flags.lexicon };
  const corrected = async (image: StoredImage): Promise<StoredImage> => {
    if ('error' in image) return image;
    const lexicon = await lexicons.of(image.file);
    const regions = image.regions.flatMap((each) => correct(each, image.file, given, lexicon));
    return { ...image, regions };
  };
  return {
    settings,
    apply: async (stored) => {
      const all = new Map<string, StoredImage>();
      for (const [name, image] of stored) all.set(name, await corrected(image));
      return all;
    },
  };
}

/** The region with its corrected word; none if the word is dropped. */
function correct(
  region: StoredRegion,
  file: string,
  settings: Partial<CorrectionSettings>,
  lexicon: Lexicon | undefined,
): StoredRegion[] {
  const { text, textScore } = region;
  if (text === undefined || textScore === undefined)
    throw new PanppError(
      'argument',
      `${shown(file)}: the run did not read its regions, so there are no words to correct; run it with this protocol`,
    );
  const word = correctWord(text, textScore, lexicon, settings);
  return word === undefined ? [] : [{ ...region, text: word }];
}
