// Equality with the official scripts: every case, every image, every number.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PanppError } from '../../src/errors.js';
import { evaluate } from '../../src/evaluation/evaluate.js';
import type { Ctw1500Image, MsraTd500Image } from '../../src/evaluation/types.js';
import { bundledPath } from '../support/reference.js';
import { fileSet, FOLDERS, officialCase, type OfficialProtocol } from './cases.js';

const TOLERANCE = 1e-9;
const CASES = [1, 2, 3] as const;

interface ExpectedPairing {
  precision: number;
  recall: number;
  hmean: number;
  gt: number;
  det: number;
  gt_dont_care: number[];
  det_dont_care: number[];
  pairs: [gt: number, det: number, correct?: boolean][];
  iou_nonzero?: [gt: number, det: number, iou: number][] | null;
  gt_transcriptions_used?: string[];
  det_transcriptions_used?: string[];
}

interface ExpectedDetEval {
  precision: number;
  recall: number;
  recall_sum: number;
  precision_sum: number;
  gt: number;
  det: number;
  gt_flag: number[];
  det_flag: number[];
  sigma: number[][];
  tau: number[][];
}

type Numbers = Readonly<Record<string, number>>;

function expectClose(actual: number, expected: number, what: string): void {
  expect(Math.abs(actual - expected), `${what}: ${actual} for ${expected}`).toBeLessThanOrEqual(
    TOLERANCE,
  );
}

function expectAllClose(actual: Numbers, expected: Numbers, what: string): void {
  expect(Object.keys(actual).sort(), what).toEqual(Object.keys(expected).sort());
  for (const key of Object.keys(expected))
    expectClose(actual[key], expected[key], `${what} ${key}`);
}

function expectScore(actual: Numbers, expected: Numbers, what: string): void {
  for (const key of ['precision', 'recall', 'hmean'])
    expectClose(actual[key], expected[key], `${what} ${key}`);
}

function expectSameKeys(actual: ReadonlyMap<string, unknown>, expected: object): void {
  expect([...actual.keys()].sort()).toEqual(Object.keys(expected).sort());
}

describe.each(['icdar2015', 'icdar2015-e2e', 'icdar2015-spotting', 'totaltext-e2e'] as const)(
  '%s',
  (protocol) => {
    it.each(CASES)('gives the numbers of case %i', (number) => {
      const { groundTruth, results, expected } = officialCase<ExpectedPairing>(protocol, number);
      const result = evaluate(protocol, groundTruth, results);
      expectScore({ ...result } as unknown as Numbers, expected.method, 'method');
      const { matched, gt_care: gtCare, det_care: detCare } = expected.counts;
      expect(result.counts).toEqual({ matched, gtCare, detCare });
      expectSameKeys(result.perImage, expected.per_image);
      for (const [key, image] of result.perImage) {
        const wanted = expected.per_image[key];
        for (const name of ['precision', 'recall', 'hmean'] as const)
          expectClose(image[name], wanted[name], `${key} ${name}`);
        const { gt, det, gtDontCare, detDontCare } = image;
        expect({ gt, det, gtDontCare, detDontCare }, key).toEqual({
          gt: wanted.gt,
          det: wanted.det,
          gtDontCare: wanted.gt_dont_care,
          detDontCare: wanted.det_dont_care,
        });
        expect(image.pairs, key).toEqual(
          wanted.pairs.map(([g, d, correct = true]) => ({ gt: g, det: d, correct })),
        );
        if (wanted.iou_nonzero) {
          expect(
            image.overlaps.map((pair) => [pair.gt, pair.det]),
            key,
          ).toEqual(wanted.iou_nonzero.map(([g, d]) => [g, d]));
          image.overlaps.forEach(({ iou }, i) =>
            expectClose(iou, wanted.iou_nonzero![i][2], `${key} IoU ${i}`),
          );
        }
        if (wanted.gt_transcriptions_used)
          expect(image.gtWords, key).toEqual(wanted.gt_transcriptions_used);
        if (wanted.det_transcriptions_used)
          expect(image.detWords, key).toEqual(wanted.det_transcriptions_used);
      }
    });
  },
);

