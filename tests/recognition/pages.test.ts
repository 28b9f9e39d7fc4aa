// Strips on pages: where they lie, what they are sampled from, and how both are packed.
import { describe, expect, it } from 'vitest';
import { columnLayout, lineHeight, sourceLayout } from '../../src/layers/rectify.js';
import {
  type Page,
  packColumns,
  packSources,
  pageShape,
  pagesOf as lazy,
} from '../../src/recognition/pages.js';
import { type Strip, leastColumns, pageWidth } from '../../src/recognition/strips.js';
import type { Box } from '../../src/shapes/geometry.js';
import { randomValues } from '../support/run-layer.js';

const pagesOf = (...given: Parameters<typeof lazy>) => [...lazy(...given)];

/** A strip of so many columns; each of its numbers is different. */
function strip(columns: number, box: Partial<Box> = {}, step = 1, region = 0): Strip {
  const { left, top, right, bottom } = { left: 0, top: 0, right: 60, bottom: 52, ...box };
  return {
    region,
    columns: Array.from({ length: columns }, (_, at) => ({
      x: left + 0.25 + (at / columns) * (right - left - 1),
      y: (top + bottom) / 2 + at / 8,
      stepX: at / 1024,
      stepY: step,
    })),
    box: { left, top, right, bottom },
    step,
    squeeze: 1,
  };
}

/** A box at the origin. */
function box(width: number, height: number): Box {
  return { left: 0, top: 0, right: width, bottom: height };
}

function many(count: number, columns: number): Strip[] {
  return Array.from({ length: count }, (_, region) => strip(columns, {}, 1, region));
}

function linesOf(pages: readonly Page[]): number[] {
  return pages.map(({ lines }) => lines);
}

function placesOf(pages: readonly Page[]): (readonly [line: number, left: number])[][] {
  return pages.map(({ strips }) => strips.map(({ line, left }) => [line, left] as const));
}

/** Expects what every page must be. */
function expectPages(strips: readonly Strip[], channels: 3 | 4, what = '') {
  const pages = pagesOf(strips, channels);
  // All strips, in their order.
  const placed = pages.flatMap((page) => page.strips);
  expect(placed.length, what).toBe(strips.length);
  expect(
    placed.every((each, at) => each.strip === strips[at]),
    what,
  ).toBe(true);
  for (const page of pages) {
    const { bytes, words, width } = pageShape(page.lines);
    expect(page.strips.length, what).toBeGreaterThan(0);
    expect(page.strips.length, what).toBeLessThanOrEqual(words);
    let [end, lastLine, right] = [0, 0, 0];
    for (const { strip: each, source, firstByte, line, left } of page.strips) {
      expect(firstByte % 256, what).toBe(0);
      expect(firstByte, what).toBeGreaterThanOrEqual(end);
      expect(source.bytes, what).toBeGreaterThanOrEqual(
        source.rows.length * source.columns.length * channels,
      );
      end = firstByte + source.bytes;
      // Behind the strip before, or at the start of the next line.
      if (line === lastLine) expect(left, what).toBeGreaterThanOrEqual(right);
      else expect([line, left], what).toEqual([lastLine + 1, 0]);
      [lastLine, right] = [line, left + each.columns.length];
      expect(right, what).toBeLessThanOrEqual(width);
    }
    expect(end, what).toBeLessThanOrEqual(bytes);
    expect(lastLine, what).toBeLessThan(page.lines);
    // The next smaller page would be too small.
    expect([2, 4, 8], what).toContain(page.lines);
    const fitsSmaller =
      page.lines > 2 && lastLine < page.lines / 2 && end <= pageShape(page.lines / 2).bytes;
    expect(fitsSmaller, what).toBe(false);
  }
  return pages;
}

describe('the shape of a page', () => {
  it('has room for words of the least width and for 4 pixels of the image for each of its own', () => {
    expect(pageShape(2)).toEqual({
      lines: 2,
      width: 640,
      words: 60,
      bytes: 2 * 52 * 640 * 16,
    });
    expect(pageShape(8).words).toBe(240);
    expect(pageShape(8).bytes).toBe(4 * pageShape(2).bytes);
    expect([lineHeight, pageWidth, leastColumns]).toEqual([52, 640, 21]);
  });
});

