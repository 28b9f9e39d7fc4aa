// Strips of regions: their columns in the image, their boxes, and the way back.
import { describe, expect, it } from 'vitest';
import type { Size } from '../../src/images/size.js';
import { lineHeight } from '../../src/layers/rectify.js';
import { type Roi, roiOfLabel, roiOfShape } from '../../src/recognition/roi.js';
import {
  type Strip,
  leastColumns,
  pageWidth,
  pointOfStrip,
  stripsOf as lazy,
  wordBox,
} from '../../src/recognition/strips.js';
import type { Box, Point } from '../../src/shapes/geometry.js';
import { randomValues } from '../support/run-layer.js';

const stripsOf = (...given: Parameters<typeof lazy>) => [...lazy(...given)];

const size: Size = { height: 320, width: 480 };
const margin = 10;

type Region = (x: number, y: number) => boolean;

/** The region of the mask pixels that are chosen, each `scale` pixels wide. */
function roiOf(region: Region, scale = 1): Roi {
  const [height, width] = [size.height / scale, size.width / scale];
  const labels = new Int32Array(height * width);
  const box = { left: Infinity, top: Infinity, right: 0, bottom: 0 };
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!region(x, y)) continue;
      labels[y * width + x] = 1;
      box.left = Math.min(box.left, x * scale);
      box.top = Math.min(box.top, y * scale);
      box.right = Math.max(box.right, (x + 1) * scale);
      box.bottom = Math.max(box.bottom, (y + 1) * scale);
    }
  }
  return roiOfLabel({ labels, width, scale }, 1, box, size);
}

/** A turned rectangle about the image's middle, in a mask whose pixels are `scale` wide. */
function turned(length: number, height: number, degrees: number, scale = 1): Region {
  const [cos, sin] = [Math.cos(radians(degrees)), Math.sin(radians(degrees))];
  return (column, row) => {
    const x = (column + 0.5) * scale - 0.5 - 240;
    const y = (row + 0.5) * scale - 0.5 - 160;
    return Math.abs(x * cos + y * sin) <= length / 2 && Math.abs(y * cos - x * sin) <= height / 2;
  };
}

function radians(degrees: number): number {
  return (degrees * Math.PI) / 180;
}

function roiOfBox(left: number, top: number, width: number, height: number, image = size): Roi {
  const box = { left, top, right: left + width, bottom: top + height };
  return roiOfShape(box, 'region 0', image, image);
}

function only(strips: readonly Strip[]): Strip {
  expect(strips).toHaveLength(1);
  return strips[0];
}

function expectColumn(
  { columns }: Strip,
  at: number,
  wanted: { x: number; y: number; stepX: number; stepY: number },
) {
  for (const key of ['x', 'y', 'stepX', 'stepY'] as const)
    expect(columns[at][key], `${key} of column ${at}`).toBeCloseTo(wanted[key], 8);
}

/** The pixels that a strip's first and last rows are between, at the edge of the image if outside. */
function readBy(strip: Strip, { height, width }: Size): Box {
  const [xs, ys]: [number[], number[]] = [[], []];
  for (let at = 0; at < strip.columns.length; at++) {
    for (const row of [0, lineHeight - 1]) {
      const [x, y] = pointOfStrip(strip, at, row);
      xs.push(Math.min(Math.max(x, 0), width - 1));
      ys.push(Math.min(Math.max(y, 0), height - 1));
    }
  }
  return {
    left: Math.floor(Math.min(...xs)),
    top: Math.floor(Math.min(...ys)),
    right: Math.ceil(Math.max(...xs)) + 1,
    bottom: Math.ceil(Math.max(...ys)) + 1,
  };
}

function distance([x1, y1]: Point, [x2, y2]: Point): number {
  return Math.hypot(x2 - x1, y2 - y1);
}

