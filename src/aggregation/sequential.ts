// Sequential pixel aggregation on the CPU, for the map of an image in tiles, which may not fit on
// the GPU. The GPU version is tested and timed against it.
// Source: PAN (arXiv 1908.05900) and PAN++ (arXiv 2105.00405), pixel aggregation; the order of the
// queue, the area ratio and the float32 means are those of the authors' pa.pyx.
//
// Maps carry a border of one pixel that is never text, so that neighbours need no bounds check.

import { nearestAxis } from '../shapes/nearest.js';
import type { RegionSum } from '../shapes/regions.js';
import {
  type AggregationInput,
  type AggregationMode,
  type AggregationResult,
  checkAggregationInput,
} from './input.js';

const VECTOR = 4;
/**
 * Kernels of one text component check instance vectors if their areas differ by more than this
 * factor.
 */
const MAX_AREA_RATIO = 1024;

const OUTSIDE = -1;
const UNLABELLED = 0;

interface Components {
  /**
   * Component of each cell, numbered from 1 in raster order of the first cell; 0 outside the mask.
   */
  readonly labels: Int32Array;
  /** Number of cells of each component; entry 0 is unused. */
  readonly areas: readonly number[];
}

/** Mean instance vectors of the kernels that check them. */
interface KernelMeans {
  readonly flags: Uint8Array;
  readonly means: Float32Array;
}

/**
 * Computes the label map of one image.
 * @throws PanppError `argument` if a map's length doesn't fit the size
 */
export function aggregateSequential(input: AggregationInput): AggregationResult {
  checkAggregationInput(input);
  const { height, width } = input;
  const stride = width + 2;
  const text = new Uint8Array((height + 2) * stride);
  const kernel = new Uint8Array(text.length);
  let textCount = 0;
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0, cell = (y + 1) * stride + 1; x < width; x++, i++, cell++) {
      if (!(input.text[i] > 0)) continue;
      text[cell] = 1;
      textCount++;
      if (input.kernel[i] > 0) kernel[cell] = 1;
    }
  }
  const queue = new Int32Array(textCount);
  const kernels = labelComponents(kernel, stride, queue);
  const kept = Uint8Array.from(kernels.areas, (area, label) =>
    label > 0 && area >= input.minKernelArea ? 1 : 0,
  );
  const flags = flagKernels(input.mode, kernels, kept, text, stride, queue);
  const means = flags.includes(1) ? kernelMeans(input, kernels, flags) : null;

  const cells = new Int32Array(text.length).fill(OUTSIDE);
  let queued = 0;
  for (let cell = stride; cell < text.length - stride; cell++) {
    if (text[cell] === 0) continue;
    const label = kernels.labels[cell];
    if (kept[label] === 0) {
      cells[cell] = UNLABELLED;
    } else {
      cells[cell] = label;
      queue[queued++] = cell;
    }
  }
  grow(input, cells, queue, queued, means);
  return { labels: withoutBorder(cells, height, width), kernelCount: kernels.areas.length - 1 };
}

/**
 * Area and summed text probability of every label that has pixels, counted at the resized image's
 * size, as the GPU returns them with the label map.
 */
export function sumLabelsSequential(
  { labels, kernelCount }: AggregationResult,
  { text, height, width }: Pick<AggregationInput, 'text' | 'height' | 'width'>,
  imageHeight: number,
  imageWidth: number,
): RegionSum[] {
  const rowStarts = nearestAxis(height, imageHeight).starts;
  const columnStarts = nearestAxis(width, imageWidth).starts;
  const areas = new Float64Array(kernelCount + 1);
  const scores = new Float64Array(kernelCount + 1);
  for (let y = 0, i = 0; y < height; y++) {
    const rows = rowStarts[y + 1] - rowStarts[y];
    for (let x = 0; x < width; x++, i++) {
      const label = labels[i];
      if (label === 0) continue;
      const copies = rows * (columnStarts[x + 1] - columnStarts[x]);
      areas[label] += copies;
      scores[label] += copies / (1 + Math.exp(-text[i]));
    }
  }
  const sums: RegionSum[] = [];
  for (let label = 1; label <= kernelCount; label++) {
    if (areas[label] > 0) sums.push({ label, area: areas[label], score: scores[label] });
  }
  return sums;
}

/** 4-connected components of a bordered mask; `stack` has room for all of its cells. */
function labelComponents(mask: Uint8Array, stride: number, stack: Int32Array): Components {
  const labels = new Int32Array(mask.length);
  const areas = [0];
  const steps = neighbourSteps(stride);
  for (let seed = stride; seed < mask.length - stride; seed++) {
    if (mask[seed] === 0 || labels[seed] !== 0) continue;
    const label = areas.length;
    let depth = 0;
    let area = 0;
    stack[depth++] = seed;
    labels[seed] = label;
    while (depth > 0) {
      const cell = stack[--depth];
      area++;
      for (let k = 0; k < steps.length; k++) {
        const neighbour = cell + steps[k];
        if (mask[neighbour] === 0 || labels[neighbour] !== 0) continue;
        labels[neighbour] = label;
        stack[depth++] = neighbour;
      }
    }
    areas.push(area);
  }
  return { labels, areas };
}

