// What the official cases don't show: notes, errors with their places, text ground truth, the plain
// IoU protocol.
import { existsSync } from 'node:fs';
import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/evaluation/evaluate.js';
import { fileSetFromZip } from '../../src/evaluation/formats/zip.js';
import type { FileSet } from '../../src/evaluation/formats/files.js';
import type { EvaluationOptions, Protocol } from '../../src/evaluation/types.js';
import { hasWholeReference, sharedPath } from '../support/reference.js';
import { fileSet, fileSetFromFolder } from './cases.js';
import { MatWriter } from './mat-writer.js';

type Texts = Readonly<Record<string, string>>;
const run = (protocol: Protocol, gt: Texts, results: Texts, options?: EvaluationOptions) =>
  evaluate(protocol, fileSet(gt), fileSet(results), options);

const BOX = '10,10,110,10,110,50,10,50';
const OTHER = '200,10,300,10,300,50,200,50';

describe('notes', () => {
  it('name the images without a result file, and ground-truth files that are ignored', () => {
    const gt = { 'gt_img_1.txt': `${BOX},a`, 'gt_img_2.txt': `${BOX},b`, 'readme.txt': '' };
    const { notes, counts, recall } = run('icdar2015', gt, { 'res_img_1.txt': BOX });
    expect(counts).toEqual({ matched: 1, gtCare: 2, detCare: 1 });
    expect(recall).toBe(0.5);
    expect(notes).toEqual([
      'ground truth: 1 files are not named gt_img_<number>.txt and are ignored',
      'counted as images without detections, because they have no result file: 1 image (2)',
    ]);
  });

  it('say that an image is left out where the script leaves it out', () => {
    const gt = { '1.txt': `${BOX},####a`, '2.txt': `${BOX},####b` };
    const { notes, recall } = run('totaltext', gt, { '1.txt': '10,10,10,110,50,110,50,10\n' });
    expect(recall).toBe(1);
    expect(notes).toEqual([
      'left out, as in the official script: 1 image (2) without a result file',
    ]);
  });

  it('are absent if there is nothing to report', () => {
    expect(
      run('icdar2015', { 'gt_img_1.txt': `${BOX},a` }, { 'res_img_1.txt': BOX }).notes,
    ).toEqual([]);
  });

  it('cut long lists', () => {
    const gt = Object.fromEntries(
      Array.from({ length: 30 }, (_, i) => [`gt_img_${i}.txt`, `${BOX},a`]),
    );
    expect(run('icdar2015', gt, {}).notes[0]).toMatch(
      /: 30 images \(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …\)$/,
    );
  });
});

