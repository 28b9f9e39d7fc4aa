// Max-pooling 3×3, stride 2, padding 1 (shaders/max_pool.wgsl).
import source from '../../shaders/max_pool.wgsl';
import { type Dispatch, dispatch } from '../gpu/dispatch.js';
import { type FeatureMap, bindingOf, featureMap, sizesOf, vec4s } from './feature-map.js';
import type { Precision } from './precision.js';
import { shaderOf } from '../wgsl/assemble.js';

const shader = shaderOf(source);

/** The pooled map of an input with these sizes. */
export function pooledMap(
  label: string,
  height: number,
  width: number,
  channels: number,
  precision: Precision,
  images = 1,
): FeatureMap {
  const pooled = (size: number) => Math.floor((size - 1) / 2) + 1;
  return featureMap(label, pooled(height), pooled(width), channels, precision, images);
}

/**
 * Plans the pooling of `input` to `output`. The first row of `output` is row `firstRow` of the
 * whole pooled map.
 */
export function planMaxPool(
  label: string,
  input: FeatureMap,
  output: FeatureMap,
  firstRow = 0,
): Dispatch {
  const channels4 = vec4s(input.channels);
  return dispatch({
    label,
    shader: shader({ types: { input: input.precision, output: output.precision } }),
    constants: { CHANNELS4: channels4 },
    bindings: { input: bindingOf(input), output: bindingOf(output) },
    uniforms: { ...sizesOf(input, output), firstRow },
    invocations: [output.height * output.width * channels4, output.images],
  });
}
