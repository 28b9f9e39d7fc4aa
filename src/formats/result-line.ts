// An image's result as one line of JSON.
import type { Detection, Spotting } from '../model/options.js';
import type { SpottedRegion } from '../model/spotting-pass.js';
import type { TextCharacter } from '../recognition/reading.js';
import type { Region } from '../shapes/regions.js';

/** An image's result as it is printed and stored. */
export type ResultLine = ReturnType<typeof resultLine>;

/** An image's result as it is printed and stored. */
export function resultLine(
  file: string,
  { width, height, regions, timings }: Detection | Spotting,
) {
  return {
    file,
    width,
    height,
    regions: regions.map(resultRegion),
    timings: Object.fromEntries(
      Object.entries(timings as Readonly<Record<string, number>> & typeof timings).map(
        ([stage, milliseconds]) => [stage, rounded(milliseconds, 3)],
      ),
    ),
  };
}

function resultRegion(region: Region | SpottedRegion) {
  const { polygon, box, score, area } = region;
  const found = { polygon, box, score: rounded(score, 4), area };
  if (!('text' in region)) return found;
  const { text, textScore, characters } = region;
  return {
    ...found,
    text,
    textScore: rounded(textScore, 4),
    ...(characters && { characters: characters.map(resultCharacter) }),
  };
}

function resultCharacter({ character, probability, attention: [x, y] }: TextCharacter) {
  return {
    character,
    probability: rounded(probability, 4),
    attention: [rounded(x, 1), rounded(y, 1)],
  };
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

/** A result as a line of JSON. */
export function jsonLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
