// Ground truth and results of every benchmark, and polygons as numbers.
import { readFileSync, readdirSync } from 'node:fs';
import { zipSync } from 'fflate';
import fc from 'fast-check';
import { evaluate } from '../../../src/evaluation/evaluate.js';
import { fileSetFromZip } from '../../../src/evaluation/formats/zip.js';
import { readMatVariable } from '../../../src/evaluation/formats/matlab.js';
import { formatResults } from '../../../src/evaluation/results.js';
import { PROTOCOLS, type Protocol } from '../../../src/evaluation/types.js';
import type { FileSet } from '../../../src/evaluation/formats/files.js';
import type { Point, Polygon } from '../../../src/shapes/geometry.js';
import { FOLDERS, fileSet, officialCase } from '../../evaluation/cases.js';
import { MatWriter } from '../../evaluation/mat-writer.js';
import { bundledPath } from '../../support/reference.js';
import { damaged } from '../mutations.js';
import { target } from '../target.js';

/** One image's files: both sides of a benchmark, small. */
interface Pair {
  readonly protocol: Protocol;
  readonly truth: readonly [name: string, bytes: Uint8Array];
  readonly result: readonly [name: string, bytes: Uint8Array];
}

const utf8 = (text: string) => new TextEncoder().encode(text);

const more: readonly Pair[] = [
  {
    protocol: 'totaltext',
    truth: [
      'poly_gt_img1.txt',
      utf8(
        "x: [[153 161 179 195 184\n 177]], y: [[347 323 305 315 331 357]], ornt: [u'c'], transcriptions: [u'the']\n" +
          "x: [[1 9 9 1]], y: [[1 1 9 9]], ornt: [u'#'], transcriptions: [u\"it\\'s\" u'#']\n",
      ),
    ],
    result: ['img1.txt', utf8('347,153,323,161,305,179,315,195\n')],
  },
  {
    protocol: 'iou',
    truth: ['img1.txt', utf8('1,1,9,1,9,9,1,9,####word\n2,2,20,2,20,20,####\\#\\#\n')],
    result: ['img1.txt', utf8('1,1,9,1,9,9,1,9\n')],
  },
  {
    protocol: 'ctw1500',
    truth: [
      '1001.xml',
      utf8(
        '<Annotations><image file="1001.jpg"><box height="9" left="1" top="1" width="9"><label>a</label>' +
          '<segs>1,1,9,1,9,9,1,9</segs><pts x="1" y="1"/></box>\n</image></Annotations>\n',
      ),
    ],
    result: ['1001.txt', utf8('1,1,1,9,9,9,9,1\n')],
  },
  {
    protocol: 'ctw1500',
    truth: ['1002.txt', utf8('1,1,9,1,9,9,1,9,####word\n')],
    result: ['1002.txt', utf8('1,1,1,9,9,9,9,1\n')],
  },
  {
    protocol: 'icdar2015-e2e',
    truth: ['gt_img_1.txt', utf8('38, 43, 920, 215, "Tiredness"\n275 264 665 450 "kills"\n')],
    result: ['res_img_1.txt', utf8('38,43,920,43,920,215,38,215,Tiredness\n')],
  },
  {
    protocol: 'icdar2015',
    truth: ['gt_tr_img_1.txt', utf8('1,1,9,1,9,9,1,9,Latin,word\n1,1,9,1,9,9,1,9,Arabic,###\n')],
    result: ['res_tr_img_1.txt', utf8('1,1,9,1,9,9,1,9\n')],
  },
];

/** The smaller images of the official scripts' cases. */
const official: readonly Pair[] = (Object.keys(FOLDERS) as (keyof typeof FOLDERS)[]).flatMap(
  (protocol) => {
    const { groundTruth, results } = officialCase(protocol, 1);
    const imageOf = (name: string) => name.replace(/^(poly_gt_|gt_|res_)|\..*$/g, '');
    const byImage = new Map([...results].map((file) => [imageOf(file[0]), file]));
    return [...groundTruth].flatMap((truth) => {
      const result = byImage.get(imageOf(truth[0]));
      const isSmall = truth[1].length < 3000 && result && result[1].length < 2000;
      return isSmall ? [{ protocol, truth, result }] : [];
    });
  },
);

const pairs = [...official, ...more];

