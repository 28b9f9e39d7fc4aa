// A batch norm that follows a convolution is a scale and a shift of each output channel, so at
// inference it becomes part of the convolution's own weights (spec: "Batch norm: eps 1e-5, running
// statistics").
import { PanppError } from '../errors.js';
import { elementCount } from './tensor.js';
import type { NamedTensor } from './tensor.js';

/** A batch norm's tensors, all of shape [channels], by PyTorch's names. */
export interface BatchNormTensors {
  readonly weight: NamedTensor;
  readonly bias: NamedTensor;
  readonly running_mean: NamedTensor;
  readonly running_var: NamedTensor;
}

/**
 * Folds a batch norm with running statistics into the convolution before it, in float64, rounded to
 * float32 once:
 *
 *     w' = w · γ / √(σ² + ε)        b' = (b − μ) · γ / √(σ² + ε) + β
 *
 * `convWeight` is [out channels, …] of any rank; `convBias`, if there is one, [out channels]. The
 * result has the layout of `convWeight` and a bias of [out channels].
 *
 * @param normName names the batch norm in errors, such as `model.pth: backbone.bn1`
 * @throws PanppError `weights` if a tensor does not hold floats, has the wrong size, or a variance
 * is negative.
 */
export function foldBatchNorm(
  convWeight: NamedTensor,
  norm: BatchNormTensors,
  convBias?: NamedTensor,
  eps = 1e-5,
  normName = 'batch norm',
): { weight: Float32Array<ArrayBuffer>; bias: Float32Array<ArrayBuffer> } {
  const channels = convWeight.shape[0] ?? 0;
  const source = floats('convolution weight', convWeight, elementCount(convWeight.shape));
  const gamma = floats(`${normName}.weight`, norm.weight, channels);
  const beta = floats(`${normName}.bias`, norm.bias, channels);
  const mean = floats(`${normName}.running_mean`, norm.running_mean, channels);
  const variance = floats(`${normName}.running_var`, norm.running_var, channels);
  const before = convBias && floats('convolution bias', convBias, channels);

  const weight = new Float32Array(source.length);
  const bias = new Float32Array(channels);
  const perChannel = channels === 0 ? 0 : source.length / channels;
  for (let channel = 0; channel < channels; channel += 1) {
    if (!(variance[channel] >= 0)) {
      throw new PanppError(
        'weights',
        `${normName}.running_var[${channel}] is ${variance[channel]}, and a variance can't be negative; the checkpoint is damaged`,
      );
    }
    const scale = gamma[channel] / Math.sqrt(variance[channel] + eps);
    bias[channel] = ((before?.[channel] ?? 0) - mean[channel]) * scale + beta[channel];
    const end = (channel + 1) * perChannel;
    for (let i = channel * perChannel; i < end; i += 1) weight[i] = source[i] * scale;
  }
  return { weight, bias };
}

function floats(what: string, tensor: NamedTensor, length: number): Float32Array {
  if (!(tensor.data instanceof Float32Array))
    throw new PanppError('weights', `${what} holds integers, not floats`);
  if (tensor.data.length !== length) {
    throw new PanppError('weights', `${what} has ${tensor.data.length} values, expected ${length}`);
  }
  return tensor.data;
}