describe('errors name the file and the line', () => {
  it.each<[Protocol, Texts, Texts, RegExp]>([
    [
      'icdar2015',
      { 'gt_img_1.txt': `${BOX},a\n\n1,2,x,4` },
      {},
      /^gt_img_1\.txt, line 3: 4 fields/,
    ],
    [
      'icdar2015',
      { 'gt_img_1.txt': `${BOX},a\n1,2,3,4,5,6,7,e,w` },
      {},
      /^gt_img_1\.txt, line 2: "e" is not a number/,
    ],
    [
      'icdar2015',
      { 'gt_img_1.txt': `${BOX},a` },
      { 'res_img_1.txt': `${BOX}\n1,2.5` },
      /^res_img_1\.txt, line 2: "2\.5"/,
    ],
    [
      'icdar2015',
      { 'gt_img_1.txt': `${BOX},a` },
      { 'res_img_7.txt': '' },
      /res_img_7\.txt: .*no gt_img_7\.txt/,
    ],
    [
      'icdar2015',
      { 'truth_1.txt': `${BOX},a` },
      {},
      /none of 1 files is named gt_img_<number>\.txt or gt_<image>\.txt/,
    ],
    [
      'icdar2015-e2e',
      { 'gt_img_1.txt': `${BOX},a` },
      { 'res_img_1.txt': BOX },
      /^res_img_1\.txt, line 1: not "x1,y1/,
    ],
    [
      'totaltext',
      { '1.txt': `${BOX},####a` },
      { '1.txt': '1,2,3,4,5,6\n\n1,2' },
      /^results: 1\.txt, line 2: "" is not an integer/,
    ],
    [
      'totaltext',
      { '1.txt': `${BOX},a` },
      { '1.txt': '' },
      /^ground truth: 1\.txt, line 1: not "x1,y1,…,xn,yn,####word"/,
    ],
    [
      'totaltext',
      { '1.txt': `${BOX},####a` },
      { '2.txt': '' },
      /2\.txt: the ground truth has no image 2/,
    ],
    [
      'totaltext',
      { '1.txt': `${BOX},####a` },
      { '1.txt': '5,5,5,5,5,5' },
      /^results: 1\.txt, line 1: a polygon without area/,
    ],
    [
      'totaltext',
      { 'poly_gt_1.mat': 'no' },
      { '1.txt': '' },
      /^ground truth: poly_gt_1\.mat: not a MATLAB level 5 MAT-file/,
    ],
    [
      'totaltext',
      { '1.txt': '', 'poly_gt_1.mat': '' },
      {},
      /poly_gt_1\.mat: image 1 has another file, ground truth: 1\.txt/,
    ],
    [
      'totaltext-e2e',
      { '1.txt': `${BOX},####` },
      {},
      /^ground truth: 1\.txt, line 1: an empty word/,
    ],
    [
      'totaltext-e2e',
      { '1.txt': '' },
      { '1.txt': '1,2,3,4,5,6,a\r\n' },
      /^results: 1\.txt, line 1: ends with CR LF/,
    ],
    ['ctw1500', { 'a.txt': '1,2,3' }, { 'a.txt': '' }, /^ground truth: a\.txt, line 1: 3 fields/],
    [
      'msra-td500',
      { 'a.gt': '0 2 1 1 5 5 0' },
      { 'a.txt': '' },
      /^ground truth: a\.gt, line 1: "2" as difficulty/,
    ],
    [
      'iou',
      { '1.txt': `${BOX},####a` },
      { '1.txt': `${BOX},w` },
      /^results: 1\.txt, line 1: "w" is not an integer/,
    ],
    [
      'iou',
      { '1.txt': '1,2,3,4,####a' },
      {},
      /^ground truth: 1\.txt, line 1: 4 coordinates: 6 or more are needed/,
    ],
  ])('%s: %#', (protocol, gt, results, message) => {
    expect(() => run(protocol, gt, results)).toThrow(
      expect.objectContaining({ code: 'evaluation', message: expect.stringMatching(message) }),
    );
  });

  it('and say which protocols and options there are', () => {
    expect(() => run('icdar' as Protocol, {}, {})).toThrow(
      /no protocol "icdar"; there are icdar2015, /,
    );
    expect(() => run('icdar2015', {}, {}, { iouThreshold: 0.7 })).toThrow(/threshold of its own/);
    expect(() => run('iou', {}, {}, { iouThreshold: 1 })).toThrow(/between 0 and 1/);
  });
});

describe('iou', () => {
  const gt = { '1.txt': `\uFEFF${BOX},####Word\r\n\r\n${OTHER},#######\r\n` };

  it('pairs polygons, x first, and leaves out what lies in don’t-care regions', () => {
    const { perImage, precision, recall, hmean } = run('iou', gt, {
      '1.txt': '210,10,300,10,300,50\n10,10,60,10,110,10,110,50,10,50\n400,0,500,0,500,50\n',
    });
    expect(perImage.get('1')).toMatchObject({
      gt: 2,
      det: 3,
      gtDontCare: [1],
      detDontCare: [0],
      pairs: [{ gt: 0, det: 1, correct: true }],
    });
    expect([precision, recall]).toEqual([0.5, 1]);
    expect(hmean).toBeCloseTo(2 / 3, 14);
  });

  it('needs an IoU above the threshold', () => {
    const half = { '1.txt': '10,10,60,10,60,50,10,50' }; // IoU 0.5
    expect(run('iou', gt, half).recall).toBe(0);
    expect(run('iou', gt, half, { iouThreshold: 0.49 }).recall).toBe(1);
    expect(run('iou', gt, half, { iouThreshold: 0.7 }).recall).toBe(0);
  });

  it('counts an image without a result file', () => {
    const { recall, notes } = run('iou', { ...gt, '2.txt': `${BOX},####x` }, { '1.txt': BOX });
    expect(recall).toBe(0.5);
    expect(notes).toHaveLength(1);
  });
});

describe('text ground truth of Total-Text', () => {
  const gt = { '0000001.txt': `${BOX},####Word\n${OTHER},#######\n` };

  it('is read by totaltext', () => {
    const result = run('totaltext', gt, {
      '0000001.txt': '10,10,10,110,50,110,50,10\n12,210,12,290,40,290,40,210\n',
    });
    expect(result).toMatchObject({ precision: 1, recall: 1, counts: { gt: 1, det: 1 } });
  });

  it('is read by totaltext-e2e', () => {
    const result = run('totaltext-e2e', gt, { '0000001.txt': '10,10,10,110,50,110,50,10,WORD\n' });
    expect(result).toMatchObject({
      precision: 1,
      recall: 1,
      counts: { matched: 1, gtCare: 1, detCare: 1 },
    });
  });
});

