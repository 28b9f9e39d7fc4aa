// Bilinear upsampling (shaders/upsample.wgsl).
import source from '../../shaders/upsample.wgsl';
import { type Dispatch, dispatch } from '../gpu/dispatch.js';
import { type FeatureMap, bindingOf, featureMap, sizesOf, vec4s } from './feature-map.js';
import { shaderOf } from '../wgsl/assemble.js';

const shader = shaderOf(source);

/** Plans the upsampling of `input` to `height` × `width`. */
export function planUpsample(
  label: string,
  input: FeatureMap,
  height: number,
  width: number,
): { output: FeatureMap; dispatches: Dispatch[] } {
  const { images, precision } = input;
  const output = featureMap(label, height, width, input.channels, precision, images);
  const channels4 = vec4s(input.channels);
  const planned = dispatch({
    label,
    shader: shader({ types: { input: precision, output: precision } }),
    constants: { CHANNELS4: channels4 },
    bindings: { input: bindingOf(input), output: bindingOf(output) },
    uniforms: sizesOf(input, output),
    invocations: [height * width * channels4, images],
  });
  return { output, dispatches: [planned] };
}
