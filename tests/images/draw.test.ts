import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';

import { drawMask, drawRegions } from '../../src/images/draw.js';
import type { PixelImage } from '../../src/images/image.js';
import type { Polygon } from '../../src/shapes/geometry.js';

const region = (...points: [number, number][]) => ({ polygon: points as Polygon });

/** The mask as text, a row a line, `.` for background. */
function picture(width: number, height: number, ...polygons: [number, number][][]): string[] {
  const { labels } = drawMask(
    width,
    height,
    polygons.map((points) => region(...points)),
  );
  return Array.from({ length: height }, (_, y) =>
    [...labels.subarray(y * width, (y + 1) * width)]
      .map((label) => (label === 0 ? '.' : String(label)))
      .join(''),
  );
}

describe('drawMask', () => {
  it('fills a square with its border', () => {
    expect(
      picture(5, 5, [
        [1, 1],
        [3, 1],
        [3, 3],
        [1, 3],
      ]),
    ).toEqual(['.....', '.111.', '.111.', '.111.', '.....']);
  });

  it('fills a triangle, a concave and a self-crossing polygon', () => {
    expect(
      picture(5, 3, [
        [0, 0],
        [4, 0],
        [2, 2],
      ]),
    ).toEqual(['11111', '.111.', '..1..']);
    expect(
      picture(5, 4, [
        [0, 0],
        [4, 0],
        [4, 3],
        [2, 1],
        [0, 3],
      ]),
    ).toEqual(['11111', '11111', '11.11', '1...1']);
    expect(
      picture(5, 3, [
        [0, 0],
        [4, 2],
        [4, 0],
        [0, 2],
      ]),
    ).toEqual(['1...1', '11111', '1...1']);
  });

  it('fills single points and lines, cuts off what lies outside, and takes points between pixels', () => {
    expect(picture(3, 2, [[1, 1]])).toEqual(['...', '.1.']);
    expect(
      picture(4, 2, [
        [0, 0],
        [2, 0],
      ]),
    ).toEqual(['111.', '....']);
    expect(
      picture(3, 2, [
        [-9, -9],
        [9, -9],
        [9, 9],
        [-9, 9],
      ]),
    ).toEqual(['111', '111']);
    expect(
      picture(3, 2, [
        [5, 5],
        [9, 5],
        [9, 9],
      ]),
    ).toEqual(['...', '...']);
    expect(
      picture(4, 3, [
        [0.5, 0.5],
        [2.5, 0.5],
        [2.5, 1.5],
        [0.5, 1.5],
      ]),
    ).toEqual(['....', '.11.', '....']);
    expect(picture(2, 1, [])).toEqual(['..']);
  });

  it('paints later regions over earlier ones', () => {
    expect(
      picture(
        4,
        1,
        [
          [0, 0],
          [2, 0],
        ],
        [
          [2, 0],
          [3, 0],
        ],
      ),
    ).toEqual(['1122']);
  });

  it('agrees with exact arithmetic on random polygons', () => {
    const random = generator(7);
    for (let round = 0; round < 200; round++) {
      const points = Array.from({ length: 3 + (round % 6) }, (): [number, number] => [
        random(24) - 4,
        random(20) - 4,
      ]);
      const { labels } = drawMask(16, 12, [region(...points)]);
      for (let y = 0; y < 12; y++) {
        for (let x = 0; x < 16; x++)
          expect(labels[y * 16 + x]).toBe(isInOrOn(points, x, y) ? 1 : 0);
      }
    }
  });

  it('takes 16 bits from 256 regions on, and refuses more than 65535', () => {
    const dots = (count: number) =>
      Array.from({ length: count }, (_, i) => region([i % 20, Math.floor(i / 20)]));
    expect(drawMask(20, 13, dots(255)).labels).toBeInstanceOf(Uint8Array);
    const { labels } = drawMask(20, 13, dots(256));
    expect(labels).toBeInstanceOf(Uint16Array);
    expect(labels[255]).toBe(256);
    expect(() => drawMask(1, 1, dots(65536))).toThrow(
      expect.objectContaining({ code: 'argument' }),
    );
  });
});

