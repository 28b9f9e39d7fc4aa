// One body for every implementation: the GPU on each adapter, and the sequential twin.
import { describe, expect, it } from 'vitest';

import { aggregatePixels, aggregateWithSums } from '../../src/aggregation/aggregate.js';
import type {
  AggregationInput,
  AggregationMode,
  AggregationResult,
} from '../../src/aggregation/input.js';
import {
  countsBytes,
  largestSquare,
  planAggregation,
  sumBytes,
} from '../../src/aggregation/plan.js';
import { aggregateSequential, sumLabelsSequential } from '../../src/aggregation/sequential.js';
import { readSafetensors } from '../../src/checkpoint/safetensors.js';
import { PanppError } from '../../src/errors.js';
import { featureMap } from '../../src/layers/feature-map.js';
import { describeOnGpus, gpus } from '../support/gpu.js';
import { referenceBytes } from '../support/reference.js';
import { randomValues } from '../support/run-layer.js';

/**
 * Draws an input: `#` kernel inside text, `o` text, `.` nothing, `!` a kernel logit outside of
 * text.
 */
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

describe('the largest squared distance', () => {
  it.each([0, 1e-30, 0.1, 1, 2.9, Math.sqrt(2), 3, 6, 1234.5])(
    'has a root of at most %d, the next float32 a larger one',
    (distance) => {
      const float = new Float32Array([largestSquare(distance)]);
      expect(Math.fround(Math.sqrt(float[0]))).toBeLessThanOrEqual(distance);
      new Uint32Array(float.buffer)[0]++;
      expect(Math.fround(Math.sqrt(float[0]))).toBeGreaterThan(distance);
    },
  );

  it('is infinite for distances whose square is', () => {
    expect(largestSquare(Infinity)).toBe(Infinity);
    expect(largestSquare(1e30)).toBe(Infinity);
  });
});

type Aggregate = (input: AggregationInput) => AggregationResult | Promise<AggregationResult>;

/**
 * Both ways of growing kernels, which profiles choose by being software or not; every adapter must
 * do either right.
 */
const growths = [
  { way: 'queues', software: true },
  { way: 'levels', software: false },
] as const;

const growing: { name: string; run: Aggregate }[] = gpus.flatMap(({ name, gpu }) =>
  growths.map(({ way, software }) => ({
    name: `${name}, growing in ${way}`,
    run: async (input: AggregationInput) => {
      const { labels, kernelCount } = await aggregateWithSums(gpu, input, input, { software });
      return { labels, kernelCount };
    },
  })),
);

const implementations: { name: string; run: Aggregate }[] = [
  { name: 'the sequential twin', run: aggregateSequential },
  ...gpus.map(({ name, gpu }) => ({
    name,
    run: (input: AggregationInput) => aggregatePixels(gpu, input),
  })),
  ...growing,
];

/** Instance vectors that are `value` in their first plane at one pixel and 0 elsewhere. */
function vectorAt(pixels: number, pixel: number, value: number): Float32Array {
  return new Float32Array(4 * pixels).fill(value, pixel, pixel + 1);
}

