import type { FormatRegion, ImageReference } from '../../src/formats/input.js';

export const image: ImageReference = { path: '../photos/street.jpg', width: 200, height: 100 };

/**
 * A rectangle that reaches out of the image, and an outline; scores with more digits than are
 * written.
 */
export const found: readonly FormatRegion[] = [
  {
    polygon: [
      [10, -2],
      [60, 8],
      [56, 28],
      [6, 18],
    ],
    box: { left: 6, top: 0, right: 61, bottom: 29 },
    score: 0.987654,
  },
  {
    polygon: [
      [120, 40],
      [180, 40],
      [190, 60],
      [150, 55],
      [120, 60],
    ],
    box: { left: 120, top: 40, right: 191, bottom: 61 },
    score: 0.9,
  },
];

/** The same, read. */
export const read: readonly FormatRegion[] = [
  { ...found[0], text: 'Open', textScore: 0.954321 },
  { ...found[1], text: 'daily', textScore: 0.5 },
];

/** A region of one pixel, whose outline is a point. */
export const dot: FormatRegion = {
  polygon: [[7, 9]],
  box: { left: 7, top: 9, right: 8, bottom: 10 },
  score: 0.5,
};

/**
 * Everything that means something in XML, JSON, URLs or hOCR; a control character; letters of other
 * scripts.
 */
export const strangePath = `a/b;c "d" & 'e' <f>#100%?ü 語\u0001.png`;
export const strangeText = `<"R&B">'s\\\u0001 語\t`;

/** A region whose coordinates are no numbers. */
export const broken: FormatRegion = { ...found[0], polygon: [[1, NaN]], text: 'a', textScore: 1 };
