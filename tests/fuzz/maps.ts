// Maps of any size and content, as a detection head would never make them.
import fc from 'fast-check';
import type { MapInput } from '../../src/detection/regions-from-map.js';

/** Values of logits; NaN and infinite vectors must be refused. */
const usual = [-9, -2, -1e-30, -0, 0, 1e-30, 0.1, 1, 2, 9, 40];
const odd = [...usual, Infinity, -Infinity, 3e38, -3e38, NaN];

interface Content {
  /** Runs of equal values make regions larger than a pixel. */
  readonly run: number;
  readonly values: readonly number[];
}

const content = (values: readonly number[]): fc.Arbitrary<Content> =>
  fc.record({
    run: fc.integer({ min: 1, max: 9 }),
    values: fc.array(fc.constantFrom(...values), { minLength: 1, maxLength: 60 }),
  });

function filled({ run, values }: Content, count: number): Float32Array {
  return Float32Array.from(
    { length: count },
    (_, i) => values[Math.floor(i / run) % values.length],
  );
}

const side = fc.integer({ min: 1, max: 70 });

/** Inputs of `regionsFromMap`. */
export const maps: fc.Arbitrary<MapInput> = fc
  .record({
    height: side,
    width: side,
    text: fc.oneof({ weight: 4, arbitrary: content(usual) }, content(odd)),
    kernel: fc.oneof({ weight: 4, arbitrary: content(usual) }, content(odd)),
    vectors: fc.oneof({ weight: 4, arbitrary: content(usual) }, content(odd)),
    scale: fc.constantFrom(1, 2, 4),
    minKernelArea: fc.constantFrom(0, 1, 2.6, 20),
    minArea: fc.constantFrom(0, 5, 200),
    mode: fc.constantFrom('reference' as const, 'always' as const),
    distance: fc.constantFrom(0, 1, 3, Infinity),
    bbox: fc.constantFrom('rect' as const, 'poly' as const),
  })
  .map(({ height, width, text, kernel, vectors, scale, ...settings }) => {
    const pixels = height * width;
    const map = new Float32Array(6 * pixels);
    map.set(filled(text, pixels));
    map.set(filled(kernel, pixels), pixels);
    map.set(filled(vectors, 4 * pixels), 2 * pixels);
    return {
      map,
      height,
      width,
      imageSize: { height: scale * height, width: scale * width },
      originalSize: { height: scale * height + 3, width: 2 * scale * width },
      settings: { ...settings, scale, minScore: 0 },
    };
  });
