// Sum of two maps of the same shape (shaders/add.wgsl).
import source from '../../shaders/add.wgsl';
import { type Dispatch, dispatch } from '../gpu/dispatch.js';
import { type FeatureMap, bindingOf, featureMap, vec4s } from './feature-map.js';
import { shaderOf } from '../wgsl/assemble.js';

const shader = shaderOf(source);

export function planAdd(
  label: string,
  a: FeatureMap,
  b: FeatureMap,
): { output: FeatureMap; dispatches: Dispatch[] } {
  const { images, precision } = a;
  const output = featureMap(label, a.height, a.width, a.channels, precision, images);
  const count = images * a.height * a.width * vec4s(a.channels);
  const planned = dispatch({
    label,
    shader: shader({ types: { input: precision, output: precision } }),
    bindings: { a: bindingOf(a), b: bindingOf(b), output: bindingOf(output) },
    uniforms: { count },
    invocations: [count],
  });
  return { output, dispatches: [planned] };
}