/** Integers below n from a linear congruential generator. */
function generator(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

/** Even-odd rule with integer cross products only. */
function isInOrOn(points: [number, number][], x: number, y: number): boolean {
  let inside = false;
  for (let i = 0; i < points.length; i++) {
    const [x0, y0] = points.at(i - 1)!;
    const [x1, y1] = points[i];
    const cross = (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0);
    const inBox =
      x >= Math.min(x0, x1) &&
      x <= Math.max(x0, x1) &&
      y >= Math.min(y0, y1) &&
      y <= Math.max(y0, y1);
    if (cross === 0 && inBox) return true;
    if (y0 <= y !== y1 <= y && cross > 0 === y1 > y0) inside = !inside;
  }
  return inside;
}

const flat = (width: number, height: number, value: number, channels: 3 | 4 = 3): PixelImage => ({
  width,
  height,
  channels,
  data: new Uint8Array(width * height * channels).fill(value),
});

const pixel = ({ width, channels, data }: PixelImage, x: number, y: number) => [
  ...data.subarray((y * width + x) * channels, (y * width + x) * channels + channels),
];

const square = region([20, 20], [79, 20], [79, 79], [20, 79]);

describe('drawRegions', () => {
  it('draws on a copy: line, tint inside, nothing elsewhere', () => {
    const image = flat(100, 100, 200);
    const drawn = drawRegions(image, [square]);
    expect(new Set(image.data)).toEqual(new Set([200]));
    expect(pixel(drawn, 5, 50)).toEqual([200, 200, 200]);

    const line = pixel(drawn, 20, 50);
    const inside = pixel(drawn, 50, 50);
    // The tint is the line's colour at the default opacity.
    inside.forEach((value, c) =>
      expect(Math.abs(value - (200 + 0.22 * (line[c] - 200)))).toBeLessThan(1),
    );
    expect(Math.max(...line) - Math.min(...line)).toBeGreaterThan(100);
  });

  it('makes a fourth channel opaque', () => {
    const drawn = drawRegions(flat(100, 100, 0, 4), [square]);
    expect(pixel(drawn, 5, 50)).toEqual([0, 0, 0, 255]);
    expect(pixel(drawn, 20, 50)[3]).toBe(255);
  });

  it('draws lines in proportion to the image', () => {
    const lineWidth = (size: number) => {
      const corner = size / 4;
      const outline = region(
        [corner, corner],
        [3 * corner, corner],
        [3 * corner, 3 * corner],
        [corner, 3 * corner],
      );
      const drawn = drawRegions(flat(size, size, 255), [outline], { fillOpacity: 0 });
      let width = 0;
      for (let x = 0; x < size / 2; x++) if (pixel(drawn, x, size / 2)[0] < 128) width++;
      return width;
    };
    expect(lineWidth(200)).toBeLessThanOrEqual(6);
    expect(lineWidth(2000)).toBeGreaterThan(1.8 * lineWidth(1000));
  });

  it('gives neighbours in the list different colours, each readable on light, dark and grey ground', () => {
    const colours: number[][] = [];
    for (let index = 0; index < 24; index++) {
      const regions = [...Array.from({ length: index }, () => region([0, 0])), square];
      for (const ground of [0, 128, 255]) {
        const drawn = drawRegions(flat(100, 100, ground), regions, { fillOpacity: 0 });
        const across = Array.from({ length: 12 }, (_, i) =>
          contrast(pixel(drawn, 14 + i, 50), [ground, ground, ground]),
        );
        expect(Math.max(...across)).toBeGreaterThan(2.5);
        if (ground === 0) colours.push(pixel(drawn, 20, 50));
      }
    }
    for (let i = 1; i < colours.length; i++) {
      expect(
        Math.hypot(...colours[i].map((value, c) => value - colours[i - 1][c])),
      ).toBeGreaterThan(120);
    }
  });

  it('smooths slanted lines', () => {
    const drawn = drawRegions(flat(100, 100, 255), [region([10, 10], [90, 33])], {
      fillOpacity: 0,
    });
    // Without smoothing there would be three: ground, rim, line.
    expect(new Set(drawn.data.filter((_, i) => i % 3 === 0)).size).toBeGreaterThan(20);
  });

  it('takes no points, one point, and points far outside', () => {
    const drawn = drawRegions(flat(10, 10, 9), [
      region(),
      region([5, 5]),
      region([-1e6, 4], [1e6, 4]),
    ]);
    expect(pixel(drawn, 5, 5)).not.toEqual([9, 9, 9]);
    expect(pixel(drawn, 0, 4)).not.toEqual([9, 9, 9]);
  });
});

/** Rows of a picture on grey 128: `#` white, `+` light, `.` as it was, `-` dark, `o` black. */
function art({ width, height, channels, data }: PixelImage): string[] {
  const sign = (value: number) => {
    if (value === 128) return '.';
    return value < 128 ? (value < 64 ? 'o' : '-') : value < 192 ? '+' : '#';
  };
  return Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => sign(data[(y * width + x) * channels])).join(''),
  );
}

