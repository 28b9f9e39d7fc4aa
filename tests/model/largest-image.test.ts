import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { largestSquare } from '../../src/detection/largest-image.js';
import { alwaysFits } from '../../src/detection/tiles.js';
import { detectionPresets, resnet101, resnet18, resnet50 } from '../../src/network/config.js';

const config = {
  backbone: resnet18,
  neck: { fpems: 2, fusion: 'pan++' },
  detection: detectionPresets.icdar2015,
} as const;
const deviceWith = (maxBindingBytes: number, maxBufferBytes = 2 ** 30) => ({
  software: false,
  maxWorkgroupBytes: 32768,
  maxBindingBytes,
  maxBufferBytes,
});

describe('the largest image', () => {
  it.each([
    ['f32', 128, 2048],
    ['f16', 128, 2880],
    ['f32', 1024, 4096],
  ] as const)(
    'in %s with bindings of %i MiB is %i pixels square, as the README says',
    (precision, mebibytes, side) => {
      expect(largestSquare(config, precision, deviceWith(mebibytes * 2 ** 20))).toBe(side);
      const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
      expect(readme.includes(`${side} × ${side}`)).toBe(true);
    },
  );

  it('is never as small as what is not looked up', () => {
    for (const backbone of [resnet18, resnet50, resnet101])
      expect(
        largestSquare({ ...config, backbone }, 'f32', deviceWith(128 * 2 ** 20, 2 ** 28)),
      ).toBeGreaterThanOrEqual(alwaysFits);
  });

  it('grows with the bindings and ends with the buffers', () => {
    const sides = [48, 128, 256].map((mebibytes) =>
      largestSquare(config, 'f32', deviceWith(mebibytes * 2 ** 20)),
    );
    expect(sides).toEqual([...sides].sort((a, b) => a - b));
    expect(new Set(sides).size).toBe(sides.length);
    expect(largestSquare(config, 'f32', deviceWith(2 ** 30, 64 * 2 ** 20))).toBeLessThan(2048);
    expect(largestSquare(config, 'f32', deviceWith(1024))).toBe(0);
  });
});
