// Bilinear upsampling (shaders/upsample.wgsl).
import source from '../../shaders/upsample.wgsl';
import { type Kernel, gridOf } from '../gpu/kernel.js';
import { type FeatureMap, featureMap, lanesPerGroup, readMap, sizesOf, vec4s, writeMap } from './feature-map.js';
import { shaderOf } from '../wgsl/assemble.js';

const shader = shaderOf(source);

/** Plans the upsampling of `input` to a height and width. */
export function planUpsample(label: string, input: FeatureMap, height: number, width: number): { output: FeatureMap; kernels: Kernel[] } {
  const { images, precision } = input;
  const output = featureMap(label, height, width, input.channels, precision, images);
  const channels4 = vec4s(input.channels);
  const planned: Kernel = {
    label,
    shader: shader({ types: { input: precision, output: precision } }),
    constants: { CHANNELS4: channels4 },
    bindings: [readMap(input), writeMap(output)],
    uniforms: sizesOf(input, output),
    workgroups: gridOf(Math.ceil((height * width * channels4) / lanesPerGroup), images),
  };
  return { output, kernels: [planned] };
}
