// Turns named tensors into the weights that a plan binds: folds a checkpoint's batch norms into its
// convs, checks a converted file's tensors, and packs them on the GPU.
import { foldBatchNorm } from '../checkpoint/fold.js';
import { firstHalfOverflow } from '../half.js';
import type { NamedTensor } from '../checkpoint/tensor.js';
import { PanppError, shortened } from '../errors.js';
import type { Gpu } from '../gpu/context.js';
import type { Resource } from '../gpu/dispatch.js';
import { type PackedConv, packConv } from '../layers/conv/conv.js';
import { type ConvChoices, defaultChoices } from '../layers/conv/method.js';
import type { ConvWeights } from '../layers/conv/weights.js';
import { packDepthwise } from '../layers/fpem-filter.js';
import { type Packer, packWeights, placeholders } from '../layers/pack.js';
import { type Precision, type PrecisionChoice, choosePrecision } from '../layers/precision.js';
import { type Pyramid, packPyramidConv } from '../layers/conv/pyramid.js';
import type { ModelConfig } from './config.js';
import {
  checkpointTensorsOf,
  convolutionsOf,
  normParts,
  recognitionTensorsOf,
} from './parameters.js';

/**
 * Folded weights: `<conv>.weight` and, except for depthwise convs, `<conv>.bias`; the other tensors
 * of a recognition head unchanged.
 */
export type FoldedWeights = ReadonlyMap<string, NamedTensor>;

/** What a network's plan needs to know about its weights. */
export interface PlannedWeights {
  conv(name: string): PackedConv;
  depthwise(name: string): Resource;
  pyramidConv(name: string): Pyramid<PackedConv>;
  /** Storage precision of the weights and of the network's maps. */
  readonly precision: Precision;
}

/** The weights of a network on the GPU. */
export interface NetworkWeights extends PlannedWeights {
  /** GPU memory in bytes. */
  readonly bytes: number;
  /**
   * Resolves when the device has accepted the weights; work may be submitted earlier. Rejects with
   * PanppError `adapter` if they don't fit its memory.
   */
  readonly ready: Promise<void>;
  dispose(): void;
}

/**
 * Folds every batch norm of a checkpoint into the conv before it.
 * @param source name used in error messages, for example the checkpoint's file name
 * @throws PanppError `weights` if the tensors don't match the architecture (the message lists those
 * that are missing, unexpected or of the wrong shape), or for NaN or infinity (it names the first
 * such tensor)
 */
export function foldCheckpoint(
  tensors: ReadonlyMap<string, NamedTensor>,
  config: ModelConfig,
  source: string,
): FoldedWeights {
  assertSameNames(
    tensors,
    checkpointTensorsOf(config),
    source,
    /\.num_batches_tracked$|^n_averaged$/,
  );
  assertFinite(tensors, source);
  const folded = new Map<string, NamedTensor>();
  for (const { name, norm, bias, shape } of convolutionsOf(config)) {
    const weight = tensors.get(`${name}.weight`)!;
    const ownBias = bias ? tensors.get(`${name}.bias`)! : undefined;
    if (norm) {
      const [scale, shift, mean, variance] = normParts.map((part) =>
        tensors.get(`${norm}.${part}`)!,
      );
      const parts = { weight: scale, bias: shift, running_mean: mean, running_var: variance };
      const result = foldBatchNorm(weight, parts, ownBias, undefined, `${source}: ${norm}`);
      folded.set(`${name}.weight`, { shape, data: result.weight });
      folded.set(`${name}.bias`, { shape: [shape[0]], data: result.bias });
    } else {
      folded.set(`${name}.weight`, weight);
      if (ownBias) folded.set(`${name}.bias`, ownBias);
    }
  }
  for (const name of recognitionTensorsOf(config).keys()) folded.set(name, tensors.get(name)!);
  assertFinite(folded, `${source}, its batch norms folded into its convolutions`);
  return folded;
}

/**
 * Checks a converted file's tensors against its configuration.
 * @throws PanppError `weights`, as for `foldCheckpoint`
 */
export function assertFolded(tensors: FoldedWeights, config: ModelConfig, source: string): void {
  const expected = recognitionTensorsOf(config);
  for (const { name, shape, depthwise } of convolutionsOf(config)) {
    expected.set(`${name}.weight`, shape);
    if (!depthwise) expected.set(`${name}.bias`, [shape[0]]);
  }
  assertSameNames(tensors, expected, source);
  assertFinite(tensors, source);
}

function assertFinite(tensors: ReadonlyMap<string, NamedTensor>, source: string): void {
  for (const [name, { data }] of tensors) {
    if (!(data instanceof Float32Array)) continue;
    const at = firstNotFinite(data);
    if (at >= 0)
      throw new PanppError(
        'weights',
        `${source}: tensor ${shortened(name)} holds ${data[at]} (value ${at} of ${data.length}); it is damaged, or its training failed`,
      );
  }
}

// Checks the bits, which avoids a function call for each of millions of values.
function firstNotFinite(floats: Float32Array): number {
  const bits = new Uint32Array(floats.buffer, floats.byteOffset, floats.length);
  for (let at = 0; at < bits.length; at++) if ((bits[at] & 0x7f800000) === 0x7f800000) return at;
  return -1;
}

