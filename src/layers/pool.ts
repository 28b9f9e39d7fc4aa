// Max-pooling 3×3, stride 2, padding 1 (shaders/max_pool.wgsl).
import shader from '../../shaders/max_pool.wgsl';
import { type Kernel, gridOf, read, write } from '../gpu/kernel.js';
import { type FeatureMap, featureMap, lanesPerGroup, sizesOf, vec4s } from './feature-map.js';

export function planMaxPool(label: string, input: FeatureMap): { output: FeatureMap; kernels: Kernel[] } {
  const outSize = (size: number) => Math.floor((size - 1) / 2) + 1;
  const output = featureMap(label, outSize(input.height), outSize(input.width), input.channels);
  const channels4 = vec4s(input.channels);
  const planned: Kernel = {
    label,
    code: shader,
    constants: { CHANNELS4: channels4 },
    bindings: [read(input.slot), write(output.slot)],
    uniforms: sizesOf(input, output),
    workgroups: gridOf(Math.ceil((output.height * output.width * channels4) / lanesPerGroup)),
  };
  return { output, kernels: [planned] };
}
