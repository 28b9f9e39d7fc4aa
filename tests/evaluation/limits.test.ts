// Files that are built to take long or much memory: refused, or read in time.
import { zipSync, zlibSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/evaluation/evaluate.js';
import { fileSetFromZip } from '../../src/evaluation/formats/zip.js';
import { readMatVariable } from '../../src/evaluation/formats/matlab.js';
import { intersectionArea, outline } from '../../src/evaluation/geometry.js';
import type { Protocol } from '../../src/evaluation/types.js';
import { spottingWord } from '../../src/evaluation/words.js';
import type { Point } from '../../src/shapes/geometry.js';
import { randomValues } from '../support/run-layer.js';
import { fileSet } from './cases.js';
import { MatWriter } from './mat-writer.js';

/** Milliseconds; each of these took minutes, or would have. */
const inTime = 5000;

function timed<T>(work: () => T): T {
  const start = performance.now();
  try {
    return work();
  } finally {
    expect(performance.now() - start).toBeLessThan(inTime);
  }
}

const many = 200_000;
const record = (strings: string) =>
  `x: [[1 9 9]], y: [[1 1 9]], ornt: [u'c'], transcriptions: [${strings}`;

describe('texts that are built to take long', () => {
  it.each<[string, Protocol, string, string, RegExp]>([
    // Spaces between strings could be read in several ways each: exponential time.
    [
      'strings without a bracket',
      'iou',
      'poly_gt_1.txt',
      record(`${"u'a'  ".repeat(40)}x`),
      /not "x: /,
    ],
    ['digits before a letter', 'iou', '1.txt', `${'1'.repeat(many)}x,####w`, /is not a number/],
    [
      'spaces without an end',
      'ctw1500',
      '1.xml',
      `<Annotations><box><segs>${' '.repeat(many)}<box></Annotations>`,
      /a box without <segs>/,
    ],
  ])('%s are refused', (_, protocol, name, text, message) => {
    const results = { '1.txt': '1,1,9,1,9,9\n' };
    expect(() =>
      timed(() => evaluate(protocol, fileSet({ [name]: text }), fileSet(results))),
    ).toThrow(
      expect.objectContaining({ code: 'evaluation', message: expect.stringMatching(message) }),
    );
  });

  it('many texts of one image are read, and the one that is not is named by its line', () => {
    const texts = `${record("u'a']")}\n`.repeat(30_000);
    const results = fileSet({ '1.txt': '1,1,9,1,9,9\n' });
    expect(() =>
      timed(() => evaluate('iou', fileSet({ 'poly_gt_1.txt': `${texts}x: no` }), results)),
    ).toThrow(/line 30001: not "x: /);
  });

  it('digits in a file that is ignored are passed over', () => {
    const results = fileSet({ '1.txt': '50,50,90,50,90,90\n', '2.txt': '1'.repeat(many) });
    const truth = fileSet({ '1.txt': '1,1,9,1,9,9,####word\n' });
    expect(timed(() => evaluate('iou', truth, results)).hmean).toBe(0);
  });

  it('hyphens inside a word are kept, those around it are not', () => {
    expect(timed(() => spottingWord(`a${'-'.repeat(many)}a`))).toHaveLength(many + 2);
    expect(spottingWord('--well-known--')).toBe('well-known');
  });
});

describe('polygons that are built to take long', () => {
  const wild = (corners: number, seed: number) => {
    const values = randomValues(2 * corners, seed);
    return outline(
      Array.from({ length: corners }, (_, i): Point => [values[2 * i], values[2 * i + 1]]),
      `file ${seed}`,
    );
  };

  it.each([600, 3000, 9000, 100_000])('are refused with %i wild corners', (corners) => {
    expect(() => timed(() => intersectionArea(wild(corners, 1), wild(corners, 2)))).toThrow(
      /^file 1: it and a polygon of file 2 have \d+ and \d+ edges, which cross too often/,
    );
  });

  it('do not include outlines with a corner at every pixel', () => {
    // A slanted line of text of 4000 pixels: its contour goes down one pixel after each step.
    const steps = Array.from({ length: 2000 }, (_, i): Point[] => [
      [2 * i, i],
      [2 * i + 2, i],
    ]).flat();
    const below = steps.map(([x, y]): Point => [x, y + 60]).reverse();
    const shape = outline([...steps, ...below]);
    const moved = outline([...steps, ...below].map(([x, y]): Point => [x + 3, y + 1]));
    expect(shape.edges.length).toBe(4000);
    expect(timed(() => intersectionArea(shape, shape))).toBeCloseTo(shape.area, 3);
    const share = timed(() => intersectionArea(shape, moved)) / shape.area;
    expect(share).toBeGreaterThan(0.98);
    expect(share).toBeLessThan(1);
  });
});

describe('archives that are built to take much memory', () => {
  it('are refused by their sizes, with a limit of choice', () => {
    const bytes = zipSync({ 'a.txt': new Uint8Array(2 ** 21) });
    expect(fileSetFromZip(bytes).get('a.txt')).toHaveLength(2 ** 21);
    expect(() => fileSetFromZip(bytes, 'gt.zip', { maxBytes: 2 ** 20 })).toThrow(
      'gt.zip: unpacks to more than 1 MiB',
    );
  });

  it('MAT-files are, all variables together', () => {
    const variable = zlibSync(
      new MatWriter()
        .add('x', { numbers: [], shape: [0, 0] })
        .bytes()
        .subarray(128),
    );
    const zeros = zlibSync(
      new MatWriter()
        .addElement(14, new Uint8Array(2 ** 22))
        .bytes()
        .subarray(128),
    );
    let writer = new MatWriter();
    for (let i = 0; i < 100; i++) writer = writer.addCompressed(variable);
    expect(() => readMatVariable('a.mat', writer.bytes(), 'gt')).toThrow('has no variable "gt"');
    expect(zeros.length).toBeLessThan(8192);
    for (let i = 0; i < 5; i++) writer = writer.addCompressed(zeros);
    expect(() => timed(() => readMatVariable('a.mat', writer.bytes(), 'gt'))).toThrow(
      /unpack to more than 16 MiB|damaged/,
    );
  });

  it('MAT-files with a name of megabytes are', () => {
    const bytes = new MatWriter().add('n'.repeat(2 ** 20), { numbers: [1] }, { compressed: true });
    expect(() => readMatVariable('a.mat', bytes.bytes(), 'gt')).toThrow(
      "a.mat: damaged: a variable's name has 1048576 bytes",
    );
  });
});
