// 2-D convolution: packs its weights for the chosen method, and plans its dispatches.
import type { Dispatch, Resource } from '../../gpu/dispatch.js';
import type { ConvChoices, ConvClass, ConvMethod } from './method.js';
import type { WeightOrder } from './shape.js';
import type { ConvWeights } from './weights.js';
import type { TileChooser } from './tiles/kinds.js';
import { type DirectConvPlan, planDirectConv } from './direct.js';
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
  const output = outputMap(label, input, conv, precision);
  if (conv.method === 'winograd')
    return { output, dispatches: planWinograd({ label, input, output, ...conv, relu, residual }) };
  const planned = planDirectConv(conv.tiles, {
    ...directPlan(label, input, conv, output),
    relu,
    residual: residual && bindingOf(residual),
  });
  return { output, dispatches: [planned] };
}

/**
 * Plans `output = relu(conv(input) + bias)` and `total = output + addend` in one dispatch, for a
 * 1×1 convolution. `addend` has the output's shape, and the weights' precision.
 */
export function planSummedConv(
  label: string,
  input: FeatureMap,
  conv: PackedConv,
  addend: FeatureMap,
): { output: FeatureMap; total: FeatureMap; dispatches: Dispatch[] } {
  const output = outputMap(label, input, conv, conv.precision);
  const total = outputMap(`${label}.total`, input, conv, conv.precision);
  const planned = planDirectConv(conv.tiles, {
    ...directPlan(label, input, conv, output),
    relu: true,
    sum: { addend: bindingOf(addend), total: bindingOf(total) },
  });
  return { output, total, dispatches: [planned] };
}

function outputMap(
  label: string,
  { height, width, images }: FeatureMap,
  { kernel, stride, outChannels }: PackedConv,
  precision: Precision,
): FeatureMap {
  const outSize = (size: number) => Math.floor((size + 2 * (kernel >> 1) - kernel) / stride) + 1;
  return featureMap(label, outSize(height), outSize(width), outChannels, precision, images);
}

function directPlan(
  label: string,
  input: FeatureMap,
  { weights, weightOrder, bias, inChannels, outChannels, kernel, stride, precision }: PackedConv,
  output: FeatureMap,
): DirectConvPlan {
  const { images, height, width } = input;
  // A 1×1 conv with stride 1 can process consecutive images as one tall image.
  const isOne = kernel === 1 && stride === 1;
  return {
    label,
    input: bindingOf(input),
    output: bindingOf(output),
    ...(isOne
      ? { sizes: [images * height, width, images * height, width] }
      : {
          sizes: [height, width, output.height, output.width],
          batches: images,
          sharedWeights: true,
        }),
    weights,
    weightOrder,
    bias,
    inChannels,
    outChannels,
    kernel,
    stride,
    types: { input: input.precision, weight: precision, output: output.precision },
  };
}
