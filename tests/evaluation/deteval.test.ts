// Small sets counted by hand, for rules that the official cases leave open. Boxes lie in one row,
// 10 high.
import { describe, expect, it } from 'vitest';
import { evaluateTotalText } from '../../src/evaluation/deteval.js';
import { fileSet } from './cases.js';

const gtLine = (left: number, right: number, word = 'word'): string =>
  `${left},0,${right},0,${right},10,${left},10,####${word}`;
const detLine = (left: number, right: number): string =>
  `0,${left},0,${right},10,${right},10,${left}`;
const evaluateOne = (gt: string[], det: string[]) => {
  const result = evaluateTotalText(
    fileSet({ '1.txt': gt.join('\n') }),
    fileSet({ '1.txt': det.join('\n') }),
  );
  return result.perImage.get('1')!;
};

describe('many to one', () => {
  it('takes texts of which 0.6 is covered', () => {
    // σ is 1 and 40/61 = 0.66, τ 0.35 and 0.40.
    expect(evaluateOne([gtLine(0, 35), gtLine(60, 121)], [detLine(0, 100)])).toMatchObject({
      recallSum: 1.6,
      precisionSum: 0.8,
      gtFlag: [true, true],
      detFlag: [true],
    });
  });

  it('takes no text of which less is covered', () => {
    // σ of the second is 40/70 = 0.57; then one candidate is left, whose τ is too small.
    expect(evaluateOne([gtLine(0, 35), gtLine(60, 130)], [detLine(0, 100)])).toMatchObject({
      recallSum: 0,
      precisionSum: 0,
      gtFlag: [false, false],
    });
  });
});

describe('one to many', () => {
  it('gives 0.8 for a text and for each of its pieces', () => {
    expect(
      evaluateOne([gtLine(0, 100)], [detLine(0, 30), detLine(30, 65), detLine(65, 100)]),
    ).toMatchObject({
      recallSum: 0.8,
      precisionSum: 0.8 * 3,
      detFlag: [true, true, true],
    });
  });
});

describe('a detection without area', () => {
  it('shares the fate of the one before it in a don’t-care region', () => {
    const gt = [gtLine(0, 100, '###')];
    expect(evaluateOne(gt, [detLine(10, 90), detLine(5, 5)])).toMatchObject({ det: 0 });
    expect(evaluateOne(gt, [detLine(90, 150), detLine(5, 5)])).toMatchObject({ det: 2 });
  });

  it('is refused if no detection precedes it, and next to ground truth', () => {
    expect(() => evaluateOne([gtLine(0, 100, '###')], [detLine(5, 5)])).toThrow(
      /^results: 1\.txt, line 1: a detection without area/,
    );
    expect(() => evaluateOne([gtLine(0, 100)], [detLine(0, 90), detLine(5, 5)])).toThrow(
      /^results: 1\.txt, line 2: a polygon without/,
    );
  });
});

it('adds a note if nothing was found', () => {
  const result = evaluateTotalText(fileSet({ '1.txt': gtLine(0, 100) }), fileSet({ '1.txt': '' }));
  expect(result).toMatchObject({ precision: 0, recall: 0, hmean: 0 });
  expect(result.notes).toEqual([
    'nothing was found: the official script fails here where this gives 0',
  ]);
});
