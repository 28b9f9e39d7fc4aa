import { describe, expect, it } from 'vitest';
import { floatToHalf } from '../../src/half.js';
import { bindingOf, featureMap, rowsOf } from '../../src/layers/feature-map.js';
import { choosePrecision, readValues } from '../../src/layers/precision.js';

const profile = { adapter: 'Fast 1', f16: true, software: false };

describe('precision', () => {
  it('is f16 by itself only on hardware that has it', () => {
    expect(choosePrecision('auto', profile)).toBe('f16');
    expect(choosePrecision('auto', { ...profile, f16: false })).toBe('f32');
    expect(choosePrecision('auto', { ...profile, software: true })).toBe('f32');
  });

  it('is the one requested, if the device supports it', () => {
    expect(choosePrecision('f32', profile)).toBe('f32');
    expect(choosePrecision('f16', { ...profile, software: true })).toBe('f16');
    expect(() => choosePrecision('f16', { ...profile, f16: false })).toThrow(
      expect.objectContaining({
        code: 'adapter',
        message: expect.stringMatching(/^Fast 1 has no shader-f16.*take auto or f32/),
      }),
    );
    expect(() => choosePrecision('half' as 'f16', profile)).toThrow(
      expect.objectContaining({
        code: 'argument',
        message: 'precision is half; it must be f32, f16 or auto',
      }),
    );
    expect(() => choosePrecision('toString' as 'f16', profile)).toThrow('precision is toString');
  });

  it('halves a map’s bytes and those of its rows', () => {
    const [wide, narrow] = [featureMap('map', 6, 10, 64), featureMap('map', 6, 10, 64, 'f16')];
    expect([wide.slot.bytes, narrow.slot.bytes]).toEqual([15360, 7680]);
    expect(bindingOf(rowsOf(rowsOf(narrow, 1, 5), 1, 2)).range).toEqual({
      offset: 2 * 1280,
      bytes: 2 * 1280,
    });
  });

  it('reads values back', () => {
    expect([...readValues('f32', Float32Array.of(9, 1, 2, 9).buffer, 4, 2)]).toEqual([1, 2]);
    expect([
      ...readValues('f16', floatToHalf(Float32Array.of(9, 1, -2.5, 9)).buffer, 2, 2),
    ]).toEqual([1, -2.5]);
  });
});
