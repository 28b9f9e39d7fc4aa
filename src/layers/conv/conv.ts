// 2-D convolution: packs its weights for the chosen method, and plans its dispatches.
import type { Dispatch, Resource } from '../../gpu/dispatch.js';
import type { ConvChoices, ConvClass, ConvMethod } from './method.js';
import type { WeightOrder } from './shape.js';
import type { ConvWeights } from './weights.js';
import type { TileChooser } from './tiles/kinds.js';
import { planDirectConv } from './direct.js';
import { type FeatureMap, bindingOf, featureMap, vec4s } from '../feature-map.js';
import type { Packer } from '../pack.js';
import type { Precision } from '../precision.js';
import { planWinograd, winogradPlaces } from './winograd.js';

/**
 * Packed weights on the GPU, with the properties that plans need. Channel counts are padded to a
 * multiple of 4.
 */
export interface PackedConv {
  readonly method: ConvMethod;
  readonly tiles: TileChooser;
  /** As in `ConvChoices`. */
  readonly bandBytes: number;
  readonly weights: Resource;
  readonly weightOrder: WeightOrder;
  /** How the weights are stored; the bias is float32. */
  readonly precision: Precision;
  readonly bias: Resource;
  readonly outChannels: number;
  readonly inChannels: number;
  readonly kernel: number;
  readonly stride: number;
}

/** Packs a conv for its method; `given` overrides the packer's choice. */
export function packConv(
  packer: Packer<ConvChoices>,
  label: string,
  conv: ConvWeights,
  stride = 1,
  given?: ConvMethod,
): PackedConv {
  const { weight, bias, outChannels, inChannels, kernel } = conv;
  const taps = kernel * kernel;
  const { outStride = inChannels * taps } = conv;
  const [paddedIn, paddedOut] = [inChannels, outChannels].map((channels) => vec4s(channels) * 4);
  const { precision, choices } = packer;
  const convClass: ConvClass = {
    kernel,
    stride,
    inChannels: paddedIn,
    outChannels: paddedOut,
    precision,
  };
  const method = given ?? choices.method(convClass);
  const winograd = method === 'winograd';
  const weightOrder = choices.weightOrder(convClass);
  const places = winograd ? winogradPlaces : taps;
  const weights = packer.pack(label, weight, {
    ...(weightOrder === 'input'
      ? {
          counts: [places, paddedOut, paddedIn],
          used: [outChannels, inChannels],
          strides: [1, outStride, taps],
        }
      : {
          counts: [places, paddedIn, paddedOut],
          used: [inChannels, outChannels],
          strides: [1, taps, outStride],
        }),
    winograd,
  });
  return {
    method,
    weights,
    weightOrder,
    precision,
    bias: packer.bias(label, bias),
    tiles: choices.tile,
    bandBytes: choices.bandBytes,
    outChannels: paddedOut,
    inChannels: paddedIn,
    kernel,
    stride,
  };
}

export interface ConvOptions {
  relu?: boolean;
  /** Added before the ReLU; has the output's shape and precision. */
  residual?: FeatureMap;
  /** How the output is stored. Default: the weights' precision. */
  precision?: Precision;
}

/** Plans `relu(conv(input) + bias + residual)` with padding kernel / 2. */
export function planConv(
  label: string,
  input: FeatureMap,
  conv: PackedConv,
  { relu = false, residual, precision = conv.precision }: ConvOptions = {},
): { output: FeatureMap; dispatches: Dispatch[] } {
  const { kernel, stride, outChannels } = conv;
  const outSize = (size: number) => Math.floor((size + 2 * (kernel >> 1) - kernel) / stride) + 1;
  const { images } = input;
  const output = featureMap(
    label,
    outSize(input.height),
    outSize(input.width),
    outChannels,
    precision,
    images,
  );
  if (conv.method === 'winograd')
    return { output, dispatches: planWinograd({ label, input, output, ...conv, relu, residual }) };
  // A 1×1 conv with stride 1 can process consecutive images as one tall image.
  const isOne = kernel === 1 && stride === 1;
  const [high, wide] = [images * input.height, input.width];
  const planned = planDirectConv(conv.tiles, {
    label,
    input: bindingOf(input),
    output: bindingOf(output),
    ...(isOne
      ? { sizes: [high, wide, high, wide] }
      : {
          sizes: [input.height, input.width, output.height, output.width],
          batches: images,
          sharedWeights: true,
        }),
    weights: conv.weights,
    weightOrder: conv.weightOrder,
    bias: conv.bias,
    inChannels: conv.inChannels,
    outChannels,
    kernel,
    stride,
    types: { input: input.precision, weight: conv.precision, output: output.precision },
    relu,
    residual: residual && bindingOf(residual),
  });
  return { output, dispatches: [planned] };
}
