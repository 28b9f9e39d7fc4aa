// Pixel aggregation and region sums as a list of kernels (shaders/aggregation): a fixed number of dispatches, whatever the map holds.
// Source: spec, Pixel aggregation and Regions; PAN++ paper, pixel aggregation.
import common from '../../shaders/aggregation/common.wgsl';
import growLevels from '../../shaders/aggregation/grow_levels.wgsl';
import growQueue from '../../shaders/aggregation/grow_queue.wgsl';
import growth from '../../shaders/aggregation/growth.wgsl';
import keep from '../../shaders/aggregation/keep.wgsl';
import list from '../../shaders/aggregation/list.wgsl';
import masks from '../../shaders/aggregation/masks.wgsl';
import measure from '../../shaders/aggregation/measure.wgsl';
import number from '../../shaders/aggregation/number.wgsl';
import regionSums from '../../shaders/aggregation/region_sums.wgsl';
import seed from '../../shaders/aggregation/seed.wgsl';
import union from '../../shaders/aggregation/union.wgsl';
import { PanppError } from '../errors.js';
import { type Binding, type Kernel, type Slot, floatBits, gridOf, read, uniform, write } from '../gpu/kernel.js';
import type { GpuProfile } from '../gpu/context.js';
import { type FeatureMap, lanesPerGroup, readMap } from '../layers/feature-map.js';
import { shaderOf } from '../wgsl/assemble.js';
import type { AggregationInput } from './input.js';

const shaders = {
  masks: shaderOf(common, masks),
  union: shaderOf(common, union),
  measure: shaderOf(common, measure),
  number: shaderOf(common, number),
  keep: shaderOf(common, keep),
  list: shaderOf(common, list),
  seed: shaderOf(common, seed),
  grow_queue: shaderOf(common, growth, growQueue),
  grow_levels: shaderOf(common, growth, growLevels),
  region_sums: shaderOf(common, regionSums),
};

export interface AggregationPlan {
  readonly kernels: readonly Kernel[];
  /** Written by the host: `packSettings`. */
  readonly settings: Slot;
  /** Label of every pixel, `u32`; 0 is background. */
  readonly labels: Slot;
  /** Counts, then what only the GPU reads; see `readKernelCount` and `readsFinite`. */
  readonly listed: Slot;
  /** `sumBytes` for every label from 0 on; see `readSums`. */
  readonly sums: Slot;
}

/** Bytes of the settings, of `listed`'s counts, and of one label's sums. */
export const settingsBytes = 16;
export const countsBytes = 16;
export const sumBytes = 12;
const kernelBytes = 48;
const componentBytes = 28;
/** Of an entry of `listed`. */
const entryBytes = 8;

// As in common.wgsl: pixels of a mask's word, words of a block, blocks of a stretch, and rows that wordAt takes together.
const wordBits = 32;
const block = 8;
const stretch = 64;
const strip = 8;
/** Workgroups that share out all kernels, or all components that are to be grown. */
const groups = { kernels: 4, growQueue: 16, growLevels: 256 };
/** Largest factor per axis from map to image; region_sums.wgsl's sums hold that much. */
const maxMagnification = 32;

/**
 * Plans the aggregation of one image's map (channels: text logit, kernel logit, 4 of instance vector, 2 unused).
 * @param image size at which areas are counted
 * @param profile a software adapter's kernels grow in queues, each by one invocation; a hardware one's in parallel, level by level
 */