describe('words of drawRegions', () => {
  const word = (text: string | undefined, ...points: [number, number][]) => ({
    polygon: points as Polygon,
    text,
  });
  const written = (
    width: number,
    height: number,
    regions: ReturnType<typeof word>[],
    channels: 3 | 4 = 3,
  ) => drawRegions(flat(width, height, 128, channels), regions, { fillOpacity: 0 });
  /** The first and last column and row of white pixels. */
  const whiteBox = (image: PixelImage) => {
    const rows = art(image);
    const columns = rows.flatMap((row) => [...row].flatMap((s, x) => (s === '#' ? [x] : [])));
    const lines = rows.flatMap((row, y) => (row.includes('#') ? [y] : []));
    return [Math.min(...columns), lines[0], Math.max(...columns), lines.at(-1)!];
  };

  it('are white with a black rim, above the region', () => {
    expect(art(written(15, 24, [word('Hi', [2, 18])])).slice(0, 16)).toEqual([
      '...............',
      '...............',
      '...............',
      '...............',
      '...-...-----...',
      '.-ooo.-ooo-o-..',
      '.--#o.o++-#+o..',
      '.--#o.o++o-o-..',
      '.--#ooo++o#o-..',
      '.--#####+o#o-..',
      '.--#---++o#o-..',
      '.--#o-o++o#o-..',
      '.--#o.o++o#o-..',
      '.--#o.o++o#o-..',
      '.-ooo.-ooooo...',
      '...-...--.-....',
    ]);
  });

  it('show other characters as boxes', () => {
    expect(art(written(9, 24, [word('語', [1, 18])])).slice(4, 16)).toEqual([
      '.------..',
      '-oooooo-.',
      'o+####+o.',
      'o++oo++o.',
      'o++oo++o.',
      'o++oo++o.',
      'o++oo++o.',
      'o++oo++o.',
      'o++oo++o.',
      'o+####+o.',
      '-oooooo-.',
      '.------..',
    ]);
    expect(written(40, 24, [word('Café', [1, 18])])).toEqual(
      written(40, 24, [word('Cafe', [1, 18])]),
    );
  });

  it('are complete above and below the baseline', () => {
    const [, top, , bottom] = whiteBox(written(1200, 1200, [word('(g', [2, 60])]));
    // 25 above row 47 and 7 below it, and half of a line of 3 pixels.
    expect([top, bottom]).toEqual([21, 55]);
  });

  it('stand below or inside where there is no room above', () => {
    const place = (top: number, bottom: number) =>
      whiteBox(written(200, 60, [word('HH', [20, top], [20, bottom])]));
    // Baselines are 16, 51 and 15; capitals are 7 high, from the middle of a line to another.
    expect(place(20, 40)).toEqual([21, 8, 33, 15]);
    expect(place(5, 40)).toEqual([21, 43, 33, 50]);
    expect(place(5, 55)).toEqual([21, 7, 33, 14]);
  });

  it('end at the region’s right side where the image ends', () => {
    const place = (left: number, right: number) =>
      whiteBox(written(100, 60, [word('HHHH', [left, 30], [right, 30])]));
    // 29.3 wide, with margins of 1.3 on both sides.
    expect(place(40, 60)).toEqual([41, 18, 67, 25]);
    expect(place(80, 98)).toEqual([71, 18, 97, 25]);
    expect(place(-50, 20)).toEqual([1, 18, 27, 25]);
  });

  it('are cut off at the image’s borders', () => {
    // The line is the same in all of them, and the word begins in the top left corner.
    const line = word('Mmm', [0, -100], [0, 100]);
    const whole = art(written(60, 40, [line]));
    expect(art(written(12, 8, [line]))).toEqual(whole.slice(0, 8).map((row) => row.slice(0, 12)));
    expect(art(written(3, 40, [line]))).toEqual(whole.map((row) => row.slice(0, 3)));
    expect(art(written(1, 1, [line]))).toEqual([whole[0][0]]);
  });

  it('grow with the image', () => {
    const heightIn = (size: number) => {
      const [, top, , bottom] = whiteBox(written(size, size, [word('H', [9, size / 2])]));
      return bottom - top;
    };
    expect(heightIn(400)).toBeLessThan(10);
    expect(heightIn(1600)).toBeGreaterThan(28);
    expect(heightIn(1600)).toBeLessThan(34);
  });

  it('are drawn over all outlines', () => {
    // Large, so that lines have pixels that they cover wholly.
    const first = word('HHHH', [2, 60]);
    const alone = written(1200, 1200, [first]);
    const crossed = written(1200, 1200, [first, word(undefined, [0, 42], [150, 42])]);
    let letters = 0;
    for (let x = 0; x < 150; x++) {
      const before = pixel(alone, x, 42).join(' ');
      const after = pixel(crossed, x, 42).join(' ');
      if (before !== '255 255 255' && before !== '0 0 0') continue;
      expect(after).toBe(before);
      letters++;
    }
    // The outline is there, beside the word.
    expect(pixel(crossed, 140, 42)).not.toEqual(pixel(alone, 140, 42));
    expect(letters).toBeGreaterThan(30);
  });

  it('are the same in images of four channels', () => {
    const regions = [word('Four', [2, 20], [30, 20], [16, 27])];
    const [rgb, rgba] = [written(60, 30, regions), written(60, 30, regions, 4)];
    const withoutAlpha = rgba.data.filter((_, i) => i % 4 !== 3);
    expect(withoutAlpha).toEqual(rgb.data);
    expect(new Set(rgba.data.filter((_, i) => i % 4 === 3))).toEqual(new Set([255]));
  });

  it('leave outlines without text as they were before there were words', () => {
    const random = generator(3);
    const regions = Array.from({ length: 20 }, () =>
      Array.from({ length: 5 }, (): [number, number] => [random(240) - 20, random(140) - 20]),
    );
    for (const text of [undefined, '', ' ']) {
      const { data } = drawRegions(
        flat(200, 100, 128),
        regions.map((points) => word(text, ...points)),
      );
      expect(createHash('sha256').update(data).digest('hex')).toBe(
        '0d303ac5dea78127a33f5a0380b3c105d60fcadb59b498cf6495a03796143411',
      );
    }
  });

  it('need a region with points; points far outside or nowhere do no harm', () => {
    expect(new Set(written(40, 30, [word('Word')]).data)).toEqual(new Set([128]));
    const far = [1e300, -1e300, Infinity, -Infinity, NaN];
    const regions = far.flatMap((value) => [word('Word', [value, 3]), word('Word', [3, value])]);
    expect(written(40, 30, regions).data.length).toBe(40 * 30 * 3);
  });

  it('are quick: a thousand take less than two seconds', () => {
    const image = flat(2000, 2000, 128);
    const seconds = (text: string) => {
      const regions = Array.from({ length: 1000 }, (_, i) => {
        const [x, y] = [(i % 20) * 100, Math.floor(i / 20) * 40];
        return word(text, [x, y], [x + 80, y], [x + 80, y + 20], [x, y + 20]);
      });
      const before = process.cpuUsage();
      drawRegions(image, regions);
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1e6;
    };
    const [without, withWords] = [seconds(''), seconds('Restaurant')];
    console.log(
      `1000 outlines ${without.toFixed(2)} s, with words ${withWords.toFixed(2)} s of a core`,
    );
    expect(withWords - without).toBeLessThan(2);
  });
});

/** WCAG's contrast ratio of two colours. */
function contrast(a: number[], b: number[]): number {
  const luminance = (colour: number[]) => {
    const [red, green, blue] = colour.map((v) =>
      v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4,
    );
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}
