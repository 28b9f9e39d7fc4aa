// One body for every implementation: the GPU on each adapter, and the sequential twin.
import { describe, expect, it } from 'vitest';

import { aggregatePixels, aggregateWithSums } from '../../src/aggregation/aggregate.js';
import type { AggregationInput, AggregationMode, AggregationResult } from '../../src/aggregation/input.js';
import { aggregateSequential, sumLabelsSequential } from '../../src/aggregation/sequential.js';
import { readSafetensors } from '../../src/checkpoint/safetensors.js';
import { PanppError } from '../../src/errors.js';
import { describeOnGpus, gpus } from '../support/gpu.js';
import { referenceBytes } from '../support/reference.js';
import { randomValues } from '../support/run-layer.js';

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

type Aggregate = (input: AggregationInput) => AggregationResult | Promise<AggregationResult>;

const implementations: { name: string; run: Aggregate }[] = [
  { name: 'the sequential twin', run: aggregateSequential },
  ...gpus.map(({ name, gpu }) => ({ name, run: (input: AggregationInput) => aggregatePixels(gpu, input) })),
];

/** Instance vectors that are `value` in their first plane at one pixel and 0 elsewhere. */
function vectorAt(pixels: number, pixel: number, value: number): Float32Array {
  return new Float32Array(4 * pixels).fill(value, pixel, pixel + 1);
}

