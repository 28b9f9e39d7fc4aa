// Plans pixel aggregation and region sums as a list of dispatches (shaders/aggregation). Their
// number is fixed and does not depend on the map's content.
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
import {
  type Bindable,
  type Dispatch,
  type DispatchPlan,
  type Slot,
  dispatch,
} from '../gpu/dispatch.js';
import type { GpuProfile } from '../gpu/context.js';
import { type FeatureMap, bindingOf } from '../layers/feature-map.js';
import { type Shader, shaderOf } from '../wgsl/assemble.js';
import type { Field, StructLayout } from '../wgsl/struct.js';
import type { AggregationInput, MapFault } from './input.js';

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
  readonly dispatches: readonly Dispatch[];
  /** Written by the host: `packSettings`. */
  readonly settings: Slot;
  /** Label of every pixel, `u32`; 0 is background. */
  readonly labels: Slot;
  /**
   * The first `countsBytes` bytes are for the host (see `readKernelCount` and `readFault`); only
   * the GPU reads the rest.
   */
  readonly listed: Slot;
  /** `sumBytes` bytes for each label, starting with label 0; see `readSum`. */
  readonly sums: Slot;
}

/** Pixels per word of a mask. */
const wordBits = 32;
/** Words per block, blocks per stretch, and rows per strip; see common.wgsl. */
const constants = { BLOCK: 8, STRETCH: 64, STRIP: 8 };
/** Numbers of workgroups that share all kernels, or all components to be grown. */
const groups = { kernels: 4, growQueue: 16, growLevels: 256 };
/** Largest factor per axis from map to image, so that sums in region_sums.wgsl don't overflow. */
const maxMagnification = 32;

/**
 * Longest side of a map that is no whole fraction of its image's: products of two positions must
 * stay below 2³² (region_sums.wgsl).
 */
const longestUneven = 65535;
/** Bits of the largest finite float32. */
const largestFloat = 0x7f7fffff;

/**
 * Plans the aggregation of one image's map (channels: text logit, kernel logit, 4 for the instance
 * vector, 2 unused).
 * @param image size at which areas are counted
 * @param profile on a software adapter, each component is grown with a queue by one invocation; on
 * hardware, in parallel and level by level
 */
export function planAggregation(
  map: FeatureMap,
  image: { height: number; width: number },
  profile: Pick<GpuProfile, 'software'>,
): AggregationPlan {
  const { height, width } = map;
  if (image.height > height * maxMagnification || image.width > width * maxMagnification) {
    throw new PanppError(
      'argument',
      `a map of ${height} × ${width} is over ${maxMagnification} times smaller than its image of ${image.height} × ${image.width}`,
    );
  }
  for (const [size, samples] of [
    [height, image.height],
    [width, image.width],
  ]) {
    if (size > longestUneven && samples % size !== 0)
      throw new PanppError(
        'argument',
        `a map of ${height} × ${width} is too long for an image of ${image.height} × ${image.width}: a side over ${longestUneven} must be a whole fraction of the image's`,
      );
  }
  const pixels = height * width;
  const across = Math.ceil(width / wordBits);
  const words = height * across;
  // 4-connected components never touch, so at most every second pixel is a root (rounded up for a
  // 1-pixel map).
  const roots = Math.ceil(pixels / 2);
  const slot = (label: string, bytes: number): Slot => ({ label: `aggregation.${label}`, bytes });
  const perPixel = (label: string, bytes = 4) => slot(label, pixels * bytes);
  const blocks = Math.ceil(words / constants.BLOCK);
  const areas = perPixel('areas', 8);
  const labels = perPixel('labels');
  const listed = slot('listed', countsBytes() + roots * layoutOf('ListedComponent').size);
  const sums = slot('sums', (roots + 1) * sumBytes());
  const settings = slot('settings', layoutOf('Settings').size);
  /** By their names in the shaders. */
  const all: Readonly<Record<string, Bindable>> = {
    map: bindingOf(map),
    masks: slot('masks', 3 * words * 4),
    parents: perPixel('parents', 8),
    areas,
    numbers: areas,
    components: perPixel('components', layoutOf('TextComponent').size),
    kernels: slot('kernels', (roots + 1) * layoutOf('Kernel').size),
    counts: slot('counts', (blocks + Math.ceil(blocks / constants.STRETCH)) * 4),
    origins: perPixel('origins'),
    queue: perPixel('queue'),
    labels,
    listed,
    sums,
    settings,
  };
  const uniforms = { height, width, imageHeight: image.height, imageWidth: image.width };
  const step = (
    name: keyof typeof shaders,
    size: Pick<DispatchPlan, 'invocations' | 'workgroups'>,
  ): Dispatch => {
    const shader = shaders[name]({ constants });
    const bindings = Object.fromEntries(
      shader.bindings
        .filter((binding) => binding.name !== 'sizes')
        .map((binding) => [binding.name, all[binding.name]]),
    );
    return dispatch({ label: `aggregation.${name}`, shader, bindings, uniforms, ...size });
  };
  const { STRIP } = constants;
  const eachWord = { invocations: [Math.ceil(height / STRIP) * STRIP * across] } as const;
  const eachWordTwice = { invocations: [2 * words] } as const;
  const shared = (count: number) => ({ workgroups: [count, 1, 1] }) as const;
  return {
    settings,
    labels,
    listed,
    sums,
    dispatches: [
      step('masks', eachWord),
      step('union', eachWordTwice),
      step('measure', eachWordTwice),
      step('number', { invocations: [blocks] }),
      step('keep', shared(groups.kernels)),
      step('list', shared(groups.kernels)),
      step('seed', eachWord),
      profile.software
        ? step('grow_queue', shared(groups.growQueue))
        : step('grow_levels', shared(groups.growLevels)),
      step('region_sums', eachWord),
    ],
  };
}

