import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

import { horizontalTaps, verticalTaps } from '../../src/images/resize-taps.js';
import { bundledPath } from '../support/reference.js';
import { resizeReference } from '../support/resize-twin.js';

const plain = (taps: ReturnType<typeof horizontalTaps>) =>
  Object.fromEntries(Object.entries(taps).map(([name, values]) => [name, [...values]]));

describe('taps', () => {
  it('doubling two pixels: centres at −0.25, 0.25, 0.75, 1.25', () => {
    expect(plain(horizontalTaps(2, 4))).toEqual({
      index0: [0, 0, 0, 1],
      index1: [0, 1, 1, 1],
      weight0: [2048, 1536, 512, 2048],
      weight1: [0, 512, 1536, 0],
    });
    expect(plain(verticalTaps(2, 4))).toEqual({
      index0: [0, 0, 0, 1],
      index1: [0, 1, 1, 1],
      weight0: [512, 1536, 512, 1536],
      weight1: [1536, 512, 1536, 512],
    });
  });

  it('halving four pixels: centres at 0.5 and 2.5', () => {
    const halves = { index0: [0, 2], index1: [1, 3], weight0: [1024, 1024], weight1: [1024, 1024] };
    expect(plain(horizontalTaps(4, 2))).toEqual(halves);
    expect(plain(verticalTaps(4, 2))).toEqual(halves);
  });

  it('the same size copies', () => {
    const copy = { index0: [0, 1, 2], weight0: [2048, 2048, 2048], weight1: [0, 0, 0] };
    expect(plain(horizontalTaps(3, 3))).toMatchObject(copy);
    expect(plain(verticalTaps(3, 3))).toMatchObject(copy);
  });

  it('stay inside the source and add up to one within a rounding step', () => {
    for (const taps of [horizontalTaps, verticalTaps]) {
      for (const [from, to] of [
        [1, 7],
        [7, 1],
        [3, 1000],
        [1000, 3],
        [4999, 736],
        [10000, 1312],
      ]) {
        const { index0, index1, weight0, weight1 } = taps(from, to);
        for (let i = 0; i < to; i++) {
          expect(index0[i]).toBeLessThanOrEqual(index1[i]);
          expect(index1[i]).toBeLessThan(from);
          expect(Math.abs(weight0[i] + weight1[i] - 2048)).toBeLessThanOrEqual(1);
        }
      }
    }
  });
});

/** The noise that tests/data/images/README.md describes. */
function noise(length: number, caseIndex: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => {
    const x = Math.imul(i + caseIndex, 0x9e3779b1);
    const byte = Math.imul(x ^ (x >>> 15), 0x85ebca6b) >>> 24;
    if (caseIndex % 2 === 0) return byte;
    return byte > 127 ? 255 : 0;
  });
}

describe('resizing with them', () => {
  it("gives OpenCV's bytes for 240 pairs of sizes", () => {
    type Case = [height: number, width: number, newHeight: number, newWidth: number, hash: string];
    const cases = JSON.parse(
      readFileSync(bundledPath('images/opencv-resize.json'), 'utf8'),
    ) as Case[];
    expect(cases).toHaveLength(240);
    const wrong = cases.filter(([height, width, newHeight, newWidth, hash], k) => {
      const source = { width, height, channels: 3 as const, data: noise(height * width * 3, k) };
      const { data } = resizeReference(source, newHeight, newWidth);
      return !createHash('sha256').update(data).digest('hex').startsWith(hash);
    });
    expect(wrong).toEqual([]);
  });

  it("halving both sides is the rounded mean of four, as OpenCV's area path", () => {
    const source = { width: 8, height: 6, channels: 3 as const, data: noise(8 * 6 * 3, 0) };
    const at = (y: number, x: number, c: number) => source.data[(y * 8 + x) * 3 + c];
    const { data } = resizeReference(source, 3, 4);
    for (let y = 0; y < 3; y++) {
      for (let x = 0; x < 4; x++) {
        for (let c = 0; c < 3; c++) {
          const sum =
            at(2 * y, 2 * x, c) +
            at(2 * y, 2 * x + 1, c) +
            at(2 * y + 1, 2 * x, c) +
            at(2 * y + 1, 2 * x + 1, c);
          expect(data[(y * 4 + x) * 3 + c]).toBe((sum + 2) >> 2);
        }
      }
    }
  });
});