function flagKernels(
  mode: AggregationMode,
  kernels: Components,
  kept: Uint8Array,
  text: Uint8Array,
  stride: number,
  stack: Int32Array,
): Uint8Array {
  if (mode === 'always') return kept;
  const flags = new Uint8Array(kept.length);
  const keptAreas = kernels.areas.filter((_, label) => kept[label] === 1);
  if (!areasDiffer(extent(keptAreas))) return flags;

  const components = labelComponents(text, stride, stack);
  // A kernel is connected and inside text, so any of its cells identifies its text component.
  const componentOf = new Int32Array(kept.length);
  kernels.labels.forEach((label, cell) => {
    if (kept[label] === 1) componentOf[label] = components.labels[cell];
  });
  const smallest = new Float64Array(components.areas.length).fill(Infinity);
  const largest = new Float64Array(components.areas.length);
  kernels.areas.forEach((area, label) => {
    if (kept[label] === 0) return;
    const component = componentOf[label];
    smallest[component] = Math.min(smallest[component], area);
    largest[component] = Math.max(largest[component], area);
  });
  kernels.areas.forEach((area, label) => {
    if (kept[label] === 0) return;
    const component = componentOf[label];
    if (areasDiffer([smallest[component], area]) || areasDiffer([area, largest[component]]))
      flags[label] = 1;
  });
  return flags;
}

function extent(values: readonly number[]): [smallest: number, largest: number] {
  return values.reduce(
    ([low, high], value) => [Math.min(low, value), Math.max(high, value)],
    [Infinity, 0],
  );
}

function areasDiffer([smallest, largest]: readonly [smallest: number, largest: number]): boolean {
  return largest > MAX_AREA_RATIO * smallest;
}

function kernelMeans(input: AggregationInput, kernels: Components, flags: Uint8Array): KernelMeans {
  const { embedding, height, width } = input;
  const pixels = height * width;
  // Storing into a Float32Array rounds each partial sum. In raster order, this gives the sums of
  // numpy's float32 mean.
  const means = new Float32Array(VECTOR * flags.length);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0, cell = (y + 1) * (width + 2) + 1; x < width; x++, i++, cell++) {
      const label = kernels.labels[cell];
      if (flags[label] === 0) continue;
      for (let c = 0; c < VECTOR; c++) means[VECTOR * label + c] += embedding[c * pixels + i];
    }
  }
  for (let k = 0; k < means.length; k++) {
    const label = Math.floor(k / VECTOR);
    if (flags[label] === 1) means[k] /= kernels.areas[label];
  }
  return { flags, means };
}

/** Breadth-first growth of the labels in `cells` from the first `queued` entries of the queue. */
function grow(
  input: AggregationInput,
  cells: Int32Array,
  queue: Int32Array,
  queued: number,
  means: KernelMeans | null,
): void {
  const steps = neighbourSteps(input.width + 2);
  for (let next = 0; next < queued; next++) {
    const cell = queue[next];
    const label = cells[cell];
    const checks = means !== null && means.flags[label] === 1;
    for (let k = 0; k < steps.length; k++) {
      const neighbour = cell + steps[k];
      if (cells[neighbour] !== UNLABELLED) continue;
      if (checks && distanceToMean(input, neighbour, means.means, label) > input.distance) continue;
      cells[neighbour] = label;
      queue[queued++] = neighbour;
    }
  }
}

/** Computed in float32, as in the authors' code. */
function distanceToMean(
  input: AggregationInput,
  cell: number,
  means: Float32Array,
  label: number,
): number {
  const { embedding, height, width } = input;
  const fround = Math.fround;
  const row = Math.floor(cell / (width + 2));
  const pixel = cell - width - 1 - 2 * row;
  let squares = 0;
  for (let c = 0; c < VECTOR; c++) {
    const difference = fround(embedding[c * height * width + pixel] - means[VECTOR * label + c]);
    squares = fround(squares + fround(difference * difference));
  }
  return fround(Math.sqrt(squares));
}

/** Up, down, left, right: the order in which a pixel labels its neighbours. */
function neighbourSteps(stride: number): readonly number[] {
  return [-stride, stride, -1, 1];
}

function withoutBorder(cells: Int32Array, height: number, width: number): Int32Array {
  const labels = new Int32Array(height * width);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0, cell = (y + 1) * (width + 2) + 1; x < width; x++, i++, cell++) {
      if (cells[cell] > 0) labels[i] = cells[cell];
    }
  }
  return labels;
}
