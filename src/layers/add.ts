// Sum of two maps of one shape (shaders/add.wgsl).
import shader from '../../shaders/add.wgsl';
import { type Kernel, gridOf, read, write } from '../gpu/kernel.js';
import { type FeatureMap, featureMap, lanesPerGroup, vec4s } from './feature-map.js';

export function planAdd(label: string, a: FeatureMap, b: FeatureMap): { output: FeatureMap; kernels: Kernel[] } {
  const output = featureMap(label, a.height, a.width, a.channels);
  const count = a.height * a.width * vec4s(a.channels);
  const planned: Kernel = {
    label,
    code: shader,
    bindings: [read(a.slot), read(b.slot), write(output.slot)],
    uniforms: [count],
    workgroups: gridOf(Math.ceil(count / lanesPerGroup)),
  };
  return { output, kernels: [planned] };
}
