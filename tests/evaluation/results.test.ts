import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/evaluation/evaluate.js';
import { formatResults, resultFileName } from '../../src/evaluation/results.js';
import { PROTOCOLS, type Protocol } from '../../src/evaluation/types.js';
import type { Polygon } from '../../src/shapes/geometry.js';
import { fileSet } from './cases.js';

const box: Polygon = [
  [10, 20],
  [110, 20],
  [110, 60],
  [10, 60],
];

describe('formatResults', () => {
  it.each<[Protocol, string]>([
    ['icdar2015', '10,20,110,20,110,60,10,60\n'],
    ['icdar2015-e2e', '10,20,110,20,110,60,10,60,Hi, you\n'],
    ['icdar2015-spotting', '10,20,110,20,110,60,10,60,Hi, you\n'],
    ['totaltext', '20,10,20,110,60,110,60,10\n'],
    ['totaltext-e2e', '20,10,20,110,60,110,60,10,hi; you\n'],
    ['ctw1500', '20,10,20,110,60,110,60,10\n'],
    ['msra-td500', '10,20,110,20,110,60,10,60\n'],
    ['iou', '10,20,110,20,110,60,10,60\n'],
  ])('%s', (protocol, line) => {
    expect(formatResults(protocol, [{ polygon: box, text: 'Hi, you' }])).toBe(line);
    expect(formatResults(protocol, [])).toBe('');
  });

  it('rounds', () => {
    expect(
      formatResults('iou', [
        {
          polygon: [
            [-0.4, 1.5],
            [2.4, 2.6],
            [3, 4],
          ],
        },
      ]),
    ).toBe('0,2,2,3,3,4\n');
  });

  it('repeats corners where ICDAR needs four', () => {
    expect(
      formatResults('icdar2015', [
        {
          polygon: [
            [1, 2],
            [3, 4],
            [5, 1],
          ],
        },
      ]),
    ).toBe('1,2,3,4,5,1,5,1\n');
    expect(formatResults('icdar2015', [{ polygon: [[1, 2]] }])).toBe('1,2,1,2,1,2,1,2\n');
  });

  it('turns corners clockwise where they must be', () => {
    expect(formatResults('icdar2015-e2e', [{ polygon: [...box].reverse(), text: 'a' }])).toBe(
      '10,60,10,20,110,20,110,60,a\n',
    );
  });

  it('gives thin text an area where DetEval needs one', () => {
    expect(
      formatResults('totaltext', [
        {
          polygon: [
            [5, 7],
            [9, 7],
          ],
        },
      ]),
    ).toBe('7,5,7,10,8,10,8,5\n');
  });

  it('says what it can’t write', () => {
    const fails = (
      protocol: Protocol,
      polygon: Polygon,
      text: string | undefined,
      message: RegExp,
    ) =>
      expect(() =>
        formatResults(protocol, [
          { polygon: box, text: 'a' },
          { polygon, text },
        ]),
      ).toThrow(
        expect.objectContaining({ code: 'argument', message: expect.stringMatching(message) }),
      );
    fails(
      'icdar2015-e2e',
      [...box, [0, 0]],
      'a',
      /^region 2 can't be written for icdar2015-e2e: it has 5 corners/,
    );
    fails('icdar2015-e2e', box, undefined, /it has no text/);
    fails('totaltext-e2e', box, 'a\nb', /line break/);
    fails('iou', [], 'a', /no corners/);
    fails('iou', [[NaN, 1]], 'a', /NaN is not a valid coordinate/);
  });
});

it('names result files', () => {
  expect(resultFileName('icdar2015', 'img_25.jpg')).toBe('res_img_25.txt');
  expect(resultFileName('icdar2015-spotting', 'test/img_25.JPEG')).toBe('res_img_25.txt');
  expect(resultFileName('totaltext', '0000039.jpg')).toBe('0000039.txt');
  expect(resultFileName('ctw1500', 'b/a\\1001.png')).toBe('a\\1001.txt');
  expect(resultFileName('msra-td500', 'IMG_0030.JPG')).toBe('IMG_0030.txt');
  expect(resultFileName('iou', 'scan.v2')).toBe('scan.v2.txt');
});

describe('what is written is read as it was', () => {
  const words = [
    'word',
    '"quoted"',
    '"',
    '""',
    '" "',
    ' "a\\"b" ',
    '\\',
    '"\\"',
    'a,b',
    '',
    '"\\\\"',
  ];

  it('with any word', () => {
    // An empty word can't be ground truth beside a detected word; here each meets itself only.
    const regions = words.map((text, i) => ({
      polygon: box.map(([x, y]) => [x, y + 100 * i] as const),
      text,
    }));
    const text = formatResults('icdar2015-e2e', regions);
    const result = evaluate(
      'icdar2015-e2e',
      fileSet({ 'gt_img_1.txt': text }),
      fileSet({ 'res_img_1.txt': text }),
    );
    expect(result.perImage.get('1')!.detWords).toEqual(words);
    expect(result).toMatchObject({ precision: 1, recall: 1 });
  });

  const groundTruth: Record<Protocol, Record<string, string>> = {
    icdar2015: { 'gt_img_1.txt': '10,20,110,20,110,60,10,60,word' },
    'icdar2015-e2e': { 'gt_img_1.txt': '10,20,110,20,110,60,10,60,word' },
    'icdar2015-spotting': { 'gt_img_1.txt': '10,20,110,20,110,60,10,60,word' },
    totaltext: { 'img_1.txt': '10,20,110,20,110,60,10,60,####word' },
    'totaltext-e2e': { 'img_1.txt': '10,20,110,20,110,60,10,60,####word' },
    ctw1500: { 'img_1.txt': `10,20,110,60,0,0,100,0,100,40,${'0,40,'.repeat(10)}0,40` },
    'msra-td500': { 'img_1.gt': '0 0 10 20 100 40 0' },
    iou: { 'img_1.txt': '10,20,110,20,110,60,10,60,####word' },
  };

  it.each(PROTOCOLS)('by %s', (protocol) => {
    const regions = [{ polygon: box, text: 'word' }];
    const results = { [resultFileName(protocol, 'img_1.jpg')]: formatResults(protocol, regions) };
    const result = evaluate(protocol, fileSet(groundTruth[protocol]), fileSet(results));
    expect(result).toMatchObject({ precision: 1, recall: 1, hmean: 1 });
  });
});