describe('strips on pages', () => {
  it('lie side by side, in lines, in their order', () => {
    const widths = [300, 340, 301, 339, 340, 301, 21];
    const pages = expectPages(
      widths.map((width) => strip(width)),
      3,
    );
    expect(placesOf(pages)).toEqual([
      [
        [0, 0],
        [0, 300],
        [1, 0],
        [1, 301],
        [2, 0],
        [3, 0],
        [3, 301],
      ],
    ]);
    expect(linesOf(pages)).toEqual([4]);
  });

  it('are on no page where there are none', () => {
    expect(pagesOf([], 3)).toEqual([]);
  });

  it('are on pages of 2, 4 or 8 lines', () => {
    for (const [count, lines] of [
      [1, [2]],
      [2, [2]],
      [3, [4]],
      [4, [4]],
      [5, [8]],
      [8, [8]],
      [9, [8, 2]],
      [11, [8, 4]],
      [16, [8, 8]],
    ] as const)
      expect(linesOf(expectPages(many(count, 640), 3)), `${count} lines`).toEqual(lines);
  });

  it('are on a higher page where their sources need it', () => {
    // A page of 2 lines has bytes for 512 × 520 pixels of 4 channels.
    expect(512 * 520 * 4).toBe(pageShape(2).bytes);
    for (const [height, lines] of [
      [520, 2],
      [521, 4],
      [1040, 4],
      [1041, 8],
      [2080, 8],
    ]) {
      const pages = expectPages([strip(100, box(512, height))], 4);
      expect(linesOf(pages), `${height} rows`).toEqual([lines]);
      expect(pages[0].strips[0].source.stride).toBe(1);
    }
  });

  it('go to the next page where the bytes are used up', () => {
    const strips = [1040, 1040, 1, 2080, 2080, 520].map((height) => strip(100, box(512, height)));
    const pages = expectPages(strips, 4);
    expect(pages.map((page) => page.strips.length)).toEqual([2, 1, 1, 1, 1]);
    expect(linesOf(pages)).toEqual([8, 2, 8, 8, 2]);
    expect(placesOf(pages)[0]).toEqual([
      [0, 0],
      [0, 100],
    ]);
    expect(pages.flatMap((page) => page.strips.map(({ firstByte }) => firstByte))).toEqual([
      0,
      512 * 1040 * 4,
      0,
      0,
      0,
      0,
    ]);
  });

  it('may be 200: none is lost', () => {
    const pages = expectPages(many(200, 300), 3);
    // Two on a line, 16 on a page.
    expect(pages.map((page) => page.strips.length)).toEqual([...Array<number>(12).fill(16), 8]);
    expect(linesOf(pages)).toEqual([...Array<number>(12).fill(8), 4]);
    expect(pages.flatMap((page) => page.strips.map((each) => each.strip.region))).toEqual(
      Array.from({ length: 200 }, (_, region) => region),
    );
  });

  it('fill a page if they are of the least width', () => {
    const pages = expectPages(many(241, leastColumns), 3);
    expect(pages.map((page) => page.strips.length)).toEqual([pageShape(8).words, 1]);
  });

  it('are laid out for any widths, boxes and steps', () => {
    let [most, several] = [0, 0];
    for (let seed = 1; seed <= 150; seed++) {
      const values = randomValues(600, seed).map((value) => (value + 1) / 2);
      const [countShare, largest] = values;
      const strips = Array.from({ length: 1 + Math.floor(countShare * 70) }, (_, region) => {
        const [width, x, y, boxWidth, boxHeight, step] = values.subarray(2 + 6 * region);
        const [left, top] = [Math.floor(x * 500), Math.floor(y * 500)];
        const reach = 10 + 3000 * largest ** 4;
        return strip(
          leastColumns + Math.floor(width ** 2 * (pageWidth - leastColumns + 1)),
          {
            left,
            top,
            right: left + 1 + Math.floor(boxWidth * reach),
            bottom: top + 1 + Math.floor(boxHeight * reach),
          },
          step * 6,
          region,
        );
      });
      const pages = expectPages(strips, seed % 2 === 0 ? 3 : 4, `seed ${seed}`);
      most = Math.max(most, pages.length);
      if (pages.length > 1) several++;
    }
    // The sizes are such that pages are filled.
    expect(most).toBeGreaterThan(5);
    expect(several).toBeGreaterThan(50);
  });
});

