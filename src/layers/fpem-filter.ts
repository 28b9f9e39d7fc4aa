// First half of an FPEM unit (shaders/fpem_filter.wgsl): upsamples a coarser level, adds it to a
// finer one, then applies a depthwise filter.
import source from '../../shaders/fpem_filter.wgsl';
import { type Dispatch, type Resource, dispatch } from '../gpu/dispatch.js';
import { type FeatureMap, bindingOf, featureMap, vec4s } from './feature-map.js';
import type { Packer } from './pack.js';
import { shaderOf } from '../wgsl/assemble.js';

const shader = shaderOf(source);

/** Packs PyTorch's channels × 1 × 3 × 3 as [tap][channel]. */
export function packDepthwise(
  packer: Packer,
  label: string,
  weight: Float32Array,
  channels: number,
): Resource {
  return packer.pack(label, weight, { counts: [9, 1, channels], strides: [1, 0, 9] });
}

/**
 * Plans depthwise3×3(upsample(coarse) + finer) with padding 1. `finer` is twice as high and wide as
 * `coarse`. Weights and maps have the same precision.
 */
export function planFpemFilter(
  label: string,
  coarse: FeatureMap,
  finer: FeatureMap,
  weights: Resource,
  stride: 1 | 2,
  upsampling: 'bilinear' | 'nearest' = 'bilinear',
): { output: FeatureMap; dispatches: Dispatch[] } {
  const { images, height, width, channels, precision } = coarse;
  const output = featureMap(
    label,
    finer.height / stride,
    finer.width / stride,
    channels,
    precision,
    images,
  );
  const channels4 = vec4s(channels);
  const planned = dispatch({
    label,
    shader: shader({ types: { input: precision, weight: precision, output: precision } }),
    constants: { STRIDE: stride, CHANNELS4: channels4, FAR: upsampling === 'bilinear' ? 0.25 : 0 },
    bindings: {
      coarse: bindingOf(coarse),
      finer: bindingOf(finer),
      weights,
      output: bindingOf(output),
    },
    uniforms: { height, width },
    invocations: [height * width * channels4, images],
  });
  return { output, dispatches: [planned] };
}
