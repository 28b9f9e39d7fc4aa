// Pixel aggregation and region sums as a list of kernels (shaders/aggregation): a fixed number of dispatches, whatever the map holds.
// Source: spec, Pixel aggregation and Regions; PAN++ paper, pixel aggregation.
import common from '../../shaders/aggregation/common.wgsl';
import countBlocks from '../../shaders/aggregation/count_blocks.wgsl';
import grow from '../../shaders/aggregation/grow.wgsl';
import init from '../../shaders/aggregation/init.wgsl';
import means from '../../shaders/aggregation/means.wgsl';
import measure from '../../shaders/aggregation/measure.wgsl';
import number from '../../shaders/aggregation/number.wgsl';
import regionSums from '../../shaders/aggregation/region_sums.wgsl';
import scanBlocks from '../../shaders/aggregation/scan_blocks.wgsl';
import seed from '../../shaders/aggregation/seed.wgsl';
import union from '../../shaders/aggregation/union.wgsl';
import { PanppError } from '../errors.js';
import { type Binding, type Kernel, type Slot, floatBits, gridOf, read, uniform, write } from '../gpu/kernel.js';
import { type FeatureMap, lanesPerGroup } from '../layers/feature-map.js';
import type { AggregationInput } from './input.js';

export interface AggregationPlan {
  readonly kernels: readonly Kernel[];
  /** Written by the host: `packSettings`. */
  readonly settings: Slot;
  /** Label of every pixel, `u32`; 0 is background. */
  readonly labels: Slot;
  /** Three counts, then what only the GPU reads; see `readKernelCount`. */
  readonly listed: Slot;
  /** `sumBytes` for every label from 0 on; see `readSums`. */
  readonly sums: Slot;
}

/** Bytes of the settings, of `listed`'s counts, and of one label's sums. */
export const settingsBytes = 16;
export const countsBytes = 12;
export const sumBytes = 12;
const kernelBytes = 64;
const componentBytes = 32;

// A block of number.wgsl, a stretch of measure.wgsl and its like.
const block = 256;
const stretch = 16;
/** Workgroups that grow components side by side. */
const growers = 256;
/** Largest factor per axis from map to image; region_sums.wgsl's sums hold that much. */
const maxMagnification = 32;

/**
 * Plans the aggregation of a map (channels: text logit, kernel logit, 4 of instance vector, 2 unused).
 * @param image size at which areas are counted
 */
export function planAggregation(map: FeatureMap, image: { height: number; width: number }): AggregationPlan {
  const { height, width } = map;
  if (image.height > height * maxMagnification || image.width > width * maxMagnification) {
    throw new PanppError('argument', `a map of ${height} × ${width} is over ${maxMagnification} times smaller than its image of ${image.height} × ${image.width}`);
  }
  const pixels = height * width;
  // No two 4-connected components touch, so at most every second pixel is a root (and every pixel of a 1-pixel map).
  const roots = Math.ceil(pixels / 2);
  const slot = (label: string, bytes: number): Slot => ({ label: `aggregation.${label}`, bytes });
  const perPixel = (label: string, bytes = 4) => slot(label, pixels * bytes);
  const textParent = perPixel('textParent');
  const kernelParent = perPixel('kernelParent');
  const kernelArea = perPixel('kernelArea');
  const components = perPixel('components', componentBytes);
  const claims = perPixel('claims');
  const queue = perPixel('queue');
  const labels = perPixel('labels');
  const blocks = slot('blocks', Math.ceil(pixels / block) * 4);
  const listed = slot('listed', countsBytes + roots * 4);
  const kernels = slot('kernels', (roots + 1) * kernelBytes);
  const sums = slot('sums', (roots + 1) * sumBytes);
  const settings = slot('settings', settingsBytes);

  const uniforms = [height, width, image.height, image.width];
  const step = (label: string, code: string, bindings: Binding[], invocations: number): Kernel => ({
    label: `aggregation.${label}`,
    code: common + code,
    bindings,
    uniforms,
    workgroups: gridOf(Math.ceil(invocations / lanesPerGroup)),
  });
  const perBlock = Math.ceil(pixels / block);
  const perStretch = Math.ceil(pixels / stretch);
  return {
    settings,
    labels,
    listed,
    sums,
    kernels: [
      step('init', init, [read(map.slot), ...[textParent, kernelParent, kernelArea, components, claims, labels].map(write)], pixels),
      step('union', union, [write(textParent), write(kernelParent)], pixels),
      step('measure', measure, [textParent, kernelParent, kernelArea, components].map(write), perStretch),
      step('count_blocks', countBlocks, [read(kernelParent), write(blocks)], perBlock),
      step('scan_blocks', scanBlocks, [write(blocks), write(listed)], 1),
      step(
        'number',
        number,
        [...[kernelParent, textParent, blocks].map(read), ...[kernelArea, components, kernels, sums].map(write), uniform(settings)],
        perBlock,
      ),
      step(
        'seed',
        seed,
        [
          ...[map.slot, kernelParent, textParent, kernelArea].map(read),
          ...[components, kernels, labels, listed].map(write),
          uniform(settings),
        ],
        perStretch,
      ),
      { ...step('means', means, [read(listed), write(kernels)], roots), uniforms: undefined },
      step(
        'grow',
        grow,
        [
          ...[map.slot, textParent, listed, components, kernels].map(read),
          ...[labels, claims, queue].map(write),
          uniform(settings),
        ],
        growers * lanesPerGroup,
      ),
      step('region_sums', regionSums, [read(map.slot), read(labels), write(sums)], perStretch),
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

/** A label's area and sum of text probability, from the bytes of `sums`. */
export function readSum(sums: Uint32Array, label: number): { label: number; area: number; score: number } {
  const [area, low, high] = sums.subarray(3 * label, 3 * label + 3);
  return { label, area, score: (high * 2 ** 32 + low) / 2 ** 20 };
}