describe('totaltext', () => {
  it.each(CASES)('gives the numbers of case %i', (number) => {
    const { groundTruth, results, expected } = officialCase<ExpectedDetEval>('totaltext', number);
    const result = evaluate('totaltext', groundTruth, results);
    expectScore({ ...result } as unknown as Numbers, expected.method, 'method');
    const { recall_sum: recallSum, precision_sum: precisionSum, gt, det } = expected.counts;
    expectAllClose(result.counts, { recallSum, precisionSum, gt, det }, 'counts');
    expectSameKeys(result.perImage, expected.per_image);
    for (const [key, image] of result.perImage) {
      const wanted = expected.per_image[key];
      const { precision, recall, recallSum: ofGt, precisionSum: ofDet } = image;
      expectAllClose(
        { precision, recall, ofGt, ofDet },
        {
          precision: wanted.precision,
          recall: wanted.recall,
          ofGt: wanted.recall_sum,
          ofDet: wanted.precision_sum,
        },
        key,
      );
      expect([image.gt, image.det], key).toEqual([wanted.gt, wanted.det]);
      expect(image.gtFlag.map(Number), key).toEqual(wanted.gt_flag);
      expect(image.detFlag.map(Number), key).toEqual(wanted.det_flag);
      for (const [actual, table] of [
        [image.sigma, wanted.sigma],
        [image.tau, wanted.tau],
      ] as const) {
        expect(
          actual.map((row) => row.length),
          key,
        ).toEqual(table.map((row) => row.length));
        table.forEach((row, g) =>
          row.forEach((share, d) => expectClose(actual[g][d], share, `${key} [${g}][${d}]`)),
        );
      }
    }
  });
});

describe.each(['ctw1500', 'msra-td500'] as const)('%s', (protocol) => {
  it.each(CASES)('gives the numbers of case %i', (number) => {
    const { groundTruth, results, expected } = officialCase<
      (Ctw1500Image | MsraTd500Image) & { note?: string }
    >(protocol, number);
    const result = evaluate(protocol, groundTruth, results);
    expectScore({ ...result } as unknown as Numbers, expected.method, 'method');
    expect(result.counts).toEqual(expected.counts);
    expectSameKeys(result.perImage, expected.per_image);
    for (const [key, image] of result.perImage) {
      const { note: _note, ...wanted } = expected.per_image[key];
      expect(image, key).toEqual(wanted);
    }
  });
});

interface SmallInput {
  note: string;
  gt: Record<string, string>;
  results: Record<string, string>;
  accepted: boolean;
  method?: Numbers;
}

const SMALL_INPUTS: Record<string, SmallInput[]> = JSON.parse(
  readFileSync(bundledPath('eval/accept_reject.json'), 'utf8'),
);

const REFUSING = (Object.keys(FOLDERS) as OfficialProtocol[]).filter(
  (protocol) => SMALL_INPUTS[FOLDERS[protocol]],
);

it('has small inputs for five protocols', () => {
  expect(REFUSING).toHaveLength(5);
});

// Where a script refuses all for one result file too many, that file is set aside and told.
const SET_ASIDE = [
  'result file for an image that has no GT',
  'result archive with a stray file',
  'result file without GT file',
];

describe.each(REFUSING)('what %s accepts', (protocol) => {
  it.each(SMALL_INPUTS[FOLDERS[protocol]].map((input) => [input.note, input] as const))(
    '%s',
    (_, input) => {
      const run = () => evaluate(protocol, fileSet(input.gt), fileSet(input.results));
      if (input.accepted) {
        expectScore({ ...run() } as unknown as Numbers, input.method!, input.note);
        return;
      }
      if (SET_ASIDE.includes(input.note)) {
        const { ignored, notes, ...figures } = run();
        const rest = Object.entries(input.results).filter(([name]) => !ignored.includes(name));
        expect(ignored).toHaveLength(1);
        expect(notes.join()).toContain(`1 result file without ground truth (${ignored[0]})`);
        expectScore(
          figures as unknown as Numbers,
          evaluate(
            protocol,
            fileSet(input.gt),
            fileSet(Object.fromEntries(rest)),
          ) as unknown as Numbers,
          input.note,
        );
        return;
      }
      let error: unknown;
      try {
        run();
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toBeInstanceOf(PanppError);
      expect(error).toMatchObject({ code: 'evaluation' });
      expect((error as PanppError).message).toMatch(/^[^\n]+: [^\n]+$/);
    },
  );
});