it('finds MATLAB ground truth by the rule of each script', () => {
  const mat = new MatWriter().add('polygt', { cells: [], shape: [0, 6] }).bytes();
  const gt = new Map([['poly_gt_a_b.mat', mat]]);
  expect([...evaluate('totaltext', gt, fileSet({ 'a_b.txt': '' })).perImage.keys()]).toEqual([
    'a_b',
  ]);
  expect([...evaluate('totaltext-e2e', gt, fileSet({ 'b.txt': '' })).perImage.keys()]).toEqual([
    'b',
  ]);
  const ignoring = evaluate('totaltext-e2e', gt, fileSet({ 'a_b.txt': '' }));
  expect(ignoring.notes[0]).toBe(
    'ignored, as in the official script: results without ground truth: 1 image (a_b)',
  );
  expect(() => evaluate('totaltext', fileSet({ 'a.gt': '' }), new Map())).toThrow(
    /^ground truth: a\.gt: a file's name here/,
  );
});

describe('fileSetFromZip', () => {
  const zipped = (files: Record<string, string>) =>
    zipSync(
      Object.fromEntries(
        Object.entries(files).map(([name, text]) => [name, new TextEncoder().encode(text)]),
      ),
    );

  it('gives names and bytes in the order of the archive', () => {
    const files = fileSetFromZip(zipped({ 'b.txt': 'B', 'a/c.txt': '', 'a.txt': 'A' }));
    expect([...files].map(([name, bytes]) => [name, new TextDecoder().decode(bytes)])).toEqual([
      ['b.txt', 'B'],
      ['a/c.txt', ''],
      ['a.txt', 'A'],
    ]);
  });

  it('refuses files that are not archives, are truncated or unpack to too much', () => {
    const fails = (bytes: Uint8Array, message: RegExp) =>
      expect(() => fileSetFromZip(bytes, 'gt.zip')).toThrow(
        expect.objectContaining({ code: 'evaluation', message: expect.stringMatching(message) }),
      );
    fails(new Uint8Array(0), /^gt\.zip: not a zip archive/);
    fails(new TextEncoder().encode('<html></html>'.repeat(10)), /^gt\.zip: not a zip archive/);
    const archive = zipped({ 'gt_img_1.txt': `${BOX},word\n`.repeat(50) });
    fails(archive.subarray(0, archive.length - 30), /^gt\.zip: not a zip archive/);
    const lying = archive.slice();
    // Its directory then says 4 GiB for the entry.
    new DataView(lying.buffer).setUint32(
      lying.length - 22 - (46 + 'gt_img_1.txt'.length) + 24,
      0xfffffff0,
      true,
    );
    fails(lying, /^gt\.zip: unpacks to more than 512 MiB/);
  });
});

describe.runIf(hasWholeReference && existsSync(sharedPath('data/icdar2015/validation/gt')))(
  'the validation parts',
  () => {
    const part = (name: string): FileSet =>
      fileSetFromFolder(sharedPath(`data/${name}/validation/gt`));
    const rewritten = (
      files: FileSet,
      rename: (name: string) => string,
      line: (text: string) => string[],
    ): FileSet =>
      new Map(
        [...files].map(([name, bytes]) => {
          const lines = new TextDecoder()
            .decode(bytes)
            .split(/\r?\n/)
            .filter(Boolean)
            .flatMap(line);
          return [rename(name), new TextEncoder().encode(lines.join('\n'))];
        }),
      );

    it('score 1 against themselves: ICDAR 2015', () => {
      const gt = part('icdar2015');
      const boxes = rewritten(
        gt,
        (name) => name.replace('gt_', 'res_'),
        (text) => [text.split(',').slice(0, 8).join(',')],
      );
      const result = evaluate('icdar2015', gt, boxes);
      expect(result.perImage.size).toBe(100);
      expect(result.counts.gtCare).toBeGreaterThan(300);
      expect(result).toMatchObject({ precision: 1, recall: 1, hmean: 1, notes: [] });
    });

    it('score 1 against themselves: Total-Text', () => {
      const gt = part('totaltext');
      const polygons = rewritten(
        gt,
        (name) => name,
        (text) => [text.slice(0, text.indexOf(',####'))],
      );
      const result = evaluate('iou', gt, polygons);
      expect(result.perImage.size).toBe(59);
      expect(result.counts.gtCare).toBeGreaterThan(300);
      expect(result).toMatchObject({ precision: 1, recall: 1, hmean: 1, notes: [] });
    });
  },
);
