import { describe, expect, it } from 'vitest';

import { planesOf } from '../../src/aggregation/input.js';
import { aggregateSequential, sumLabelsSequential } from '../../src/aggregation/sequential.js';
import { PanppError } from '../../src/errors.js';
import { regionsFromLabels, type RegionsInput } from '../../src/shapes/regions.js';
import { readDetectionCases, type DetectionCase } from './detection-cases.js';

// 1 1 0
// 0 1 0
// 2 0 0
const small: RegionsInput = {
  labels: Int32Array.of(1, 1, 0, 0, 1, 0, 2, 0, 0),
  height: 3,
  width: 3,
  sums: [
    { label: 2, area: 4, score: 3 },
    { label: 1, area: 12, score: 6 },
  ],
  imageHeight: 6,
  imageWidth: 6,
  originalHeight: 6,
  originalWidth: 9,
  settings: { minScore: 0, minArea: 0, scale: 2, bbox: 'poly' },
};

const withSettings = (settings: Partial<RegionsInput['settings']>): RegionsInput => ({
  ...small,
  settings: { ...small.settings, ...settings },
});

const labelsOf = (input: RegionsInput): number[] =>
  regionsFromLabels(input).map(({ label }) => label);

describe('regionsFromLabels', () => {
  it('gives contours of the enlarged map in pixels of the original image, truncated', () => {
    expect(regionsFromLabels(small)).toEqual([
      {
        label: 1,
        // At the resized image's size: 0,0 0,1 1,1 2,2 2,3 3,3 3,0; times 1.5 across.
        polygon: [
          [0, 0],
          [0, 1],
          [1, 1],
          [3, 2],
          [3, 3],
          [4, 3],
          [4, 0],
        ],
        box: { left: 0, top: 0, right: 6, bottom: 4 },
        mapBox: { left: 0, top: 0, right: 4, bottom: 4 },
        area: 12,
        score: 0.5,
      },
      {
        label: 2,
        polygon: [
          [0, 4],
          [0, 5],
          [1, 5],
          [1, 4],
        ],
        box: { left: 0, top: 4, right: 3, bottom: 6 },
        mapBox: { left: 0, top: 4, right: 2, bottom: 6 },
        area: 4,
        score: 0.75,
      },
    ]);
  });

  it('gives the rectangle of least area', () => {
    const [, block] = regionsFromLabels(withSettings({ bbox: 'rect' }));
    const corners = block.polygon.map(([x, y]) => `${x},${y}`).sort();
    expect(corners).toEqual(['0,4', '0,5', '1,4', '1,5']);
  });

  it('drops regions below the area over scale squared, and below the mean score', () => {
    expect(labelsOf(withSettings({ minArea: 16 }))).toEqual([1, 2]);
    expect(labelsOf(withSettings({ minArea: 17 }))).toEqual([1]);
    expect(labelsOf(withSettings({ minScore: 0.5 }))).toEqual([1, 2]);
    expect(labelsOf(withSettings({ minScore: 0.51 }))).toEqual([2]);
    expect(labelsOf({ ...small, sums: [] })).toEqual([]);
  });

  it('follows uneven ratios: columns 0, 0, 1, 1, 2 of five', () => {
    const [region] = regionsFromLabels({ ...small, imageWidth: 5, originalWidth: 5 });
    expect(region.mapBox).toEqual({ left: 0, top: 0, right: 4, bottom: 4 });
  });

  it('keeps the box inside the original image where the ratio is not a whole number', () => {
    const labels = new Int32Array(49).fill(1);
    const map = { ...small, labels, height: 7, width: 7, imageHeight: 49, imageWidth: 49 };
    const sums = [{ label: 1, area: 49 * 49, score: 49 * 49 }];
    for (let size = 1; size < 200; size++) {
      const [{ box }] = regionsFromLabels({
        ...map,
        sums,
        originalHeight: size,
        originalWidth: size,
      });
      expect(box).toEqual({ left: 0, top: 0, right: size, bottom: size });
    }
  });

  it('simplifies contours to the tolerance', () => {
    const [region] = regionsFromLabels(withSettings({ tolerance: 1 }));
    expect(region.polygon.length).toBeLessThan(7);
    expect(region.polygon).toContainEqual([4, 3]);
  });

  it.each([
    ['a tolerance for rectangles', withSettings({ bbox: 'rect', tolerance: 1 })],
    ['a negative tolerance', withSettings({ tolerance: -1 })],
    ['a score above 1', withSettings({ minScore: 1.5 })],
    ['an area that is no number', withSettings({ minArea: Number.NaN })],
    ['a scale of 0', withSettings({ scale: 0 })],
    ['an unknown shape', withSettings({ bbox: 'circle' as 'rect' })],
    ['a map of another size', { ...small, height: 4 }],
    ['an image smaller than the map', { ...small, imageWidth: 2 }],
    ['an original without pixels', { ...small, originalWidth: 0 }],
    ['a sum without pixels', { ...small, sums: [{ label: 3, area: 4, score: 4 }] }],
  ])('refuses %s', (_, input) => {
    expect(() => regionsFromLabels(input)).toThrow(PanppError);
  });
});

function regionsOf({ det, height, width, expected }: DetectionCase, tolerance?: number) {
  const planes = planesOf(det, height, width);
  const aggregated = aggregateSequential({
    ...planes,
    minKernelArea: expected.min_kernel_area / expected.scale ** 2,
    mode: 'reference',
    distance: 3,
  });
  const [imageHeight, imageWidth] = expected.img_size;
  const [originalHeight, originalWidth] = expected.org_img_size;
  const regions = regionsFromLabels({
    labels: aggregated.labels,
    height,
    width,
    sums: sumLabelsSequential(aggregated, planes, imageHeight, imageWidth),
    imageHeight,
    imageWidth,
    originalHeight,
    originalWidth,
    settings: {
      minScore: expected.min_score,
      minArea: expected.min_area,
      scale: expected.scale,
      bbox: expected.bbox_type,
      tolerance,
    },
  });
  return { labels: aggregated.labels, regions };
}

describe("the reference's detection results", () => {
  const cases = readDetectionCases();

  it('are all there', () => {
    expect(cases).toHaveLength(18);
    expect(new Set(cases.map(({ expected }) => expected.bbox_type))).toEqual(
      new Set(['rect', 'poly']),
    );
  });

  it.each(cases)('case $id: labels, boxes to the pixel, scores', (reference) => {
    const { expected, label } = reference;
    const { labels, regions } = regionsOf(reference);
    expect(regions.map((region) => region.label)).toEqual(expected.instances);
    const kept = new Set(expected.instances);
    expect(labels.map((value) => (kept.has(value) ? value : 0))).toEqual(label);
    expect(regions.map(({ polygon }) => polygon.flat())).toEqual(expected.bboxes);
    regions.forEach(({ label, score, mapBox }, i) => {
      expect(Math.abs(score - expected.scores[i])).toBeLessThan(1e-5);
      expect([mapBox.top, mapBox.left, mapBox.bottom, mapBox.right]).toEqual(
        expected.bboxes_h[label],
      );
    });
  });

  it('need a fraction of the points at a tolerance', () => {
    const polygons = cases.filter(({ expected }) => expected.bbox_type === 'poly');
    const count = (tolerance?: number): number =>
      polygons
        .flatMap((reference) => regionsOf(reference, tolerance).regions)
        .flatMap(({ polygon }) => polygon).length;
    const full = count();
    expect(count(2)).toBeLessThan(0.6 * full);
    expect(count(8)).toBeLessThan(0.25 * full);
  });
});
