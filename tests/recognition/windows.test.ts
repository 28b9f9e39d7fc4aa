import { describe, expect, it } from 'vitest';
import { planWindows } from '../../src/recognition/windows.js';
import type { Box } from '../../src/shapes/geometry.js';

const box = (left: number, top: number, right: number, bottom: number): Box => ({
  left,
  top,
  right,
  bottom,
});

describe('windows', () => {
  const image = { height: 736, width: 4096 };
  const size = { height: 736, width: 1024 };

  it('hold several regions, each whole and with a margin', () => {
    const crops = [
      box(0, 10, 90, 40),
      box(700, 0, 760, 30),
      box(800, 9, 900, 60),
      box(4000, 5, 4096, 60),
    ];
    expect(planWindows(crops, image, size, 256)).toEqual([
      { area: { top: 0, bottom: 736, left: 0, right: 1024 }, regions: [0, 1] },
      { area: { top: 0, bottom: 736, left: 544, right: 1568 }, regions: [2] },
      { area: { top: 0, bottom: 736, left: 3072, right: 4096 }, regions: [3] },
    ]);
  });

  it('have a wide region in their middle', () => {
    const [{ area }] = planWindows([box(1010, 0, 1990, 40)], image, size, 256);
    expect(area).toEqual({ top: 0, bottom: 736, left: 992, right: 2016 });
  });

  it.each([
    [box(0, 0, 1024, 40), true],
    [box(1000, 0, 1992, 40), true], // wherever a window of a multiple of 32 begins
    [box(0, 0, 1025, 40), false],
  ])('hold %o: %s', (crop, fits) => {
    const plan = () => planWindows([crop], image, size, 256);
    if (fits) {
      const { left, right } = plan()[0].area;
      expect(left <= crop.left && crop.right <= right && left % 32 === 0).toBe(true);
    } else
      expect(plan).toThrow(
        expect.objectContaining({
          code: 'argument',
          message: expect.stringMatching(/^a region of 1025 × 40 pixels .* tile of 1024 × 736; /),
        }),
      );
  });

  it('are none without regions', () => {
    expect(planWindows([], image, size, 256)).toEqual([]);
  });
});