describe.each(implementations)('pixel aggregation by $name', ({ run }) => {
  const aggregate = async (
    rows: readonly string[],
    options: Partial<AggregationInput> = {},
  ): Promise<string[]> => labelRows(await run(draw(rows, options)), rows[0].length);

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
    const vectors = (value: number): Partial<AggregationInput> => ({
      embedding: vectorAt(5, 2, value),
    });
    expect(await aggregate(['#oooo'], { ...vectors(3.01), mode: 'always' })).toEqual(['11000']);
    expect(await aggregate(['#oooo'], { ...vectors(3), mode: 'always' })).toEqual(['11111']);
    expect(await aggregate(['#oooo'], { ...vectors(5), mode: 'always', distance: 6 })).toEqual([
      '11111',
    ]);
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
  ])(
    'in the mode `reference`, %s: a kernel of %i pixels, then %s',
    async (_, area, rest, expected) => {
      const row = '#'.repeat(area) + rest;
      // The pixel beside the large kernel is far from both means: it stays without a label if they
      // are looked at.
      const embedding = vectorAt(row.length, area, 50);
      expect((await run(draw([row], { embedding }))).labels[area]).toBe(expected);
    },
  );

  it('finds nothing without kernels', async () => {
    expect(await run(draw(['ooo', '...']))).toEqual({ labels: new Int32Array(6), kernelCount: 0 });
  });

  it('refuses invalid values, and accepts infinite logits', async () => {
    const text = (...values: number[]) => ({ ...draw(['#oo']), text: Float32Array.from(values) });
    expect((await run(text(Infinity, 1, -Infinity))).labels).toEqual(Int32Array.of(1, 1, 0));
    await expect(async () => run(text(1, 1, NaN))).rejects.toThrow(
      'NaN, or an infinite or too large instance vector, at row 0, column 2',
    );
    const embedding = (at: number) =>
      draw(['#oo.'], {
        embedding: new Float32Array(16).map((_, index) => (index === at ? Infinity : 0)),
      });
    await expect(async () => run(embedding(5))).rejects.toThrow('row 0, column 1');
    expect((await run(embedding(7))).kernelCount).toBe(1);
    // Found by fuzzing: a sum of the GPU's overflowed, and pixels lost their labels.
    const large = (value: number) =>
      draw(['##o'], { embedding: vectorAt(3, 1, value), mode: 'always', distance: 1e9 });
    await expect(async () => run(large(-(2 ** 31)))).rejects.toThrow(
      'too large instance vector, at row 0, column 1',
    );
    expect((await run(large(7e8))).labels).toEqual(Int32Array.of(1, 1, 1));
    for (const wrong of [
      { distance: '3' },
      { distance: NaN },
      { mode: 'all' },
      { minKernelArea: NaN },
    ]) {
      await expect(async () =>
        run({ ...draw(['#oo']), ...(wrong as object) }),
      ).rejects.toMatchObject({ code: 'argument' });
    }
  });

  it('refuses maps that do not fit the size', async () => {
    await expect(async () => run({ ...draw(['ooo']), height: 2 })).rejects.toThrow(PanppError);
    await expect(async () =>
      run(draw(['ooo'], { embedding: new Float32Array(3) })),
    ).rejects.toThrow(PanppError);
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
    expect(
      sumLabelsSequential(aggregateSequential(input), input, 1, 4).map(({ label }) => label),
    ).toEqual([2]);
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
      expect(aggregateSequential(input).labels).toEqual(expected);
      for (const { name, run } of growing)
        expect((await run(input)).labels, name).toEqual(expected);
    },
  );
});

/** Blotches of text with kernels in them, of all shapes and sizes. */
function blotches(
  height: number,
  width: number,
  options: Partial<AggregationInput> = {},
): AggregationInput {
  const pixels = height * width;
  const noise = randomValues(6 * pixels, pixels);
  const text = noise.subarray(0, pixels).map((value) => value + 0.3);
  const kernel = noise.subarray(pixels, 2 * pixels).map((value) => value - 0.4);
  return {
    text,
    kernel,
    embedding: noise.subarray(2 * pixels),
    height,
    width,
    minKernelArea: 0,
    mode: 'reference',
    distance: 3,
    ...options,
  };
}

describe.each(growing)('noise of every width by $name', ({ run }) => {
  // A mask's words hold 32 pixels of a row.
  it.each([
    [1, 1],
    [1, 97],
    [97, 1],
    [41, 31],
    [40, 32],
    [39, 33],
    [38, 63],
    [37, 64],
    [36, 65],
    [70, 200],
  ])('gives the sequential twin’s labels at %i × %i', async (height, width) => {
    for (const options of [{}, { minKernelArea: 2 }, { mode: 'always', distance: 1 }] as const) {
      const input = blotches(height, width, options);
      expect(await run(input)).toEqual(aggregateSequential(input));
    }
  });

  it('joins text that winds through all of the map', async () => {
    // Rows of text, joined at their ends in turn: 63 rows deep, and every second row crosses all
    // words.
    const [height, width] = [63, 130];
    const isText = (x: number, y: number) => y % 2 === 0 || x === (y % 4 === 1 ? width - 1 : 0);
    const at = (pixel: number) => [pixel % width, Math.floor(pixel / width)] as const;
    const text = Float32Array.from({ length: height * width }, (_, pixel) =>
      isText(...at(pixel)) ? 1 : -1,
    );
    const kernel = new Float32Array(text.length)
      .fill(-1)
      .fill(1, 0, 3)
      .fill(1, text.length - 3);
    const input: AggregationInput = { ...blotches(height, width), text, kernel };
    const result = await run(input);
    expect(result).toEqual(aggregateSequential(input));
    expect(new Set(result.labels)).toEqual(new Set([0, 1, 2]));
  });
});

