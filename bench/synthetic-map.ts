// A head's map like that of a page with a given number of words, to measure how time grows with the
// number of regions at a constant share of text. Words are slanted, with ragged borders; every
// fourth one touches its neighbour, so that text components hold several kernels.
import type { AggregationInput } from '../src/aggregation/input.js';
import type { Size } from './sizes.js';

/** A word's width divided by its height. */
const aspect = 2.5;

interface Word {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly slant: number;
}

/** Maps with `count` words, the same on every call. */
export function syntheticMap({ height, width }: Size, count: number): AggregationInput {
  const pixels = height * width;
  const text = new Float32Array(pixels).fill(-4);
  const kernel = new Float32Array(pixels).fill(-4);
  const embedding = new Float32Array(4 * pixels);
  const random = generator(count);
  for (const word of layOut(height, width, count, random)) {
    const vector = [0, 1, 2, 3].map(() => 3 * random());
    paint(word, height, width, (pixel, margin) => {
      const ragged = margin + 0.4 * random();
      text[pixel] = Math.max(text[pixel], Math.min(4, 2 * ragged));
      kernel[pixel] = Math.max(kernel[pixel], Math.min(4, 2 * (ragged - word.height / 5)));
      for (let axis = 0; axis < 4; axis++)
        embedding[axis * pixels + pixel] = vector[axis] + 0.3 * random();
    });
  }
  return {
    text,
    kernel,
    embedding,
    height,
    width,
    minKernelArea: 2.6 / 16,
    mode: 'reference',
    distance: 3,
  };
}

function layOut(height: number, width: number, count: number, random: () => number): Word[] {
  const columns = Math.min(count, Math.ceil(Math.sqrt((count * width) / (aspect * height))));
  const rows = Math.ceil(count / columns);
  const cell = { width: width / columns, height: height / rows };
  return Array.from({ length: count }, (_, index) => {
    const row = Math.floor(index / columns);
    const touches = index % 4 === 0 && index % columns < columns - 1;
    return {
      x: ((index % columns) + (touches ? 0.65 : 0.5)) * cell.width,
      y: (row + 0.5) * cell.height,
      width: (touches ? 1.1 : 0.75) * cell.width,
      height: 0.6 * cell.height,
      slant: (0.1 * random() * cell.height) / cell.width,
    };
  });
}

/**
 * Calls `put` for the pixels in and around a word, with their distance to its border, positive
 * inside.
 */
function paint(
  { x, y, width, height, slant }: Word,
  rows: number,
  columns: number,
  put: (pixel: number, margin: number) => void,
): void {
  const top = Math.max(0, Math.floor(y - height));
  const bottom = Math.min(rows - 1, Math.ceil(y + height));
  for (let row = top; row <= bottom; row++) {
    for (
      let column = Math.max(0, Math.floor(x - width / 2));
      column <= Math.min(columns - 1, Math.ceil(x + width / 2));
      column++
    ) {
      const across = column + 0.5 - x;
      const margin = Math.min(
        width / 2 - Math.abs(across),
        height / 2 - Math.abs(row + 0.5 - y - slant * across),
      );
      put(row * columns + column, margin);
    }
  }
}

/** Reproducible numbers in −1 … 1. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}
