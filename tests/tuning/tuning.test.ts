import { describe, expect, it } from 'vitest';
import { type ConvShape, shapeKey } from '../../src/layers/conv/shape.js';
import { candidateTiles, defaultTile } from '../../src/layers/conv/tiles/kinds.js';
import { sameTile } from '../../src/layers/conv/tiles/tile.js';
import { largestDifference } from '../../src/tuning/runner.js';
import {
  asTuning,
  mergedTuning,
  shaderHash,
  tunedChoices,
  tunedSources,
  tuningOf,
  tuningState,
} from '../../src/tuning/tuning.js';
import { minifyWgsl } from '../../src/wgsl/minify.js';

const profile = {
  adapter: 'Some GPU',
  vendor: 'some',
  architecture: 'one',
  software: false,
  maxWorkgroupBytes: 16384,
};
const tensorCores = { M: 16, N: 16, K: 16, subgroup: 32, pinned: false };
const shape: ConvShape = {
  kernel: 1,
  stride: 1,
  inChannels: 64,
  outChannels: 128,
  batches: 36,
  sizes: [1, 1600, 1, 1600],
  types: { input: 'f32', weight: 'f32', output: 'f32' },
};
const key = shapeKey(shape);
const other = candidateTiles(shape, profile).find(
  (tile) => !sameTile(tile, defaultTile(shape, profile)),
)!;
const tuning = tuningOf(profile, { [key]: { tile: other, best: 1, baseline: 2 } });