describe.each(implementations)('pixel aggregation by $name', ({ run }) => {
  const aggregate = async (rows: readonly string[], options: Partial<AggregationInput> = {}): Promise<string[]> =>
    labelRows(await run(draw(rows, options)), rows[0].length);

  it('grows kernels through their text, the earlier one first where they meet', async () => {
    expect(await aggregate(['o#ooo#o'])).toEqual(['1111222']);
    expect(await aggregate(['oo#', 'ooo', '#oo'])).toEqual(['111', '211', '221']);
  });

  it('numbers 4-connected kernels in raster order and leaves text without a kernel alone', async () => {
    expect(await aggregate(['..#', '##.', '...', 'ooo'])).toEqual(['001', '220', '000', '000']);
  });

  it('takes kernels inside text only, and a logit of 0 for outside', async () => {
    expect(await aggregate(['!#.'])).toEqual(['010']);
    expect(await aggregate(['ooo'], { kernel: Float32Array.of(0, 1, 0) })).toEqual(['111']);
    expect(await aggregate(['###'], { text: Float32Array.of(1, 0, 1) })).toEqual(['102']);
  });

  it('drops small kernels, keeps the numbers of the others and lets these grow over them', async () => {
    const input = draw(['#.##', 'oooo'], { minKernelArea: 2 });
    const result = await run(input);
    expect(labelRows(result, 4)).toEqual(['2022', '2222']);
    expect(result.kernelCount).toBe(2);
  });

  it('checks instance vectors in the mode `always`, where a distance equal to the bound passes', async () => {
    const vectors = (value: number): Partial<AggregationInput> => ({ embedding: vectorAt(5, 2, value) });
    expect(await aggregate(['#oooo'], { ...vectors(3.01), mode: 'always' })).toEqual(['11000']);
    expect(await aggregate(['#oooo'], { ...vectors(3), mode: 'always' })).toEqual(['11111']);
    expect(await aggregate(['#oooo'], { ...vectors(5), mode: 'always', distance: 6 })).toEqual(['11111']);
    expect(await aggregate(['#oooo'], { ...vectors(99), mode: 'reference' })).toEqual(['11111']);
  });

  it("measures from the mean over the kernel's pixels", async () => {
    const embedding = new Float32Array(4 * 4);
    embedding.set([2, 4, 5.5, 6.5]);
    expect(await aggregate(['##oo'], { embedding, mode: 'always' })).toEqual(['1110']);
  });

  it.each([
    ['at a ratio of 1024 in one text', 1024, 'oo#', 1],
    ['at a ratio above 1024 in one text', 1025, 'oo#', 0],
    ['at a ratio above 1024 in two texts', 1025, 'o.#', 1],
  ])('in the mode `reference`, %s: a kernel of %i pixels, then %s', async (_, area, rest, expected) => {
    const row = '#'.repeat(area) + rest;
    // The pixel beside the large kernel is far from both means: it stays without a label if they are looked at.
    const embedding = vectorAt(row.length, area, 50);
    expect((await run(draw([row], { embedding }))).labels[area]).toBe(expected);
  });

  it('finds nothing without kernels', async () => {
    expect(await run(draw(['ooo', '...']))).toEqual({ labels: new Int32Array(6), kernelCount: 0 });
  });

  it('refuses maps that do not fit the size', async () => {
    await expect(async () => run({ ...draw(['ooo']), height: 2 })).rejects.toThrow(PanppError);
    await expect(async () => run(draw(['ooo'], { embedding: new Float32Array(3) }))).rejects.toThrow(PanppError);
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
    async (reference) => {
      const { id } = reference;
      const masks = tensors.get(`${id}.kernels`)!;
      const [, height, width] = masks.shape;
      // The file holds masks; half below them are logits with the same sign.
      const logits = Float32Array.from(Int32Array.from(masks.data, Number), (mask) => mask - 0.5);
      const input: AggregationInput = {
        text: logits.subarray(0, height * width),
        kernel: logits.subarray(height * width),
        embedding: tensors.get(`${id}.emb`)!.data as Float32Array,
        height,
        width,
        minKernelArea: reference.min_area,
        mode,
        distance: reference.distance ?? 3,
      };
      const expected = Int32Array.from(tensors.get(`${id}.label`)!.data, Number);
      for (const { name, run } of implementations) expect((await run(input)).labels, name).toEqual(expected);
    },
  );
});

describeOnGpus('sums by label', (gpu) => {
  it.each([
    { height: 40, width: 56, image: { height: 160, width: 224 } },
    { height: 33, width: 47, image: { height: 100, width: 95 } },
  ])('equal the sequential twin at $image', async ({ height, width, image }) => {
    const noise = randomValues(6 * height * width, height);
    const pixels = height * width;
    const text = noise.subarray(0, pixels).map((value) => 4 * value + 2);
    const kernel = noise.subarray(pixels, 2 * pixels).map((value) => value - 0.8);
    const input: AggregationInput = {
      ...{ text, kernel, embedding: noise.subarray(2 * pixels), height, width },
      ...{ minKernelArea: 0, mode: 'reference', distance: 3 },
    };
    const actual = await aggregateWithSums(gpu, input, image);
    const expected = sumLabelsSequential(actual, input, image.height, image.width);
    expect(expected.length).toBeGreaterThan(50);
    expect(actual.sums.map(({ label, area }) => ({ label, area }))).toEqual(expected.map(({ label, area }) => ({ label, area })));
    actual.sums.forEach(({ score, area }, index) => expect(Math.abs(score - expected[index].score)).toBeLessThan(1e-6 * area));
  });

  it('come back for more labels than one read holds', async () => {
    // Single kernel pixels, none touching another: every second pixel of every second row.
    const [height, width] = [160, 240];
    const text = Float32Array.from({ length: height * width }, (_, at) => (at % 2 === 0 && Math.floor(at / width) % 2 === 0 ? 1 : -1));
    const input: AggregationInput = {
      ...{ text, kernel: text, embedding: new Float32Array(4 * height * width), height, width },
      ...{ minKernelArea: 0, mode: 'always', distance: 3 },
    };
    const { kernelCount, sums, labels } = await aggregateWithSums(gpu, input, { height, width });
    expect(kernelCount).toBe(9600);
    expect(sums).toHaveLength(9600);
    expect(sums.at(-1)).toMatchObject({ label: 9600, area: 1 });
    expect(labels).toEqual(aggregateSequential(input).labels);
  });
});