describe('the strip of level text', () => {
  const strip = only(stripsOf([roiOfBox(40, 20, 40, 16)], 1, size, size));

  it('has the word 32 rows high, with 10 columns before and behind it', () => {
    expect(lineHeight).toBe(52);
    expect(strip.region).toBe(0);
    // Enlarged by 2.
    expect(strip.columns).toHaveLength(80 + 2 * margin);
    expect(strip.step).toBeCloseTo(0.5, 9);
    expectColumn(strip, 0, { x: 34.75, y: 27.5, stepX: 0, stepY: 0.5 });
    expectColumn(strip, margin, { x: 39.75, y: 27.5, stepX: 0, stepY: 0.5 });
    expectColumn(strip, 99, { x: 84.25, y: 27.5, stepX: 0, stepY: 0.5 });
  });

  it('has a box of all pixels that it reads', () => {
    // 26 rows up and down from the middle: 14.5 to 40.5; columns from 34.75 to 84.25.
    expect(strip.box).toEqual({ left: 34, top: 14, right: 86, bottom: 42 });
  });

  it('is squeezed to the page’s width if it is long', () => {
    const long = only(stripsOf([roiOfBox(40, 20, 400, 8)], 1, size, size));
    expect(long.columns).toHaveLength(pageWidth);
    const apart = 400 / (pageWidth - 2 * margin);
    expectColumn(long, 0, { x: 39.5 - 9.5 * apart, y: 23.5, stepX: 0, stepY: 0.25 });
    expectColumn(long, 639, { x: 439.5 + 9.5 * apart, y: 23.5, stepX: 0, stepY: 0.25 });
    expect(long.step).toBeCloseTo(0.25, 9);
    expect(long.squeeze).toBeCloseTo(apart / 0.25, 9);
  });

  it('just fits the page without being squeezed', () => {
    const fitting = only(stripsOf([roiOfBox(40, 20, 155, 8)], 1, size, size));
    expect(fitting.columns).toHaveLength(pageWidth);
    expectColumn(fitting, margin, { x: 39.625, y: 23.5, stepX: 0, stepY: 0.25 });
    expect(fitting.squeeze).toBeCloseTo(1, 9);
    const narrower = only(stripsOf([roiOfBox(40, 20, 154, 8)], 1, size, size));
    expect(narrower.columns).toHaveLength(pageWidth - 4);
  });

  it('may be of a pixel', () => {
    const pixel = only(stripsOf([roiOfBox(7, 9, 1, 1)], 1, size, size));
    expect(pixel.columns).toHaveLength(32 + 2 * margin);
    expectColumn(pixel, margin, { x: 6.5 + 0.5 / 32, y: 9, stepX: 0, stepY: 1 / 32 });
  });
});

describe('strips of steep text', () => {
  it('are two: from the bottom to the top, and turned by 180°', () => {
    const [up, down, ...others] = stripsOf([roiOfBox(100, 50, 16, 40)], 1, size, size);
    expect(others).toEqual([]);
    expect([up.region, down.region]).toEqual([0, 0]);
    expect(up.columns).toHaveLength(100);
    expectColumn(up, 0, { x: 107.5, y: 94.25, stepX: 0.5, stepY: 0 });
    expectColumn(up, 99, { x: 107.5, y: 44.75, stepX: 0.5, stepY: 0 });
    expectColumn(down, 0, { x: 107.5, y: 44.75, stepX: -0.5, stepY: 0 });
    expectColumn(down, 99, { x: 107.5, y: 94.25, stepX: -0.5, stepY: 0 });
    expect(up.box).toEqual({ left: 94, top: 44, right: 122, bottom: 96 });
    expect(down.box).toEqual(up.box);
  });

  it.each([60, -60, 75, -89])('are each other turned at %i°', (degrees) => {
    const [first, second, ...others] = stripsOf([roiOf(turned(121, 21, degrees))], 1, size, size);
    expect(others).toEqual([]);
    const last = first.columns.length - 1;
    expect(second.columns).toHaveLength(first.columns.length);
    first.columns.forEach(({ x, y, stepX, stepY }, at) =>
      expectColumn(second, last - at, { x, y, stepX: -stepX, stepY: -stepY }),
    );
    // The first goes to the right.
    expect(first.columns[last].x).toBeGreaterThan(first.columns[0].x);
  });

  it.each([
    [0, 1],
    [30, 1],
    [-30, 1],
    [48, 1],
    [-48, 1],
    [52, 2],
    [-52, 2],
    [90, 2],
  ])('begin beyond 50°: at %i° there are %i', (degrees, count) => {
    expect(stripsOf([roiOf(turned(121, 21, degrees))], 1, size, size)).toHaveLength(count);
  });
});

