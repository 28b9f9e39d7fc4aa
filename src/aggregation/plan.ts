// Pixel aggregation and region sums as a list of dispatches (shaders/aggregation): a fixed number of
// dispatches, whatever the map holds.
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
  readonly dispatches: readonly Dispatch[];
  /** Written by the host: `packSettings`. */
  readonly settings: Slot;
  /** Label of every pixel, `u32`; 0 is background. */
  readonly labels: Slot;
  /**
   * `countsBytes` that the host reads, then what only the GPU does; see `readKernelCount` and
   * `readsFinite`.
   */
  readonly listed: Slot;
  /** `sumBytes` for every label from 0 on; see `readSum`. */
  readonly sums: Slot;
}

/** Pixels of a mask's word. */
const wordBits = 32;
/** Words of a block, blocks of a stretch, and rows that are taken together; see common.wgsl. */
const constants = { BLOCK: 8, STRETCH: 64, STRIP: 8 };
/** Workgroups that share out all kernels, or all components that are to be grown. */
const groups = { kernels: 4, growQueue: 16, growLevels: 256 };
/** Largest factor per axis from map to image; region_sums.wgsl's sums hold that much. */
const maxMagnification = 32;

/**
 * Plans the aggregation of one image's map (channels: text logit, kernel logit, 4 of instance
 * vector, 2 unused).
 * @param image size at which areas are counted
 * @param profile a software adapter grows text kernels in queues, each by one invocation; a hardware
 * one's in parallel, level by level
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
  const pixels = height * width;
  const across = Math.ceil(width / wordBits);
  const words = height * across;
  // No two 4-connected components touch, so at most every second pixel is a root (and every pixel
  // of a 1-pixel map).
  const roots = Math.ceil(pixels / 2);
  const slot = (label: string, bytes: number): Slot => ({ label: `aggregation.${label}`, bytes });
  const perPixel = (label: string, bytes = 4) => slot(label, pixels * bytes);
  const blocks = Math.ceil(words / constants.BLOCK);
  const areas = perPixel('areas', 8);
  const labels = perPixel('labels');
  const listed = slot('listed', countsBytes() + roots * layoutOf('ListedComponent').size);
  const sums = slot('sums', (roots + 1) * sumBytes());
  const settings = slot('settings', layoutOf('Settings').size);
  /** By the names that the shaders have for them. */
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

/** A struct of common.wgsl. */
function layoutOf(struct: string): StructLayout {
  return (known ??= shaders.keep({ constants })).layout(struct);
}

/** Bytes of `listed` that the host reads. */
export function countsBytes(): number {
  return layoutOf('Listed').size;
}

/** Bytes of a label in `sums`. */
export function sumBytes(): number {
  return layoutOf('RegionSum').size;
}

/**
 * The settings as the shaders read them. Areas are whole, so a bound between two areas is the
 * larger one.
 */
export function packSettings({
  minKernelArea,
  mode,
  distance,
}: Pick<AggregationInput, 'minKernelArea' | 'mode' | 'distance'>) {
  return layoutOf('Settings').pack({
    minKernelArea: Math.max(0, Math.ceil(minKernelArea)),
    always: Number(mode === 'always'),
    distance,
  });
}

/** How many kernels there are, dropped ones too, from the bytes of `listed`'s counts. */
export function readKernelCount(counts: Uint32Array): number {
  return counts[layoutOf('Listed').word('kernels')];
}

/** The count among `listed` that the host clears before every run. */
export function infiniteField(): Field {
  return layoutOf('Listed').field('infinite');
}

/** Whether all values of the map were numbers, from the bytes of `listed`'s counts. */
export function readsFinite(counts: Uint32Array): boolean {
  return counts[layoutOf('Listed').word('infinite')] === 0;
}

/** A label's area and sum of text probability, from the bytes of `sums`. */
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
