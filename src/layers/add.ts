// Sum of two maps of one shape (shaders/add.wgsl).
import source from '../../shaders/add.wgsl';
import { type Kernel, kernel } from '../gpu/kernel.js';
import { type FeatureMap, bindingOf, featureMap, vec4s } from './feature-map.js';
import { shaderOf } from '../wgsl/assemble.js';

const shader = shaderOf(source);

export function planAdd(
  label: string,
  a: FeatureMap,
  b: FeatureMap,
): { output: FeatureMap; kernels: Kernel[] } {
  const { images, precision } = a;
  const output = featureMap(label, a.height, a.width, a.channels, precision, images);
  const count = images * a.height * a.width * vec4s(a.channels);
  const planned = kernel({
    label,
    shader: shader({ types: { input: precision, output: precision } }),
    bindings: { a: bindingOf(a), b: bindingOf(b), output: bindingOf(output) },
    uniforms: { count },
    invocations: [count],
  });
  return { output, kernels: [planned] };
}