const only = ([name, bytes]: readonly [string, Uint8Array]): FileSet => new Map([[name, bytes]]);

/** Scores may exceed 1 for polygons that cross themselves; they are always numbers. */
function checkedScores(protocol: Protocol, truth: FileSet, results: FileSet): void {
  const { precision, recall, hmean, counts } = evaluate(protocol, truth, results);
  const odd = Object.entries({ precision, recall, hmean, ...counts }).find(
    ([, value]) => !Number.isFinite(value),
  );
  if (odd) throw new Error(`${protocol}: ${odd[0]} is ${odd[1]}`);
}

/** One of the pairs, with one side damaged. */
function files(side: 'truth' | 'result'): fc.Arbitrary<Pair> {
  return fc.nat(pairs.length - 1).chain((which) =>
    damaged([pairs[which][side][1], ...more.map((pair) => pair[side][1])]).map((bytes) => ({
      ...pairs[which],
      [side]: [pairs[which][side][0], bytes] as const,
    })),
  );
}

const evaluatePair = ({ protocol, truth, result }: Pair) =>
  checkedScores(protocol, only(truth), only(result));

const matFolder = bundledPath('eval/tt/case1/gt/');
const mats = [
  ...readdirSync(matFolder)
    .filter((name) => name.endsWith('.mat'))
    .sort()
    .map((name) => readFileSync(matFolder + name)),
  ...[true, false].map((isLittleEndian) =>
    new MatWriter(isLittleEndian)
      .add('other', { numbers: [1] }, { compressed: true })
      .add('polygt', {
        shape: [1, 6],
        cells: [
          { text: 'x:' },
          { numbers: [1, 9, 9], as: 'int16' },
          { text: 'y:' },
          { numbers: [1, 1, 9], as: 'uint8' },
          { text: 'wörd', as: 'utf8' },
          'nothing',
        ],
      })
      .bytes(),
  ),
];

const zips = pairs
  .slice(0, 6)
  .map(({ truth }) => zipSync({ [truth[0]]: truth[1], 'folder/b.txt': utf8('b') }));

const coordinate = fc.oneof(
  fc.integer({ min: -50, max: 50 }),
  fc.constantFrom(0, 1e6, -1e6, 2 ** 31, 2 ** 53 - 1, 0.5, 1e-300),
);
const polygon: fc.Arbitrary<Polygon> = fc.array(
  fc.tuple(coordinate, coordinate).map(([x, y]): Point => [x, y]),
  { minLength: 1, maxLength: 12 },
);

interface Polygons {
  readonly protocol: Protocol;
  readonly truth: readonly Polygon[];
  readonly results: readonly Polygon[];
}

const polygons: fc.Arbitrary<Polygons> = fc.record({
  protocol: fc.constantFrom(...PROTOCOLS),
  truth: fc.array(polygon, { maxLength: 4 }),
  results: fc.array(polygon, { maxLength: 4 }),
});

/** Detections of any shape as result files, against ground truth of any shape. */
function evaluatePolygons({ protocol, truth, results }: Polygons): void {
  const lines = truth.map((points) => `${points.flat().map(Math.round).join(',')},####word`);
  checkedScores(
    'iou',
    fileSet({ 'a.txt': lines.join('\n') }),
    fileSet({
      'a.txt': formatResults(
        'iou',
        results.map((points) => ({ polygon: points })),
      ),
    }),
  );
  formatResults(
    protocol,
    results.map((points) => ({ polygon: points, text: 'a' })),
  );
}

export const evaluationTargets = [
  target({ name: 'ground truth', inputs: files('truth'), read: evaluatePair, inSuite: 800 }),
  target({ name: 'result files', inputs: files('result'), read: evaluatePair, inSuite: 600 }),
  target({
    name: 'MAT',
    inputs: damaged(mats),
    read: (bytes: Uint8Array) => void readMatVariable('a.mat', bytes, 'polygt', 'gt'),
    inSuite: 600,
  }),
  target({
    name: 'zip archive',
    inputs: damaged(zips),
    read: (bytes: Uint8Array) => void fileSetFromZip(bytes, 'a.zip'),
    inSuite: 500,
  }),
  target({ name: 'polygons', inputs: polygons, read: evaluatePolygons, inSuite: 200 }),
];