export function planAggregation(
  map: FeatureMap,
  image: { height: number; width: number },
  profile: Pick<GpuProfile, 'software'>,
): AggregationPlan {
  const { height, width } = map;
  if (image.height > height * maxMagnification || image.width > width * maxMagnification) {
    throw new PanppError('argument', `a map of ${height} × ${width} is over ${maxMagnification} times smaller than its image of ${image.height} × ${image.width}`);
  }
  const pixels = height * width;
  const across = Math.ceil(width / wordBits);
  const words = height * across;
  // No two 4-connected components touch, so at most every second pixel is a root (and every pixel of a 1-pixel map).
  const roots = Math.ceil(pixels / 2);
  const slot = (label: string, bytes: number): Slot => ({ label: `aggregation.${label}`, bytes });
  const perPixel = (label: string, bytes = 4) => slot(label, pixels * bytes);
  const bits = slot('masks', 3 * words * 4);
  const parents = perPixel('parents', 8);
  const areas = perPixel('areas', 8);
  const components = perPixel('components', componentBytes);
  const origins = perPixel('origins');
  const queue = perPixel('queue');
  const labels = perPixel('labels');
  const blocks = Math.ceil(words / block);
  const counts = slot('counts', (blocks + Math.ceil(blocks / stretch)) * 4);
  const listed = slot('listed', countsBytes + roots * entryBytes);
  const kernels = slot('kernels', (roots + 1) * kernelBytes);
  const sums = slot('sums', (roots + 1) * sumBytes);
  const settings = slot('settings', settingsBytes);

  const uniforms = [height, width, image.height, image.width];
  const step = (name: keyof typeof shaders, bindings: Binding[], workgroups: number): Kernel => ({
    label: `aggregation.${name}`,
    shader: shaders[name](),
    bindings,
    uniforms,
    workgroups: gridOf(workgroups),
  });
  const each = (invocations: number) => Math.ceil(invocations / lanesPerGroup);
  const eachWord = each(Math.ceil(height / strip) * strip * across);
  const growInputs = [readMap(map), ...[bits, listed, components, kernels].map(read)];
  return {
    settings,
    labels,
    listed,
    sums,
    kernels: [
      step('masks', [readMap(map), ...[bits, parents, areas, components, counts, listed].map(write)], eachWord),
      step('union', [read(bits), write(parents)], each(2 * words)),
      step('measure', [read(bits), ...[parents, areas, counts].map(write)], each(2 * words)),
      step('number', [...[bits, parents, counts].map(read), ...[areas, kernels, listed].map(write)], each(blocks)),
      step(
        'keep',
        [...[bits, parents, listed].map(read), ...[areas, components, kernels, sums].map(write), uniform(settings)],
        groups.kernels,
      ),
      step('list', [read(areas), ...[components, kernels, listed].map(write), uniform(settings)], groups.kernels),
      step(
        'seed',
        [readMap(map), ...[parents, areas].map(read), ...[bits, components, kernels, labels].map(write)],
        eachWord,
      ),
      profile.software
        ? step('grow_queue', [...growInputs, ...[labels, queue].map(write), uniform(settings)], groups.growQueue)
        : step(
            'grow_levels',
            [...growInputs, ...[labels, origins, queue].map(write), uniform(settings)],
            groups.growLevels,
          ),
      step('region_sums', [readMap(map), read(bits), write(labels), write(sums)], eachWord),
    ],
  };
}

/** The settings as the shaders read them. Areas are whole, so a bound between two areas is the larger one. */
export function packSettings({ minKernelArea, mode, distance }: Pick<AggregationInput, 'minKernelArea' | 'mode' | 'distance'>) {
  return new Uint32Array([Math.max(0, Math.ceil(minKernelArea)), Number(mode === 'always'), floatBits(distance), 0]);
}

/** How many kernels there are, dropped ones too, from the bytes of `listed`'s counts. */
export function readKernelCount(counts: Uint32Array): number {
  return counts[2];
}

/** The count among `listed` that the host clears before every run. */
export const infiniteCount = { offset: 12, bytes: 4 } as const;

/** Whether all values of the map were numbers, likewise. */
export function readsFinite(counts: Uint32Array): boolean {
  return counts[3] === 0;
}

/** A label's area and sum of text probability, from the bytes of `sums`. */
export function readSum(sums: Uint32Array, label: number): { label: number; area: number; score: number } {
  const [area, low, high] = sums.subarray(3 * label, 3 * label + 3);
  return { label, area, score: (high * 2 ** 32 + low) / 2 ** 20 };
}
