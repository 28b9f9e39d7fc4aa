import { describe, expect, it } from 'vitest';

import { resizedSize } from '../../src/images/size.js';

describe('resizedSize', () => {
  it.each([
    // height, width, short side → height, width
    [720, 1280, 736, 736, 1312], // 1308.4 → 1308 → 1312
    [1280, 720, 736, 1312, 736],
    [224, 320, 224, 224, 320], // already a multiple of 32
    [480, 640, 640, 640, 864], // 853.3 → 853 → 864
    [719, 1279, 720, 736, 1312], // 720 → 736; 1280.8 → 1281 → 1312
    [100, 101, 50, 64, 64], // 50.5 rounds up to 51
    [1, 1, 736, 736, 736],
    [10000, 10000, 736, 736, 736],
    [3, 64, 3, 32, 64],
  ])('%i × %i at short side %i is %i × %i', (height, width, shortSide, newHeight, newWidth) => {
    expect(resizedSize(height, width, { shortSide })).toEqual({
      height: newHeight,
      width: newWidth,
    });
  });

  it.each([
    // height, width, short side, max side → height, width
    [720, 1280, 736, 1312, 736, 1312], // the longer side fits
    [720, 1280, 736, 1311, 736, 1280], // 1311 is limited to 1280, a multiple of 32: exactly 720 × 1280
    [720, 1280, 736, 640, 384, 640], // half: 360 → 384
    [1280, 720, 736, 640, 640, 384],
    [9000, 12000, 736, 736, 576, 736], // 552 → 576
    [1, 5000, 736, 1024, 32, 1024], // 0.2 pixels become 32
    [100, 100, 64, 32, 32, 32],
    [100, 100, 64, 95, 64, 64],
  ])(
    '%i × %i at short side %i and max side %i is %i × %i',
    (height, width, shortSide, maxSide, newHeight, newWidth) => {
      const size = resizedSize(height, width, { shortSide, maxSide });
      expect(size).toEqual({ height: newHeight, width: newWidth });
    },
  );

  it.each([0, 31, 100.5, NaN, Infinity, '640'])('refuses the max side %s', (maxSide) => {
    expect(() => resizedSize(64, 64, { shortSide: 64, maxSide: maxSide as number })).toThrow(
      expect.objectContaining({
        code: 'argument',
        message: `maxSide is ${typeof maxSide === 'string' ? `"${maxSide}"` : maxSide}; it must be a whole number of at least 32`,
      }),
    );
  });

  it('refuses what becomes too large, in one line with the numbers', () => {
    expect(() => resizedSize(1, 5000, { shortSide: 736 })).toThrow(
      expect.objectContaining({
        code: 'image',
        message: expect.stringMatching(
          /^an image of 5000 x 1 pixels becomes 3680000 x 736 at short side 736[^\n]*smaller short side[^\n]*$/,
        ),
      }),
    );
    expect(() => resizedSize(64, 64, { shortSide: 96 }, 96 * 96 - 1)).toThrow(
      expect.objectContaining({ code: 'image' }),
    );
    expect(resizedSize(64, 64, { shortSide: 96 }, 96 * 96)).toEqual({ height: 96, width: 96 });
  });

  it.each([
    ['height', 0, 5, 32],
    ['width', 5, -1, 32],
    ['width', 5, 2.5, 32],
    ['shortSide', 5, 5, 0],
    ['shortSide', 5, 5, NaN],
  ])('refuses a %s that is no positive integer', (name, height, width, shortSide) => {
    expect(() => resizedSize(height, width, { shortSide })).toThrow(
      expect.objectContaining({ code: 'argument', message: expect.stringContaining(name) }),
    );
  });
});