describe('planAggregation', () => {
  const plan = (height: number, width: number, software: boolean) =>
    planAggregation(
      featureMap('map', height, width, 8),
      { height: 4 * height, width: 4 * width },
      { software },
    );

  it('has as many kernels for every size', () => {
    for (const { software } of growths) {
      expect(plan(1, 1, software).dispatches).toHaveLength(9);
      expect(plan(640, 640, software).dispatches).toHaveLength(9);
    }
  });

  it('has kernels that any WebGPU device takes', () => {
    for (const { software } of growths) {
      for (const { label, bindings } of plan(184, 328, software).dispatches) {
        expect(
          bindings.filter(({ access }) => access !== 'uniform').length,
          label,
        ).toBeLessThanOrEqual(8);
      }
    }
  });

  it('has space for the worst case, a chequerboard of kernels', () => {
    const { listed, sums } = plan(7, 9, true);
    expect(listed.bytes).toBe(countsBytes() + 32 * 8);
    expect(sums.bytes).toBe(33 * sumBytes());
  });
});

describeOnGpus('sums by label', (gpu) => {
  it('are right where a row times the image’s height is over 2³²', async () => {
    const [height, first, last] = [35000, 30670, 30690];
    const values = new Float32Array(height).fill(-9).fill(9, first, last);
    const input: AggregationInput = {
      text: values,
      kernel: values,
      embedding: new Float32Array(4 * height),
      height,
      width: 1,
      minKernelArea: 0,
      mode: 'reference',
      distance: 3,
    };
    const { sums } = await aggregateWithSums(gpu, input, { height: 4 * height, width: 4 });
    expect(sums).toMatchObject([{ label: 1, area: 16 * (last - first) }]);
  });

  it('are refused for a side that is too long and no whole fraction of the image’s', () => {
    const plan = (height: number) =>
      planAggregation(featureMap('map', 70000, 1, 8), { height, width: 1 }, { software: true });
    expect(() => plan(140000)).not.toThrow();
    expect(() => plan(140001)).toThrow(
      expect.objectContaining({
        code: 'argument',
        message: expect.stringContaining('a side over 65535 must be a whole fraction'),
      }),
    );
  });

  it('leave out text that no kernel takes', async () => {
    const embedding = vectorAt(5, 2, 9);
    for (const { software } of growths) {
      const { sums } = await aggregateWithSums(
        gpu,
        draw(['#oooo'], { embedding, mode: 'always' }),
        { height: 2, width: 10 },
        { software },
      );
      expect(sums).toMatchObject([{ label: 1, area: 8 }]);
    }
  });

  it.each([
    { height: 40, width: 56, image: { height: 160, width: 224 } },
    { height: 33, width: 47, image: { height: 100, width: 95 } },
    { height: 33, width: 47, image: { height: 47, width: 120 } },
  ])('equal the sequential twin at $image', async ({ height, width, image }) => {
    const noise = randomValues(6 * height * width, height);
    const pixels = height * width;
    const text = noise.subarray(0, pixels).map((value) => 4 * value + 2);
    const kernel = noise.subarray(pixels, 2 * pixels).map((value) => value - 0.8);
    const input: AggregationInput = {
      text,
      kernel,
      embedding: noise.subarray(2 * pixels),
      height,
      width,
      minKernelArea: 0,
      mode: 'reference',
      distance: 3,
    };
    const actual = await aggregateWithSums(gpu, input, image);
    const expected = sumLabelsSequential(actual, input, image.height, image.width);
    expect(expected.length).toBeGreaterThan(50);
    expect(actual.sums.map(({ label, area }) => ({ label, area }))).toEqual(
      expected.map(({ label, area }) => ({ label, area })),
    );
    actual.sums.forEach(({ score, area }, index) =>
      expect(Math.abs(score - expected[index].score)).toBeLessThan(1e-6 * area),
    );
  });

  it('come back for more labels than one read holds', async () => {
    // Single kernel pixels, none touching another: every second pixel of every second row.
    const [height, width] = [160, 240];
    const text = Float32Array.from({ length: height * width }, (_, at) =>
      at % 2 === 0 && Math.floor(at / width) % 2 === 0 ? 1 : -1,
    );
    const input: AggregationInput = {
      text,
      kernel: text,
      embedding: new Float32Array(4 * height * width),
      height,
      width,
      minKernelArea: 0,
      mode: 'always',
      distance: 3,
    };
    const { kernelCount, sums, labels } = await aggregateWithSums(gpu, input, { height, width });
    expect(kernelCount).toBe(9600);
    expect(sums).toHaveLength(9600);
    expect(sums.at(-1)).toMatchObject({ label: 9600, area: 1 });
    expect(labels).toEqual(aggregateSequential(input).labels);
  });
});
