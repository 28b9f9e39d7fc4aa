import { describe, expect, it } from 'vitest';
import type { ImageUpload } from '../../src/images/upload.js';
import type { Rois } from '../../src/recognition/roi.js';
import { planWindows, readInWindows, windowSize } from '../../src/recognition/windows.js';
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
    expect(planWindows(crops, image, size, 256).windows).toEqual([
      { area: { top: 0, bottom: 736, left: 0, right: 1024 }, regions: [0, 1] },
      { area: { top: 0, bottom: 736, left: 544, right: 1568 }, regions: [2] },
      { area: { top: 0, bottom: 736, left: 3072, right: 4096 }, regions: [3] },
    ]);
  });

  it('have a wide region in their middle', () => {
    const [{ area }] = planWindows([box(1010, 0, 1990, 40)], image, size, 256).windows;
    expect(area).toEqual({ top: 0, bottom: 736, left: 992, right: 2016 });
  });

  it.each([
    [box(0, 0, 1024, 40), true],
    [box(1000, 0, 1992, 40), true], // wherever a window of a multiple of 32 begins
    [box(0, 0, 1025, 40), false],
  ])('hold %o: %s', (crop, fits) => {
    const { windows, faults } = planWindows([crop], image, size, 256);
    if (fits) {
      const { left, right } = windows[0].area;
      expect(left <= crop.left && crop.right <= right && left % 32 === 0).toBe(true);
      expect(faults).toEqual([]);
    } else {
      expect(windows).toEqual([]);
      expect(faults).toMatchObject([
        {
          code: 'argument',
          message: expect.stringMatching(/^a region of 1025 × 40 pixels .* tile of 1024 × 736; /),
        },
      ]);
    }
  });

  it('are as large as tiles, or as the largest region needs, up to a limit', () => {
    const tile = { height: 704, width: 736 };
    const sizeFor = (crop: Box) => windowSize([box(0, 0, 90, 40), crop], image, tile, 2060);
    expect(sizeFor(box(0, 0, 700, 40))).toEqual({ height: 704, width: 736 });
    expect(sizeFor(box(5, 0, 1405, 720))).toEqual({ height: 736, width: 1440 });
    expect(sizeFor(box(0, 0, 4000, 40))).toEqual({ height: 704, width: 2048 });
    const crop = box(1001, 0, 2401, 700);
    expect(planWindows([crop], image, sizeFor(crop), 256).faults).toEqual([]);
  });

  it('give no text for regions that are in none', async () => {
    const roi = { crop: box(0, 0, 9, 9), maskBox: box(0, 0, 9, 9), mask: new Uint8Array(81) };
    const area = { top: 0, bottom: 32, left: 0, right: 32 };
    const word = { text: 'open', score: 1, characters: [] };
    const pass = { read: async () => ({ words: [word], timings: {} }) };
    const rois = { rois: [roi, roi], maskScale: 1 } as unknown as Rois;
    const upload = () => ({}) as ImageUpload;
    const { words } = await readInWindows(pass, [{ area, regions: [1] }], upload, rois);
    expect(words.map(({ text }) => text)).toEqual(['', 'open']);
  });

  it('are none without regions', () => {
    expect(planWindows([], image, size, 256).windows).toEqual([]);
  });
});