function assertSameNames(
  tensors: ReadonlyMap<string, NamedTensor>,
  expected: ReadonlyMap<string, readonly number[]>,
  source: string,
  ignored?: RegExp,
): void {
  const missing = [...expected.keys()].filter((name) => !tensors.has(name));
  const unexpected = [...tensors.keys()].filter(
    (name) => !expected.has(name) && !ignored?.test(name),
  );
  const misshapen = [...expected]
    .filter(
      ([name, shape]) => tensors.has(name) && tensors.get(name)!.shape.join() !== shape.join(),
    )
    .map(
      ([name, shape]) =>
        `${name} is ${tensors.get(name)!.shape.join('×') || 'a scalar'} where ${shape.join('×')} is expected`,
    );
  const faults = [
    missing.length > 0 && `${missing.length} missing (${listed(missing)})`,
    unexpected.length > 0 && `${unexpected.length} unexpected (${listed(unexpected)})`,
    misshapen.length > 0 && `${misshapen.length} of another shape (${listed(misshapen)})`,
  ].filter(Boolean);
  if (faults.length > 0)
    throw new PanppError(
      'weights',
      `${source} does not have this architecture's tensors: ${faults.join('; ')}`,
    );
}

function listed(names: readonly string[], most = 12): string {
  return (
    names
      .slice(0, most)
      .map((name) => shortened(name))
      .join(', ') + (names.length > most ? `, and ${names.length - most} more` : '')
  );
}

/** The convolutions that `planPyramidConv` splits. */
const pyramidConvs: ReadonlySet<string> = new Set(['det_head.conv1', 'rec_head.conv']);

/** Creates a GPU storage buffer that holds `data`. */
export function uploadBuffer({ device }: Gpu, label: string, data: Float32Array): GPUBuffer {
  const buffer = device.createBuffer({
    label,
    size: data.byteLength,
    usage: GPUBufferUsage.STORAGE,
    mappedAtCreation: true,
  });
  new Float32Array(buffer.getMappedRange()).set(data);
  buffer.unmap();
  return buffer;
}

/**
 * Packs the convolutions of folded weights on the GPU.
 * @param choice storage precision of weights and maps; `auto` is f16 on hardware that supports it
 * @param choices how convolutions are computed; default: the device's defaults
 * @param source name used in error messages
 * @throws PanppError `adapter` if the device has no f16; `weights` for a weight outside the range
 * of half precision
 */
export function uploadWeights(
  gpu: Gpu,
  tensors: FoldedWeights,
  config: ModelConfig,
  choice: PrecisionChoice = 'f32',
  choices: ConvChoices = defaultChoices(gpu.profile),
  source = 'weights',
): NetworkWeights {
  const precision = choosePrecision(choice, gpu.profile);
  if (precision === 'f16') assertHalves(tensors, config, source);
  const { packed, bytes, ready, dispose } = packWeights(gpu, precision, choices, (packer) =>
    packNetwork(packer, config, (name) => floats(tensors, name)),
  );
  return { ...packed, precision, bytes, ready, dispose };
}

// Biases stay float32.
function assertHalves(tensors: FoldedWeights, config: ModelConfig, source: string): void {
  for (const name of convolutionsOf(config).map((conv) => `${conv.name}.weight`)) {
    const values = floats(tensors, name);
    const at = firstHalfOverflow(values);
    if (at >= 0)
      throw new PanppError(
        'weights',
        `${source}: tensor ${shortened(name)} holds ${values[at]}, past half precision's range of 65504; load it with precision f32`,
      );
  }
}

/**
 * Placeholder weights without data, for plans that depend only on sizes. Their resources are empty.
 */
export function planWeights(
  config: ModelConfig,
  precision: Precision,
  choices: ConvChoices,
): PlannedWeights {
  return packNetwork(placeholders(precision, choices), config, () => new Float32Array(0));
}

/** Packs a network's convolutions. @param valuesOf returns a tensor's values by name */
function packNetwork(
  packer: Packer<ConvChoices>,
  config: ModelConfig,
  valuesOf: (name: string) => Float32Array,
): PlannedWeights {
  const convs = new Map<string, PackedConv>();
  const pyramids = new Map<string, Pyramid<PackedConv>>();
  const depthwises = new Map<string, Resource>();
  for (const { name, depthwise, shape, stride } of convolutionsOf(config)) {
    const [outChannels, inChannels, kernel] = shape;
    const weight = valuesOf(`${name}.weight`);
    if (depthwise) {
      depthwises.set(name, packDepthwise(packer, name, weight, outChannels));
      continue;
    }
    const conv: ConvWeights = {
      weight,
      bias: valuesOf(`${name}.bias`),
      outChannels,
      inChannels,
      kernel,
    };
    if (pyramidConvs.has(name)) pyramids.set(name, packPyramidConv(packer, name, conv));
    else convs.set(name, packConv(packer, name, conv, stride));
  }
  return {
    conv: (name) => convs.get(name)!,
    depthwise: (name) => depthwises.get(name)!,
    pyramidConv: (name) => pyramids.get(name)!,
    precision: packer.precision,
  };
}

/** The values of a tensor, as floats. */
export function floats(tensors: FoldedWeights, name: string): Float32Array {
  const { data } = tensors.get(name)!;
  return data instanceof Float32Array ? data : Float32Array.from(data, Number);
}
