// Sum of two maps of one shape (shaders/add.wgsl).
import source from '../../shaders/add.wgsl';
import { type Kernel, gridOf } from '../gpu/kernel.js';
import { type FeatureMap, featureMap, lanesPerGroup, readMap, vec4s, writeMap } from './feature-map.js';
import { shaderOf } from '../wgsl/assemble.js';

const shader = shaderOf(source);

export function planAdd(label: string, a: FeatureMap, b: FeatureMap): { output: FeatureMap; kernels: Kernel[] } {
  const { images, precision } = a;
  const output = featureMap(label, a.height, a.width, a.channels, precision, images);
  const count = images * a.height * a.width * vec4s(a.channels);
  const planned: Kernel = {
    label,
    shader: shader({ types: { input: precision, output: precision } }),
    bindings: [readMap(a), readMap(b), writeMap(output)],
    uniforms: [count],
    workgroups: gridOf(Math.ceil(count / lanesPerGroup)),
  };
  return { output, kernels: [planned] };
}
