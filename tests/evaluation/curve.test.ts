import { describe, expect, it } from 'vitest';
import { thresholdCurve } from '../../src/evaluation/curve.js';
import type { Polygon } from '../../src/shapes/geometry.js';
import { fileSet } from './cases.js';

const box = (x: number): Polygon => [
  [x, 0],
  [x + 100, 0],
  [x + 100, 40],
  [x, 40],
];
const line = (x: number): string => box(x).flat().join(',');

describe('thresholdCurve', () => {
  const groundTruth = fileSet({
    'gt_img_1.txt': `${line(0)},a\n${line(200)},b`,
    'gt_img_2.txt': `${line(0)},c`,
  });
  const detections = new Map([
    [
      'img_1.jpg',
      [
        { polygon: box(0), score: 0.9 },
        { polygon: box(200), score: 0.5 },
        { polygon: box(600), score: 0.3 },
      ],
    ],
    ['img_2.jpg', []],
  ]);

  it('evaluates at each threshold, and leaves out those without detections', () => {
    const curve = thresholdCurve('icdar2015', groundTruth, detections, [0, 0.5, 0.6, 0.95]);
    expect(curve.map(({ threshold, precision, recall }) => [threshold, precision, recall])).toEqual(
      [
        [0, 2 / 3, 2 / 3],
        [0.5, 1, 2 / 3],
        [0.6, 1, 1 / 3],
      ],
    );
    expect(curve[2].hmean).toBeCloseTo(0.5, 14);
  });

  it('passes options and errors on', () => {
    expect(() =>
      thresholdCurve('icdar2015', groundTruth, detections, [0], { iouThreshold: 0.7 }),
    ).toThrow(/threshold/);
    const unknown = new Map([['img_9.jpg', [{ polygon: box(0), score: 1 }]]]);
    expect(() => thresholdCurve('icdar2015', groundTruth, unknown, [0])).toThrow(
      /no gt_img_9\.txt/,
    );
  });
});
