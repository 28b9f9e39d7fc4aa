import { describe, expect, it } from 'vitest';

import { aggregateSequential, sumLabelsSequential } from '../../src/aggregation/sequential.js';
import type { AggregationInput, AggregationMode } from '../../src/aggregation/types.js';
import { readSafetensors } from '../../src/checkpoint/safetensors.js';
import { PanppError } from '../../src/errors.js';
import { referenceBytes } from '../support/reference.js';

/** Draws an input: `#` kernel inside text, `o` text, `.` nothing, `!` a kernel logit outside of text. */
function draw(rows: readonly string[], options: Partial<AggregationInput> = {}): AggregationInput {
  const marks = [...rows.join('')];
  return {
    text: Float32Array.from(marks, (mark) => ('#o'.includes(mark) ? 2 : -2)),
    kernel: Float32Array.from(marks, (mark) => ('#!'.includes(mark) ? 2 : -2)),
    embedding: new Float32Array(4 * marks.length),
    height: rows.length,
    width: rows[0].length,
    minKernelArea: 0,
    mode: 'reference',
    distance: 3,
    ...options,
  };
}

function labelRows({ labels }: { labels: Int32Array }, width: number): string[] {
  return labels.join('').match(new RegExp(`.{${width}}`, 'g'))!;
}

function aggregate(rows: readonly string[], options: Partial<AggregationInput> = {}): string[] {
  return labelRows(aggregateSequential(draw(rows, options)), rows[0].length);
}

/** Instance vectors that are `value` in their first plane at one pixel and 0 elsewhere. */
function vectorAt(pixels: number, pixel: number, value: number): Float32Array {
  return new Float32Array(4 * pixels).fill(value, pixel, pixel + 1);
}

describe('aggregateSequential', () => {
  it('grows kernels through their text, the earlier one first where they meet', () => {
    expect(aggregate(['o#ooo#o'])).toEqual(['1111222']);
    expect(aggregate(['oo#', 'ooo', '#oo'])).toEqual(['111', '211', '221']);
  });

  it('numbers 4-connected kernels in raster order and leaves text without a kernel alone', () => {
    expect(aggregate(['..#', '##.', '...', 'ooo'])).toEqual(['001', '220', '000', '000']);
  });

  it('takes kernels inside text only, and a logit of 0 for outside', () => {
    expect(aggregate(['!#.'])).toEqual(['010']);
    expect(aggregate(['ooo'], { kernel: Float32Array.of(0, 1, 0) })).toEqual(['111']);
    expect(aggregate(['###'], { text: Float32Array.of(1, 0, 1) })).toEqual(['102']);
  });

  it('drops small kernels, keeps the numbers of the others and lets these grow over them', () => {
    const input = draw(['#.##', 'oooo'], { minKernelArea: 2 });
    const result = aggregateSequential(input);
    expect(labelRows(result, 4)).toEqual(['2022', '2222']);
    expect(result.kernelCount).toBe(2);
  });

  it('checks instance vectors in the mode `always`, where a distance equal to the bound passes', () => {
    const vectors = (value: number): Partial<AggregationInput> => ({ embedding: vectorAt(5, 2, value) });
    expect(aggregate(['#oooo'], { ...vectors(3.01), mode: 'always' })).toEqual(['11000']);
    expect(aggregate(['#oooo'], { ...vectors(3), mode: 'always' })).toEqual(['11111']);
    expect(aggregate(['#oooo'], { ...vectors(5), mode: 'always', distance: 6 })).toEqual(['11111']);
    expect(aggregate(['#oooo'], { ...vectors(99), mode: 'reference' })).toEqual(['11111']);
  });

  it("measures from the mean over the kernel's pixels", () => {
    const embedding = new Float32Array(4 * 4);
    embedding.set([2, 4, 5.5, 6.5]);
    expect(aggregate(['##oo'], { embedding, mode: 'always' })).toEqual(['1110']);
  });

  it.each([
    ['at a ratio of 1024 in one text', 1024, 'oo#', 1],
    ['at a ratio above 1024 in one text', 1025, 'oo#', 0],
    ['at a ratio above 1024 in two texts', 1025, 'o.#', 1],
  ])('in the mode `reference`, %s: a kernel of %i pixels, then %s', (_, area, rest, expected) => {
    const row = '#'.repeat(area) + rest;
    // The pixel beside the large kernel is far from both means: it stays without a label if they are looked at.
    const embedding = vectorAt(row.length, area, 50);
    expect(aggregateSequential(draw([row], { embedding })).labels[area]).toBe(expected);
  });

  it('finds nothing without kernels', () => {
    expect(aggregateSequential(draw(['ooo', '...']))).toEqual({ labels: new Int32Array(6), kernelCount: 0 });
  });

  it('refuses maps that do not fit the size', () => {
    expect(() => aggregateSequential({ ...draw(['ooo']), height: 2 })).toThrow(PanppError);
    expect(() => aggregateSequential(draw(['ooo'], { embedding: new Float32Array(3) }))).toThrow(PanppError);
  });
});

describe('sumLabelsSequential', () => {
  it('counts pixels and text probability at the size of the resized image', () => {
    const input = draw(['#oo.#'], { text: Float32Array.of(0.5, Math.log(3), 40, -1, 40) });
    const result = aggregateSequential(input);
    const [first, second] = sumLabelsSequential(result, input, 2, 10);
    expect(first.area).toBe(12);
    expect(first.score).toBeCloseTo(4 * (1 / (1 + Math.exp(-0.5)) + 0.75 + 1), 6);
    expect(second).toEqual({ label: 2, area: 4, score: 4 });
  });

  it('leaves out dropped kernels', () => {
    const input = draw(['#.##'], { minKernelArea: 2 });
    expect(sumLabelsSequential(aggregateSequential(input), input, 1, 4).map(({ label }) => label)).toEqual([2]);
  });
});

interface AggregationCase {
  readonly kind: string;
  readonly min_area: number;
  readonly distance?: number;
}

describe.each<[AggregationMode, string, number]>([
  ['reference', 'pixel_aggregation.safetensors', 96],
  ['always', 'pixel_aggregation_always.safetensors', 32],
])("the reference's label maps, mode %s", (mode, file, count) => {
  const { tensors, metadata } = readSafetensors(referenceBytes(file));
  const cases = JSON.parse(metadata.cases) as AggregationCase[];

  it('are all there', () => {
    expect(cases).toHaveLength(count);
  });

  it.each(cases.map((reference, i) => ({ ...reference, id: String(i).padStart(3, '0') })))(
    'case $id ($kind)',
    (reference) => {
      const { id } = reference;
      const masks = tensors.get(`${id}.kernels`)!;
      const [, height, width] = masks.shape;
      // The file holds masks; half below them are logits with the same sign.
      const logits = Float32Array.from(Int32Array.from(masks.data, Number), (mask) => mask - 0.5);
      const { labels } = aggregateSequential({
        text: logits.subarray(0, height * width),
        kernel: logits.subarray(height * width),
        embedding: tensors.get(`${id}.emb`)!.data as Float32Array,
        height,
        width,
        minKernelArea: reference.min_area,
        mode,
        distance: reference.distance ?? 3,
      });
      expect(labels).toEqual(Int32Array.from(tensors.get(`${id}.label`)!.data, Number));
    },
  );
});