describe('the source of a strip', () => {
  function sourceOf(each: Strip, channels = 3) {
    return pagesOf([each], channels)[0].strips[0].source;
  }

  it('is the box’s rows and columns', () => {
    const { rows, columns, stride, bytes } = sourceOf(
      strip(100, { left: 7, top: 3, right: 12, bottom: 5 }),
    );
    expect([...rows]).toEqual([3, 4]);
    expect([...columns]).toEqual([7, 8, 9, 10, 11]);
    expect(stride).toBe(1);
    expect(bytes).toBe(256);
  });

  it('takes whole multiples of 256 bytes', () => {
    expect(sourceOf(strip(100, box(16, 4)), 4).bytes).toBe(256);
    expect(sourceOf(strip(100, box(65, 1)), 4).bytes).toBe(512);
    const pages = expectPages([strip(50, box(65, 1)), strip(50, box(1, 1)), strip(50)], 4);
    expect(pages[0].strips.map(({ firstByte }) => firstByte)).toEqual([0, 512, 768]);
  });

  it('has every second row and column for steps of 4, every third for steps of 6', () => {
    const bounds = { left: 10, top: 21, right: 19, bottom: 28 };
    const every = (step: number) => {
      const { rows, columns, stride } = sourceOf(strip(100, bounds, step));
      return { rows: [...rows], columns: [...columns], stride };
    };
    expect(every(3.9).stride).toBe(1);
    expect(every(4)).toEqual({
      rows: [21, 23, 25, 27],
      columns: [10, 12, 14, 16, 18],
      stride: 2,
    });
    expect(every(6)).toEqual({ rows: [21, 24, 27], columns: [10, 13, 16], stride: 3 });
    expect(every(100)).toEqual({ rows: [21], columns: [10], stride: 50 });
  });

  it('has two to four pixels for a page’s where the image is finer', () => {
    for (let step = 2; step < 60; step += 0.37) {
      const { stride } = sourceOf(strip(100, box(300, 200), step));
      expect(step / stride, `step ${step}`).toBeGreaterThanOrEqual(2);
      expect(step / stride, `step ${step}`).toBeLessThan(4);
    }
  });

  it('has fewer pixels where the box is huge', () => {
    const huge = strip(640, { left: 100, top: 50, right: 8100, bottom: 8050 });
    const ofThree = sourceOf(huge, 3);
    expect(ofThree.stride).toBe(7);
    expect(ofThree.rows).toHaveLength(1143);
    expect(ofThree.columns).toHaveLength(1143);
    expect([ofThree.rows[0], ofThree.rows[1], ofThree.rows[1142]]).toEqual([50, 57, 8044]);
    expect([ofThree.columns[0], ofThree.columns[1142]]).toEqual([100, 8094]);
    expect(ofThree.bytes).toBeLessThanOrEqual(pageShape(8).bytes);
    // 6 would be too few.
    expect(1334 ** 2 * 3).toBeGreaterThan(pageShape(8).bytes);
    const ofFour = sourceOf(huge, 4);
    expect([ofFour.stride, ofFour.rows.length, ofFour.bytes]).toEqual([8, 1000, 4_000_000]);
    expect(linesOf(expectPages([huge, huge, strip(30)], 4))).toEqual([8, 8]);
  });
});

/** The sources as they lie in memory. */
function unpackSources(page: Page): Record<string, number>[] {
  const [bytes, layout] = [packSources(page), sourceLayout()];
  expect(bytes).toHaveLength(page.strips.length * layout.size);
  const view = new DataView(bytes.buffer);
  return page.strips.map((_, index) =>
    Object.fromEntries(
      [...layout.fields].map(([member, { offset }]) => [
        member,
        member === 'squeeze'
          ? view.getFloat32(index * layout.size + offset, true)
          : view.getUint32(index * layout.size + offset, true),
      ]),
    ),
  );
}

describe('packed sources', () => {
  it('say where each begins and how large it is', () => {
    const [page] = pagesOf([strip(50, box(65, 3)), strip(50, box(20, 30), 4)], 4);
    expect(unpackSources(page)).toEqual([
      { firstByte: 0, height: 3, width: 65, squeeze: 1, taps: 1 },
      { firstByte: 1024, height: 15, width: 10, squeeze: 1, taps: 2 },
    ]);
  });

  it.each([
    { step: 0.2, taps: 1 },
    { step: 1, taps: 1 },
    { step: 1.39, taps: 1 },
    { step: 1.41, taps: 2 },
    { step: 2, taps: 2 },
    { step: 2.5, taps: 3 },
    { step: 3.9, taps: 4 },
    { step: 4, taps: 2 },
    { step: 5.9, taps: 3 },
    { step: 100, taps: 2 },
  ])('have $taps samples along each axis for a step of $step', ({ step, taps }) => {
    const [page] = pagesOf([strip(50, box(20, 30), step)], 3);
    expect(unpackSources(page)[0].taps).toBe(taps);
  });

  it.each([
    { squeeze: 0.98, taps: 1 },
    { squeeze: 2, taps: 2 },
    { squeeze: 7.5, taps: 8 },
    { squeeze: 160, taps: 8 },
  ])('have $taps samples along each axis if columns are $squeeze times as far apart', (given) => {
    const [page] = pagesOf([{ ...strip(640, box(900, 30)), squeeze: given.squeeze }], 3);
    const [{ squeeze, taps }] = unpackSources(page);
    expect(squeeze).toBeCloseTo(given.squeeze, 5);
    expect(taps).toBe(given.taps);
  });

  it('have samples by the pixels that are left of a huge box', () => {
    // Every 8th row and column is taken.
    for (const [step, taps] of [
      [1, 1],
      [11, 1],
      [12, 2],
      [15.9, 2],
      [17, 3],
    ]) {
      const [page] = pagesOf([strip(640, box(8000, 8000), step)], 4);
      expect(page.strips[0].source.stride).toBe(8);
      expect(unpackSources(page), `step ${step}`).toEqual([
        { firstByte: 0, height: 1000, width: 1000, squeeze: 1, taps },
      ]);
    }
  });
});