describe('strips', () => {
  it('know their regions, of which those without pixels have none', () => {
    const empty: Roi = { ...roiOfBox(10, 10, 30, 8), mask: new Uint32Array(8) };
    const rois = [roiOfBox(40, 20, 40, 16), empty, roiOfBox(100, 50, 16, 40), roiOfBox(1, 1, 2, 2)];
    expect(stripsOf(rois, 1, size, size).map(({ region }) => region)).toEqual([0, 2, 2, 3]);
    expect(stripsOf([empty], 4, size, size)).toEqual([]);
    expect(stripsOf([], 1, size, size)).toEqual([]);
  });

  it('are in the pixels of the original image', () => {
    const original = { height: 640, width: 960 };
    for (const roi of [roiOfBox(40, 20, 40, 16), roiOf(turned(121, 21, 30))]) {
      const [once] = stripsOf([roi], 1, size, size);
      const twice = only(stripsOf([roi], 1, size, original));
      expect(twice.columns).toHaveLength(once.columns.length);
      expect(twice.step).toBeCloseTo(2 * once.step, 9);
      // A pixel's centre comes to the middle of four.
      once.columns.forEach(({ x, y, stepX, stepY }, at) =>
        expectColumn(twice, at, {
          x: 2 * x + 0.5,
          y: 2 * y + 0.5,
          stepX: 2 * stepX,
          stepY: 2 * stepY,
        }),
      );
    }
    const uneven = only(stripsOf([roiOfBox(40, 20, 40, 16)], 1, size, { height: 960, width: 240 }));
    expectColumn(uneven, margin, { x: 19.625, y: 83.5, stepX: 0, stepY: 1.5 });
    expect(uneven.step).toBeCloseTo(1.5, 9);
    // 83.5 ± 39, and from 17.125 to 41.875.
    expect(uneven.box).toEqual({ left: 17, top: 44, right: 43, bottom: 124 });
  });

  it('have boxes inside the image at its corners and edges', () => {
    const { height, width } = size;
    const boxes: [Roi, Box][] = [
      [roiOfBox(0, 0, 40, 16), { left: 0, top: 0, right: 46, bottom: 22 }],
      [roiOfBox(440, 0, 40, 16), { left: 434, top: 0, right: 480, bottom: 22 }],
      [roiOfBox(0, 304, 40, 16), { left: 0, top: 298, right: 46, bottom: 320 }],
      [roiOfBox(440, 304, 40, 16), { left: 434, top: 298, right: 480, bottom: 320 }],
      [roiOfBox(0, 0, 480, 320), { left: 0, top: 0, right: 480, bottom: 320 }],
      [roiOfBox(479, 319, 1, 1), { left: 478, top: 318, right: 480, bottom: 320 }],
    ];
    for (const [roi, box] of boxes)
      expect(only(stripsOf([roi], 1, size, { height, width })).box).toEqual(box);
  });

  it('have boxes of all that they read, inside the image, for regions anywhere', () => {
    const pictures = [size, { height: 320, width: 480 * 3 }, { height: 80, width: 120 }];
    for (let seed = 1; seed <= 60; seed++) {
      const values = randomValues(8, seed).map((value) => (value + 1) / 2);
      const corners = [0, 2, 4].map((at): Point => [
        Math.floor(values[at] * 560 - 40),
        Math.floor(values[at + 1] * 400 - 40),
      ]);
      // Some corners are outside of the image.
      const anchored: Point[] = [...corners, [240 * values[6], 160 * values[7]]];
      const roi = roiOfShape(anchored, 'region 0', size, size);
      for (const original of pictures) {
        for (const strip of stripsOf([roi], 1, size, original)) {
          const { columns, box } = strip;
          const what = JSON.stringify([anchored, original]);
          expect(columns.length, what).toBeGreaterThanOrEqual(leastColumns);
          expect(columns.length, what).toBeLessThanOrEqual(pageWidth);
          expect(box.left, what).toBeGreaterThanOrEqual(0);
          expect(box.top, what).toBeGreaterThanOrEqual(0);
          expect(box.right, what).toBeLessThanOrEqual(original.width);
          expect(box.bottom, what).toBeLessThanOrEqual(original.height);
          const read = readBy(strip, original);
          expect(box.left, what).toBeLessThanOrEqual(read.left);
          expect(box.top, what).toBeLessThanOrEqual(read.top);
          expect(box.right, what).toBeGreaterThanOrEqual(read.right);
          expect(box.bottom, what).toBeGreaterThanOrEqual(read.bottom);
          // No more than rows’ halves and rounding add.
          const more = strip.step * 2 + 2;
          expect(read.left - box.left, what).toBeLessThan(more);
          expect(read.top - box.top, what).toBeLessThan(more);
          expect(box.right - read.right, what).toBeLessThan(more);
          expect(box.bottom - read.bottom, what).toBeLessThan(more);
        }
      }
    }
  });

  it.each([0, 20, -40, 70, 90])('are nearly the same by the mask’s scale at %i°', (degrees) => {
    const coarse = turned(200, 40, degrees, 4);
    const ofCells = stripsOf([roiOf(coarse, 4)], 4, size, size);
    const ofPixels = stripsOf(
      [roiOf((x, y) => coarse(Math.floor(x / 4), Math.floor(y / 4)))],
      1,
      size,
      size,
    );
    expect(ofCells).toHaveLength(ofPixels.length);
    expect(ofCells).toHaveLength(degrees > 50 ? 2 : 1);
    ofCells.forEach((strip, index) => {
      const other = ofPixels[index];
      expect(Math.abs(strip.step / other.step - 1)).toBeLessThan(0.05);
      expect(Math.abs(strip.columns.length / other.columns.length - 1)).toBeLessThan(0.05);
      for (const share of [0, 0.25, 0.5, 0.75, 1]) {
        const [a, b] = [strip, other].map(({ columns }) => {
          const { x, y } = columns[Math.round(share * (columns.length - 1))];
          return [x, y] as const;
        });
        expect(distance(a, b)).toBeLessThan(2);
      }
    });
  });
});

