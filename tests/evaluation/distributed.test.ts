// Ground truth in the forms that data sets are distributed in.
import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/evaluation/evaluate.js';
import { formatResults } from '../../src/evaluation/results.js';
import type { Protocol } from '../../src/evaluation/types.js';
import type { Polygon } from '../../src/shapes/geometry.js';
import { fileSet } from './cases.js';
import { type MatInput, MatWriter } from './mat-writer.js';

const fan: Polygon = [
  [2, 10],
  [8, 8],
  [10, 12],
  [8, 16],
  [2, 14],
];
const sign: Polygon = [
  [115, 322],
  [503, 346],
  [494, 426],
  [115, 404],
  [20, 300],
];
const blot: Polygon = [
  [700, 700],
  [750, 700],
  [750, 730],
];
const results = (protocol: Protocol, ...polygons: Polygon[]) =>
  fileSet({
    'img1.txt': formatResults(
      protocol,
      polygons.map((polygon) => ({ polygon, text: 'open' })),
    ),
  });

function fails(run: () => unknown, message: RegExp): void {
  expect(run).toThrow(
    expect.objectContaining({ code: 'evaluation', message: expect.stringMatching(message) }),
  );
}

describe('Total-Text as text', () => {
  const text = [
    `x: [[2 8 10 8 2]], y: [[10 8 12 16 14]], ornt: [u'c'], transcriptions: [u'OPEN']`,
    `x: [[115 503 494 115`,
    `  20]], y: [[322 346`,
    ` 426 404 300]], ornt: ["m"], transcriptions: [u"nauGHTY's"]`,
    `x: [[700, 750, 750]], y: [[700, 700, 730]], ornt: [u'#'], transcriptions: [u'#']`,
    '',
  ];
  const truth = (lines: readonly string[], end = '\n') =>
    fileSet({ 'poly_gt_img1.txt': lines.join(end) });

  it.each(['\n', '\r\n'])('is read, wrapped lines and either quotes included (%j)', (end) => {
    for (const protocol of ['totaltext', 'iou'] as const) {
      const result = evaluate(protocol, truth(text, end), results(protocol, fan, sign, blot));
      expect(result).toMatchObject({
        precision: 1,
        recall: 1,
        groundTruth: 'Total-Text as text',
        notes: [],
      });
      expect([...result.perImage.keys()]).toEqual(['img1']);
    }
    const { perImage } = evaluate<'totaltext-e2e'>(
      'totaltext-e2e',
      truth(text, end),
      results('totaltext-e2e', fan),
    );
    expect(perImage.get('img1')).toMatchObject({
      gtWords: ['open', "naughty's", '#'],
      gtDontCare: [2],
      recall: 0.5,
      precision: 1,
    });
  });

  it.each([
    ["[u'a, b']", 'a, b'],
    [`[u"it's ]]"]`, "it's ]]"],
    ["[u'it\\'s']", "it's"],
    ["[u'caf\\xe9 \\u20ac \\\\']", 'café € \\'],
    ["['a' 'b']", 'a,b'],
    ['["字"]', '字'],
    ['[]', '#'],
  ])('has the word of %s', (transcriptions, word) => {
    const lines = [`x: [[1 9 9]], y: [[1 1 9]], ornt: [], transcriptions: ${transcriptions}`];
    const { perImage } = evaluate<'totaltext-e2e'>('totaltext-e2e', truth(lines), new Map());
    expect(perImage.get('img1')!.gtWords).toEqual([word]);
  });

  it('names the line that it can’t read', () => {
    const run = (lines: readonly string[]) => () => evaluate('iou', truth(lines), new Map());
    fails(
      run([...text.slice(0, 4), 'x: [[1 2']),
      /^ground truth: poly_gt_img1\.txt, line 5: not "x: \[\[/,
    );
    fails(
      run([`x: [[1 2 3]], y: [[1 2]], ornt: ['c'], transcriptions: ['a']`]),
      /line 1: 3 x and 2 y coordinates/,
    );
    fails(
      run([`x: [[1 two 3]], y: [[1 2 3]], ornt: ['c'], transcriptions: ['a']`]),
      /line 1: "two" is not a number/,
    );
    fails(run([`x: [[1 2 3]], y: [[1 2 3]], ornt: ['c'], transcriptions: ['a`]), /line 1: not "x/);
  });
});

describe('Total-Text as MATLAB', () => {
  it.each(['polygt', 'gt'])('has the variable %s', (variable) => {
    const row: MatInput[] = [
      { text: 'x:' },
      { numbers: fan.map(([x]) => x) },
      { text: 'y:' },
      { numbers: fan.map(([, y]) => y) },
      { text: 'OPEN' },
      { text: 'c' },
    ];
    const mat = new MatWriter().add(variable, { cells: row, shape: [1, 6] }).bytes();
    const result = evaluate(
      'totaltext',
      new Map([['poly_gt_img1.mat', mat]]),
      results('totaltext', fan),
    );
    expect(result).toMatchObject({
      precision: 1,
      recall: 1,
      groundTruth: `Total-Text as MATLAB ${variable}`,
    });
    fails(
      () =>
        evaluate(
          'totaltext',
          new Map([['poly_gt_img1.mat', new MatWriter().add('x', row[0]).bytes()]]),
          results('totaltext', fan),
        ),
      /has no variable "polygt" or "gt"/,
    );
  });
});

describe('CTW1500', () => {
  const square: Polygon = [
    [10, 20],
    [110, 20],
    [110, 60],
    [10, 60],
  ];
  const segs = `${'10,20,'.repeat(6)}10,20,${'110,20,'.repeat(5)}110,60,10,60`;
  const xml = (box: string) =>
    `<?xml version="1.0"?>\n<Annotations>\n <image file="img1.jpg">\n  <box height="40" left="10" top="20" width="100">\n   <label>A &amp; B</label>\n   ${box}\n   <pts x="1" y="2"/>\n  </box>\n </image>\n</Annotations>\n`;
  const scored = (files: Record<string, string>) =>
    evaluate('ctw1500', fileSet(files), results('ctw1500', square));

  it('as XML and as lines with words', () => {
    expect(scored({ 'img1.xml': xml(`<segs>${segs}</segs>`) })).toMatchObject({
      precision: 1,
      recall: 1,
      groundTruth: 'CTW1500 as XML',
    });
    expect(scored({ 'img1.txt': `${segs},####A, B\n` })).toMatchObject({
      precision: 1,
      recall: 1,
      groundTruth: 'CTW1500 as lines with words',
    });
  });

  it('names what it can’t read', () => {
    fails(
      () => scored({ 'img1.xml': xml('') }),
      /^ground truth: img1\.xml, line 4: a box without <segs>/,
    );
    fails(
      () => scored({ 'img1.xml': xml('<segs>1,2,a,4,5,6</segs>') }),
      /line 4: "a" is not an integer/,
    );
    fails(
      () => scored({ 'img1.xml': xml(`<segs>${segs}</segs>`).slice(0, 90) }),
      /cut short or not CTW1500's XML/,
    );
  });
});

describe('ICDAR 2013 and MLT', () => {
  const detected = (names: string[]) =>
    fileSet(Object.fromEntries(names.map((name) => [name, '38,43,920,43,920,215,38,215\n'])));

  it.each([
    ['commas', 'gt_img_1.txt', '38, 43, 920, 215, "Tiredness"\r\n', 'res_img_1.txt'],
    [
      'spaces, mere numbers as names',
      'gt_100.txt',
      '38 43 920 215 "kills, \\"A\\""\n',
      'res_100.txt',
    ],
  ])('boxes with %s', (_, name, line, result) => {
    expect(evaluate('icdar2015', fileSet({ [name]: line }), detected([result]))).toMatchObject({
      precision: 1,
      recall: 1,
      groundTruth: 'ICDAR 2013 boxes',
    });
  });

  it('boxes with words for reading', () => {
    const words = fileSet({ 'res_img_1.txt': '38,43,920,43,920,215,38,215,a"b' });
    expect(
      evaluate('icdar2015-e2e', fileSet({ 'gt_img_1.txt': '38, 43, 920, 215, "a\\"b"' }), words),
    ).toMatchObject({ recall: 1 });
  });

  const mlt = '38,43,920,43,920,215,38,215,Latin,a, b\n500,500,600,500,600,550,500,550,None,###\n';
  it('lines with the script', () => {
    const result = evaluate(
      'icdar2015',
      fileSet({ 'gt_img_1.txt': mlt }),
      detected(['res_img_1.txt']),
    );
    expect(result).toMatchObject({
      precision: 1,
      recall: 1,
      groundTruth: 'MLT lines',
      counts: { gtCare: 1 },
    });
    const words = fileSet({ 'res_tr_img_00001.txt': '38,43,920,43,920,215,38,215,a, b' });
    expect(evaluate('icdar2015-e2e', fileSet({ 'tr_img_00001.txt': mlt }), words)).toMatchObject({
      recall: 1,
      precision: 1,
    });
  });

  it('but a word that begins like a script is a word', () => {
    const gt = fileSet({
      'gt_img_1.txt': '38,43,920,43,920,215,38,215,Latin,a\n500,500,600,500,600,550,500,550,b\n',
    });
    const words = fileSet({ 'res_img_1.txt': '38,43,920,43,920,215,38,215,Latin,a' });
    expect(evaluate('icdar2015-e2e', gt, words)).toMatchObject({
      recall: 0.5,
      groundTruth: 'ICDAR 2015 lines',
    });
  });
});

describe('results in the other order', () => {
  const gt = fileSet({ 'img1.txt': `${sign.flat().join(',')},####a\n` });
  it.each([
    [
      'iou',
      'totaltext',
      /seem to list y before x: iou reads x first, which gives H-mean 0\.00; in the other order it would be 100\.00/,
    ],
    ['totaltext', 'iou', /seem to list x before y: totaltext reads y first/],
  ] as const)('%s says so', (protocol, written, message) => {
    const wrong = evaluate(protocol, gt, results(written, sign));
    expect(wrong.hmean).toBe(0);
    expect(wrong.notes.join()).toMatch(message);
    expect(evaluate(protocol, gt, results(protocol, sign))).toMatchObject({ hmean: 1, notes: [] });
    // Merely bad results are no reason to speak.
    expect(evaluate(protocol, gt, results(protocol, blot)).notes.join()).not.toMatch(
      /seem to list/,
    );
  });
});