describe('a tuning', () => {
  it('is used on its adapter with its shaders only', () => {
    expect(tuningState(undefined, profile)).toBe('none');
    expect(tuningState(tuning, profile)).toBe('used');
    expect(tuningState(tuning, { ...profile, adapter: 'Some GPU 2' })).toBe('other-adapter');
    expect(tuningState(tuning, { ...profile, architecture: 'two' })).toBe('other-adapter');
    expect(tuningState({ ...tuning, shaders: '00000000' }, profile)).toBe('other-shaders');
  });

  it('survives JSON', () => {
    expect(asTuning(JSON.parse(JSON.stringify(tuning)))).toEqual(tuning);
  });

  it('gives its tiles to shapes of its keys, the default ones to others', () => {
    const tiles = tunedChoices(tuning, profile).tile;
    expect(tiles(shape)).toEqual(other);
    expect(tiles({ ...shape, sizes: [1, 1100, 1, 1100] })).toEqual(other);
    for (const unknown of [
      { ...shape, sizes: [1, 1000, 1, 1000] as const },
      { ...shape, batches: 1 },
    ]) {
      expect(tiles(unknown)).toEqual(defaultTile(unknown, profile));
    }
  });

  it('gives the default tile where its own does not suit the shape or the device', () => {
    const standard = defaultTile(shape, profile);
    const odd = [
      { ...other, lanes: 999 },
      { ...other, kind: '__proto__' },
      { kind: 'plain' },
      // Displayed like a tile, but not the same data.
      { ...other, pixels: String(other.pixels) },
      candidateTiles(shape, { ...profile, subgroupSize: 8 }).find(
        ({ kind }) => kind === 'subgroup8',
      )!,
    ];
    for (const tile of odd) {
      const tampered = asTuning({ ...tuning, shapes: { [key]: { tile, best: 1, baseline: 2 } } });
      expect(tunedChoices(tampered, profile).tile(shape)).toEqual(standard);
    }
  });

  const conv = { kernel: 3, stride: 1, inChannels: 64, outChannels: 64, precision: 'f32' } as const;
  const classes = { '3x3/1 64>64 f32': { method: 'direct', best: 1, baseline: 2 } } as const;

  it('gives its methods to classes of its keys, the default ones to others', () => {
    const { method } = tunedChoices(
      asTuning(JSON.parse(JSON.stringify(tuningOf(profile, {}, classes)))),
      profile,
    );
    expect(method(conv)).toBe('direct');
    for (const change of [{ outChannels: 128 }, { precision: 'f16' as const }])
      expect(method({ ...conv, ...change })).toBe('winograd');
    expect(method({ ...conv, stride: 2 })).toBe('direct');
  });

  it('keeps methods with subgroup matrices apart from those without', () => {
    const matrices = { ...profile, subgroupMatrix: tensorCores };
    const half = { ...conv, precision: 'f16' as const };
    const { methods } = tuningOf(
      profile,
      {},
      { '3x3/1 64>64 f16 matrix': classes['3x3/1 64>64 f32'] },
    );
    expect(tunedChoices({ shapes: {}, methods }, matrices).method(half)).toBe('direct');
    expect(tunedChoices({ shapes: {}, methods }, profile).method(half)).toBe('winograd');
  });

  it('gives the default method where its own does not suit the class or the device', () => {
    const { shapes } = tuning;
    expect(
      tunedChoices({ shapes, methods: classes }, { ...profile, software: true }).method(conv),
    ).toBe('winograd');
    const oneByOne = { '1x1/1 64>64 f32': { method: 'winograd', best: 1, baseline: 2 } } as const;
    expect(
      tunedChoices({ shapes, methods: oneByOne }, profile).method({ ...conv, kernel: 1 }),
    ).toBe('direct');
    const odd = asTuning({
      ...tuning,
      methods: { '3x3/1 64>64 f32': { method: ['direct'], best: 1, baseline: 2 } },
    });
    expect(tunedChoices(odd, profile).method(conv)).toBe('winograd');
  });

  it('may have no methods', () => {
    const { methods, ...older } = tuning;
    expect(methods).toEqual({});
    expect(tunedChoices(asTuning(older), profile).method(conv)).toBe('winograd');
    expect(mergedTuning(asTuning(older), tuning)).toEqual(tuning);
  });

  it('is merged with a later one, whose classes replace its own', () => {
    const stays = { best: 3, baseline: 3 };
    const earlier = { ...tuning, methods: { ...classes, more: stays } };
    const later = { ...tuning, methods: { '3x3/1 64>64 f32': stays } };
    expect(mergedTuning(earlier, later).methods).toEqual({ '3x3/1 64>64 f32': stays, more: stays });
    expect(mergedTuning(earlier, tuning).methods).toEqual(earlier.methods);
  });

  it('is merged with a later one, whose shapes replace its own', () => {
    const later = tuningOf(profile, { [key]: { best: 2, baseline: 2 } });
    const earlier = { ...tuning, shapes: { ...tuning.shapes, more: { best: 1, baseline: 1 } } };
    expect(mergedTuning(earlier, later).shapes).toEqual({
      more: { best: 1, baseline: 1 },
      [key]: { best: 2, baseline: 2 },
    });
    expect(mergedTuning({ ...earlier, shaders: 'old' }, later)).toEqual(later);
    expect(mergedTuning(undefined, later)).toEqual(later);
  });

  it('has a shader hash that ignores comments and spaces and depends on all else', () => {
    expect(
      shaderHash(tunedSources.map(({ name, text }) => ({ name, text: minifyWgsl(text) }))),
    ).toBe(shaderHash());
    for (const changed of ['fma(', 'let narrow =', 'let wideSum =']) {
      const others = tunedSources.map(({ name, text }) => ({
        name,
        text: text.replace(changed, '0;' + changed),
      }));
      expect(others).not.toEqual(tunedSources);
      expect(shaderHash(others)).not.toBe(shaderHash());
    }
    // FNV-1a's published value.
    expect(shaderHash([{ name: 'test', text: 'foobar' }])).toBe('bf9cf968');
  });

  it.each([
    [undefined, /it is not an object/],
    [[], /it is not an object/],
    [{}, /its format is not 1/],
    [{ ...tuning, format: 2 }, /its format is not 1/],
    [{ ...tuning, adapter: 3 }, /its adapter is not a string/],
    [{ ...tuning, shapes: [] }, /its shapes are missing/],
    [{ ...tuning, shapes: { a: null } }, /its entry for a is incomplete or invalid/],
    [{ ...tuning, shapes: { a: { best: 1 } } }, /its entry for a is incomplete or invalid/],
    [
      { ...tuning, shapes: { a: { best: 1, baseline: 1, tile: 'plain' } } },
      /its entry for a is incomplete or invalid/,
    ],
    [
      { ...tuning, shapes: { a: { best: 1, baseline: 1, faults: [1] } } },
      /its entry for a is incomplete or invalid/,
    ],
    [{ ...tuning, methods: [] }, /its methods are not an object/],
    [{ ...tuning, methods: { a: { baseline: 1 } } }, /its entry for a is incomplete or invalid/],
  ])('is refused if it is malformed: %j', (value, message) => {
    expect(() => asTuning(value, 'x.json')).toThrow(message);
    expect(() => asTuning(value, 'x.json')).toThrow(
      expect.objectContaining({
        code: 'argument',
        message: expect.stringMatching(/^x\.json is not a tuning: /) as string,
      }),
    );
  });
});

describe('the largest difference', () => {
  const values = (...all: number[]) => Float32Array.from(all);
  it('is a fraction of the largest value', () => {
    expect(largestDifference(values(1, -4), values(1, -4))).toBe(0);
    expect(largestDifference(values(1, -3), values(1, -4))).toBe(0.25);
    expect(largestDifference(values(0, 0), values(0, 0))).toBe(0);
  });

  it('is NaN or infinite if a value is', () => {
    expect(largestDifference(values(NaN, 1), values(1, 1))).toBeNaN();
    expect(largestDifference(values(1, NaN), values(1, 1))).toBeNaN();
    expect(largestDifference(values(1, Infinity), values(1, 1))).toBe(Infinity);
  });
});