describe('the way back to the image', () => {
  it('begins with the word’s box on the page', () => {
    const strip = only(stripsOf([roiOfBox(40, 20, 40, 16)], 1, size, size));
    expect(wordBox(strip, 0, 0)).toEqual({ left: 10, top: 10, right: 90, bottom: 42 });
    expect(wordBox(strip, 200, 3 * lineHeight)).toEqual({
      left: 210,
      top: 166,
      right: 290,
      bottom: 198,
    });
  });

  it('ends at the column’s row, and at the nearest column of the strip', () => {
    const strip = only(stripsOf([roiOfBox(40, 20, 40, 16)], 1, size, size));
    const expectPoint = (column: number, row: number, [x, y]: Point) => {
      const [foundX, foundY] = pointOfStrip(strip, column, row);
      expect(foundX).toBeCloseTo(x, 9);
      expect(foundY).toBeCloseTo(y, 9);
    };
    // The first row is 25.5 rows above the middle.
    expectPoint(0, 0, [34.75, 14.75]);
    expectPoint(50, 25.5, [59.75, 27.5]);
    expectPoint(50.4, 25.5, [59.75, 27.5]);
    expectPoint(50.6, 25.5, [60.25, 27.5]);
    expectPoint(-7, 25.5, [34.75, 27.5]);
    expectPoint(1000, 51, [84.25, 40.25]);
  });

  it.each([
    { degrees: 0, original: size, bound: 0.6 },
    { degrees: 30, original: size, bound: 1.2 },
    { degrees: -45, original: size, bound: 1.2 },
    { degrees: -80, original: size, bound: 1.2 },
    { degrees: 90, original: size, bound: 0.6 },
    { degrees: 30, original: { height: 960, width: 1440 }, bound: 3.6 },
  ])('maps the word’s box to the region at $degrees°', ({ degrees, original, bound }) => {
    const [length, height] = [121, 25];
    const times = original.width / size.width;
    const strips = stripsOf([roiOf(turned(length, height, degrees))], 1, size, original);
    // Upright text is read from the bottom to the top first.
    const direction = radians(degrees === 90 ? -90 : degrees);
    const [cos, sin] = [Math.cos(direction), Math.sin(direction)];
    strips.forEach((strip, index) => {
      const sign = index === 0 ? 1 : -1;
      const { left, top, right, bottom } = wordBox(strip, 0, 0);
      // In the region: along and across it, from its middle.
      const expectAt = (column: number, row: number, along: number, across: number) => {
        const [u, v] = [sign * along, sign * across];
        const wanted: Point = [
          (240.5 + u * cos - v * sin) * times - 0.5,
          (160.5 + u * sin + v * cos) * times - 0.5,
        ];
        expect(distance(pointOfStrip(strip, column, row), wanted)).toBeLessThan(bound);
      };
      // Edges of pixels are half a pixel before their centres.
      expectAt((left + right - 1) / 2, (top + bottom - 1) / 2, 0, 0);
      expectAt(left - 0.5, top - 0.5, -length / 2, -height / 2);
      expectAt(right - 0.5, top - 0.5, length / 2, -height / 2);
      expectAt(right - 0.5, bottom - 0.5, length / 2, height / 2);
      expectAt(left - 0.5, bottom - 0.5, -length / 2, height / 2);
    });
  });
});
