import { describe, expect, it } from 'vitest';

import { PanppError } from '../../src/errors.js';
import { nearestAxis } from '../../src/shapes/nearest.js';
import { readOutlines } from './outlines.js';

describe('nearestAxis', () => {
  it('repeats every map pixel where the image is a multiple of the map', () => {
    const { sources, starts } = nearestAxis(2, 6);
    expect([...sources]).toEqual([0, 0, 0, 1, 1, 1]);
    expect([...starts]).toEqual([0, 3, 6]);
  });

  it('equals OpenCV for uneven ratios, and the starts fit', () => {
    for (const { map, image, sources } of readOutlines().nearest) {
      const axis = nearestAxis(map, image);
      expect([...axis.sources]).toEqual(sources);
      expect([...axis.starts]).toEqual([
        ...Array.from({ length: map }, (_, m) => sources.indexOf(m)),
        image,
      ]);
    }
  });

  it('refuses an image that is smaller than the map', () => {
    expect(() => nearestAxis(8, 7)).toThrow(PanppError);
    expect(() => nearestAxis(0, 7)).toThrow(PanppError);
  });
});
