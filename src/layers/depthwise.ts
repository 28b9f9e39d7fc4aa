// Depthwise 3×3 convolution (shaders/depthwise.wgsl): weight packing and plan.
import shader from '../../shaders/depthwise.wgsl';
import { type Kernel, type Resource, gridOf, read } from '../gpu/kernel.js';
import { type FeatureMap, featureMap, lanesPerGroup, readMap, sizesOf, vec4s, writeMap } from './feature-map.js';

/** [tap][channel] from PyTorch's channels × 1 × 3 × 3. */
export function packDepthwise(weight: Float32Array, channels: number): Float32Array {
  const packed = new Float32Array(9 * channels);
  for (let channel = 0; channel < channels; channel++) {
    for (let tap = 0; tap < 9; tap++) packed[tap * channels + channel] = weight[channel * 9 + tap];
  }
  return packed;
}

/** Plans a depthwise 3×3 convolution with padding 1. */
export function planDepthwise(
  label: string,
  input: FeatureMap,
  weights: Resource,
  stride: 1 | 2,
): { output: FeatureMap; kernels: Kernel[] } {
  const outSize = (size: number) => Math.floor((size - 1) / stride) + 1;
  const output = featureMap(label, outSize(input.height), outSize(input.width), input.channels);
  const channels4 = vec4s(input.channels);
  const planned: Kernel = {
    label,
    code: shader,
    constants: { STRIDE: stride, CHANNELS4: channels4 },
    bindings: [readMap(input), read(weights), writeMap(output)],
    uniforms: sizesOf(input, output),
    workgroups: gridOf(Math.ceil((output.height * output.width * channels4) / lanesPerGroup)),
  };
  return { output, kernels: [planned] };
}
