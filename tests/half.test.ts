import { describe, expect, it } from 'vitest';
import { bfloat16ToFloat, firstHalfOverflow, floatToHalf, halfToFloat } from '../src/half.js';

/** The value of a binary16 pattern by its definition. */
function valueOf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 0x3ff;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0
    ? sign * fraction * 2 ** -24
    : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The binary32 number `steps` away from a positive one. */
function nextFloat(value: number, steps: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer);
  bits[0] += steps;
  return new Float32Array(bits.buffer)[0];
}

describe('halfToFloat', () => {
  it('widens known patterns', () => {
    const halves = Uint16Array.of(
      0x0000,
      0x8000,
      0x3c00,
      0xc000,
      0x7bff,
      0x0400,
      0x0001,
      0x03ff,
      0x7c00,
      0xfc00,
      0x3555,
    );
    expect([...halfToFloat(halves)]).toEqual([
      0,
      -0,
      1,
      -2,
      65504,
      2 ** -14,
      2 ** -24,
      1023 * 2 ** -24,
      Infinity,
      -Infinity,
      0.333251953125,
    ]);
  });

  it('widens all 65536 patterns exactly', () => {
    const halves = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const floats = halfToFloat(halves);
    const wrong = [...halves].filter((half) => !Object.is(floats[half], valueOf(half)));
    expect(wrong).toEqual([]);
  });
});

describe('floatToHalf', () => {
  it('rounds known values to nearest, ties to even', () => {
    const floats = Float32Array.of(
      0,
      -0,
      1,
      -2,
      65504,
      1 + 2 ** -11,
      1 + 3 * 2 ** -11,
      1 / 3,
      65519.996,
      2 ** -25,
      3 * 2 ** -26,
    );
    const expected = [0, 0x8000, 0x3c00, 0xc000, 0x7bff, 0x3c00, 0x3c02, 0x3555, 0x7bff, 0, 1];
    expect([...floatToHalf(floats)]).toEqual(expected);
  });

  it('gives back every pattern that is a number, and a NaN for a NaN', () => {
    const halves = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const back = floatToHalf(halfToFloat(halves));
    const isWrong = (half: number) =>
      Number.isNaN(valueOf(half))
        ? !Number.isNaN(valueOf(back[half])) || (back[half] ^ half) & 0x8000
        : back[half] !== half;
    expect([...halves].filter(isWrong)).toEqual([]);
  });

  it('keeps a NaN whose payload lies in the lost bits', () => {
    const signalling = new Float32Array(Uint32Array.of(0x7f800001, 0xff800001).buffer);
    expect([...floatToHalf(signalling)]).toEqual([0x7e00, 0xfe00]);
  });

  it('splits every gap between neighbours at its middle', () => {
    const wrong: number[] = [];
    for (let half = 0; half < 0x7bff; half += 1) {
      const middle = (valueOf(half) + valueOf(half + 1)) / 2; // 12 significant bits: exact in binary32
      const around = Float32Array.of(nextFloat(middle, -1), middle, nextFloat(middle, 1), -middle);
      const even = half + (half & 1);
      const [below, tie, above, negative] = floatToHalf(around);
      if (below !== half || tie !== even || above !== half + 1 || negative !== (even | 0x8000))
        wrong.push(half);
    }
    expect(wrong).toEqual([]);
  });

  it('reads a view that begins inside a buffer', () => {
    expect([...floatToHalf(Float32Array.of(9, 1, 2).subarray(1))]).toEqual([0x3c00, 0x4000]);
  });
});

describe('firstHalfOverflow', () => {
  it('finds the first finite value of 65520 or more', () => {
    expect(firstHalfOverflow(Float32Array.of(1, Infinity, NaN, 65519.996, -65519.996))).toBe(-1);
    expect(firstHalfOverflow(Float32Array.of(1, Infinity, 65520, 1e9))).toBe(2);
    expect(firstHalfOverflow(Float32Array.of(-3e38))).toBe(0);
    expect([...floatToHalf(Float32Array.of(65520, -1e9, -Infinity))]).toEqual([
      0x7c00, 0xfc00, 0xfc00,
    ]);
  });
});

describe('bfloat16ToFloat', () => {
  it('widens known patterns', () => {
    const values = bfloat16ToFloat(
      Uint16Array.of(0, 0x8000, 0x3f80, 0xc040, 0x7f80, 0xff80, 0x7fc0, 0x0001),
    );
    expect([...values]).toEqual([0, -0, 1, -3, Infinity, -Infinity, NaN, 2 ** -133]);
  });
});
