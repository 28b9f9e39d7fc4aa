// Converts IEEE 754 binary16 and bfloat16 to and from binary32 by their bit patterns. Typed-array
// views of the same bits keep NaN payloads and subnormals exact, and keep function calls out of the
// loops.

const HALF_INFINITY = 0x7c00;
const FLOAT_INFINITY = 0x7f800000;
/**
 * Bits of 65520, the smallest binary32 value that rounds (ties to even) past the largest binary16
 * value, 65504.
 */
const FIRST_OVERFLOW = 0x477ff000;
/** Bits of 2^-14, the smallest normal binary16 value. */
const SMALLEST_NORMAL = 0x38800000;

let halfTable: Uint32Array | undefined;

/** The binary32 bits of every binary16 pattern. */
function floatBitsOfHalves(): Uint32Array {
  if (halfTable) return halfTable;
  const table = new Uint32Array(1 << 16);
  for (let half = 0; half < 1 << 15; half += 1) {
    const exponent = half >>> 10;
    const fraction = half & 0x3ff;
    let bits: number;
    if (exponent === 31) bits = FLOAT_INFINITY | (fraction << 13);
    else if (exponent > 0) bits = ((exponent + 112) << 23) | (fraction << 13);
    else bits = subnormalBits(fraction);
    table[half] = bits;
    table[half | 0x8000] = bits | 0x80000000;
  }
  halfTable = table;
  return table;
}

/** Binary32 bits of fraction · 2^-24, which is normal in binary32. */
function subnormalBits(fraction: number): number {
  if (fraction === 0) return 0;
  const leading = 31 - Math.clz32(fraction);
  return ((leading + 103) << 23) | ((fraction << (23 - leading)) & 0x7fffff);
}

/** Widens binary16 patterns to floats, exactly. */
export function halfToFloat(halves: Uint16Array): Float32Array<ArrayBuffer> {
  const table = floatBitsOfHalves();
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i += 1) bits[i] = table[halves[i]];
  return new Float32Array(bits.buffer);
}

/** Widens bfloat16 patterns (the upper half of a binary32) to floats, exactly. */
export function bfloat16ToFloat(values: Uint16Array): Float32Array<ArrayBuffer> {
  const bits = new Uint32Array(values.length);
  for (let i = 0; i < values.length; i += 1) bits[i] = values[i] << 16;
  return new Float32Array(bits.buffer);
}

/**
 * Rounds floats to binary16 patterns, to nearest with ties to even. Infinities and NaN are
 * preserved. A finite value of magnitude 65520 or more becomes an infinity; `firstHalfOverflow`
 * finds such values beforehand.
 */
export function floatToHalf(floats: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(floats.buffer, floats.byteOffset, floats.length);
  const halves = new Uint16Array(floats.length);
  for (let i = 0; i < bits.length; i += 1) {
    const size = bits[i] & 0x7fffffff;
    let half: number;
    if (size > FLOAT_INFINITY) {
      half = 0x7e00 | ((size >>> 13) & 0x3ff); // a quiet NaN, even if the kept bits are all 0
    } else if (size >= FIRST_OVERFLOW) {
      half = HALF_INFINITY;
    } else if (size >= SMALLEST_NORMAL) {
      // Rebias the exponent by 112; adding half an ulp less one plus the odd bit rounds ties to
      // even.
      half = (size - 0x38000000 + 0xfff + ((size >>> 13) & 1)) >>> 13;
    } else if (size > 0x33000000) {
      half = roundedSubnormal(size);
    } else {
      half = 0; // at most half of the smallest subnormal: the tie goes to zero, which is even
    }
    halves[i] = ((bits[i] >>> 16) & 0x8000) | half;
  }
  return halves;
}

/** Binary16 fraction of a binary32 pattern between 2^-25 and 2^-14. */
function roundedSubnormal(size: number): number {
  const shift = 126 - (size >>> 23);
  const fraction = (size & 0x7fffff) | 0x800000;
  const half = fraction >>> shift;
  const rest = fraction & ((1 << shift) - 1);
  const tie = 1 << (shift - 1);
  return half + (rest > tie || (rest === tie && (half & 1) === 1) ? 1 : 0);
}

/**
 * Index of the first finite value that binary16 can't hold (magnitude 65520 or more); -1 if there
 * is none.
 */
export function firstHalfOverflow(floats: Float32Array): number {
  const bits = new Uint32Array(floats.buffer, floats.byteOffset, floats.length);
  for (let i = 0; i < bits.length; i += 1) {
    const size = bits[i] & 0x7fffffff;
    if (size >= FIRST_OVERFLOW && size < FLOAT_INFINITY) return i;
  }
  return -1;
}
