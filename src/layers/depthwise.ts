// Depthwise 3×3 convolution (shaders/depthwise.wgsl): weight packing and plan.
import shader from '../../shaders/depthwise.wgsl';
import { type Kernel, type Resource, gridOf, read } from '../gpu/kernel.js';
import { type FeatureMap, featureMap, lanesPerGroup, readMap, sizesOf, vec4s, writeMap } from './feature-map.js';
import type { WeightPacker } from './pack.js';
import { withTypes } from './precision.js';

/** [tap][channel] from PyTorch's channels × 1 × 3 × 3. */
export function packDepthwise(packer: WeightPacker, label: string, weight: Float32Array, channels: number): Resource {
  return packer.pack(label, weight, { counts: [9, 1, channels], strides: [1, 0, 9] });
}

/** Plans a depthwise 3×3 convolution with padding 1. The weights are stored as the input is. */
export function planDepthwise(
  label: string,
  input: FeatureMap,
  weights: Resource,
  stride: 1 | 2,
): { output: FeatureMap; kernels: Kernel[] } {
  const { channels, precision } = input;
  const outSize = (size: number) => Math.floor((size - 1) / stride) + 1;
  const output = featureMap(label, outSize(input.height), outSize(input.width), channels, precision);
  const channels4 = vec4s(channels);
  const planned: Kernel = {
    label,
    code: withTypes(shader, { input: precision, weight: precision, output: precision }),
    constants: { STRIDE: stride, CHANNELS4: channels4 },
    bindings: [readMap(input), read(weights), writeMap(output)],
    uniforms: sizesOf(input, output),
    workgroups: gridOf(Math.ceil((output.height * output.width * channels4) / lanesPerGroup)),
  };
  return { output, kernels: [planned] };
}