let known: Shader | undefined;

/** Layout of a struct in common.wgsl. */
function layoutOf(struct: string): StructLayout {
  return (known ??= shaders.keep({ constants })).layout(struct);
}

/** Number of bytes of `listed` that the host reads. */
export function countsBytes(): number {
  return layoutOf('Listed').size;
}

/** Bytes per label in `sums`. */
export function sumBytes(): number {
  return layoutOf('RegionSum').size;
}

/**
 * Packs the settings for the shaders. Areas are integers, so a fractional bound is rounded up.
 */
export function packSettings({
  minKernelArea,
  mode,
  distance,
}: Pick<AggregationInput, 'minKernelArea' | 'mode' | 'distance'>) {
  return layoutOf('Settings').pack({
    minKernelArea: Math.max(0, Math.ceil(minKernelArea)),
    always: Number(mode === 'always'),
    squaredDistance: largestSquare(distance),
  });
}

/**
 * The largest float32 whose square root, rounded to float32, is at most `distance`. Comparing
 * squares with it is exactly equivalent to comparing roots, as the reference does.
 */
export function largestSquare(distance: number): number {
  const float = new Float32Array([distance * distance]);
  if (!Number.isFinite(float[0])) return float[0];
  const bits = new Uint32Array(float.buffer);
  while (Math.fround(Math.sqrt(float[0])) <= distance && bits[0] < largestFloat) bits[0]++;
  while (Math.fround(Math.sqrt(float[0])) > distance) bits[0]--;
  return float[0];
}

/** Number of kernels, including dropped ones, from the counts in `listed`. */
export function readKernelCount(counts: Uint32Array): number {
  return counts[layoutOf('Listed').word('kernels')];
}

/** The field of `listed` that the host must clear before every run. */
export function faultsField(): Field {
  return layoutOf('Listed').field('faults');
}

/** What was wrong with the map, from the counts in `listed`. */
export function readFault(counts: Uint32Array): MapFault | undefined {
  const faults = counts[layoutOf('Listed').word('faults')];
  if (faults & 1) return 'infinite';
  return faults & 2 ? 'vectors' : undefined;
}

/** Reads a label's area and sum of text probability from `sums`. */
export function readSum(
  sums: Uint32Array,
  label: number,
): { label: number; area: number; score: number } {
  const layout = layoutOf('RegionSum');
  const [area, low, high] = ['area', 'scoreLow', 'scoreHigh'].map(
    (member) => sums[(label * layout.size) / 4 + layout.word(member)],
  );
  return { label, area, score: (high * 2 ** 32 + low) / 2 ** 20 };
}