describe('packed columns', () => {
  const member = (page: Page) => {
    const [words, layout] = [packColumns(page), columnLayout()];
    expect(words).toHaveLength((page.lines * pageWidth * layout.size) / 4);
    const view = new DataView(words.buffer);
    const offset = (line: number, column: number, name: string) =>
      (line * pageWidth + column) * layout.size + layout.field(name).offset;
    return {
      float: (line: number, column: number, name: string) =>
        view.getFloat32(offset(line, column, name), true),
      source: (line: number, column: number) =>
        view.getUint32(offset(line, column, 'source'), true),
    };
  };

  it('are positions and steps in the source', () => {
    const first = strip(100, { left: 40, top: 8 });
    const second = strip(600, { left: 40, top: 30, right: 440, bottom: 130 }, 5);
    const [page] = pagesOf([first, second], 3);
    expect(placesOf([page])).toEqual([
      [
        [0, 0],
        [1, 0],
      ],
    ]);
    expect(page.strips.map(({ source }) => source.stride)).toEqual([1, 2]);
    const { float } = member(page);
    // Numbers that single precision holds: 40.25 − 40, (8 + 52) / 2 − 8.
    expect(float(0, 0, 'x')).toBe(0.25);
    expect(float(0, 0, 'y')).toBe(22);
    expect(float(0, 3, 'y')).toBe(22.375);
    expect(float(0, 3, 'stepX')).toBe(3 / 1024);
    expect(float(0, 3, 'stepY')).toBe(1);
    // Halved: 40.25 − 40, 80 − 30.
    expect(float(1, 0, 'x')).toBe(0.125);
    expect(float(1, 0, 'y')).toBe(25);
    expect(float(1, 8, 'y')).toBe(25.5);
    expect(float(1, 8, 'stepX')).toBe(4 / 1024);
    expect(float(1, 8, 'stepY')).toBe(2.5);
  });

  it('lead to the pixels of the image, and name their source, elsewhere none', () => {
    const strips = [
      strip(300, { left: 40, top: 8, right: 200, bottom: 60 }),
      strip(200, { left: 0, top: 100, right: 900, bottom: 180 }, 4.5),
      strip(400, { left: 33, top: 77, right: 1234, bottom: 999 }, 7),
      strip(21, { left: 5, top: 5, right: 6, bottom: 6 }, 0.1),
    ];
    const [page] = pagesOf(strips, 4);
    const { float, source } = member(page);
    const named = Array.from({ length: page.lines * pageWidth }, () => 0);
    page.strips.forEach(({ strip: each, source: { rows, columns, stride }, line, left }, index) => {
      each.columns.forEach(({ x, y, stepX, stepY }, at) => {
        named[line * pageWidth + left + at] = index + 1;
        const found = (name: string) => float(line, left + at, name);
        const what = `column ${at} of strip ${index}`;
        expect(Math.abs(columns[0] + stride * found('x') - x), what).toBeLessThan(1e-3);
        expect(Math.abs(rows[0] + stride * found('y') - y), what).toBeLessThan(1e-3);
        expect(stride * found('stepX'), what).toBeCloseTo(stepX, 5);
        expect(stride * found('stepY'), what).toBeCloseTo(stepY, 5);
      });
    });
    expect(named.filter((each) => each === 0)).toHaveLength(2 * pageWidth - 921);
    expect(named.map((_, at) => source(Math.floor(at / pageWidth), at % pageWidth))).toEqual(named);
  });
});
