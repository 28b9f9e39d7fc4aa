// Weights on the GPU in the order that the layers' shaders read them (shaders/pack_weights.wgsl).
// Tensors go up as they are; the GPU reorders, transforms and narrows them, all in one command
// buffer.
import source from '../../shaders/pack_weights.wgsl';
import { PanppError } from '../errors.js';
import type { Gpu } from '../gpu/context.js';
import { type Dispatch, type Resource, dispatch } from '../gpu/dispatch.js';
import { submitOnce } from '../gpu/program.js';
import { shaderOf } from '../wgsl/assemble.js';
import { type ConvChoices, defaultChoices } from './conv/method.js';
import { vec4s } from './feature-map.js';
import { type Precision, valueBytes } from './precision.js';

const shader = shaderOf(source);

type Triple = readonly [number, number, number];

/**
 * packed[i][j][k] = tensor[i·strides[0] + j·strides[1] + k·strides[2] + offset]; zero where j and k
 * are not `used`.
 */
export interface PackOrder {
  readonly counts: Triple;
  /** As many of j and k; all unless given. */
  readonly used?: readonly [number, number];
  readonly strides: Triple;
  readonly offset?: number;
  /**
   * i is one of 36 places in a transformed 3×3 kernel, whose 9 values lie together in the tensor.
   */
  readonly winograd?: boolean;
}

/** What layers pack their weights with. */
export interface Packer {
  /** How weights are stored; biases are float32 always. */
  readonly precision: Precision;
  /** How convolutions are computed. */
  readonly choices: ConvChoices;
  /** A tensor in another order. */
  pack(label: string, tensor: Float32Array, order: PackOrder): Resource;
  /** A bias, padded with zeros to fours. */
  bias(label: string, values: Float32Array): Resource;
}

/**
 * Packs nothing: places of the sizes that packed weights have, for plans that are only looked at.
 */
export function placeholders(precision: Precision, choices: ConvChoices): Packer {
  return {
    precision,
    choices,
    pack: (label, _, { counts }) => ({
      label,
      bytes: counts[0] * counts[1] * counts[2] * valueBytes[precision],
    }),
    bias: (label, values) => ({ label, bytes: vec4s(values.length) * 16 }),
  };
}

/** Packs on the GPU; see `packWeights`. */
export class WeightPacker implements Packer {
  readonly dispatches: Dispatch[] = [];
  readonly buffers: GPUBuffer[] = [];
  readonly tensors = new Map<Float32Array, GPUBuffer>();

  constructor(
    readonly gpu: Gpu,
    readonly precision: Precision,
    readonly choices: ConvChoices,
  ) {}

  pack(
    label: string,
    tensor: Float32Array,
    { counts, used, strides, offset = 0, winograd = false }: PackOrder,
  ): GPUBuffer {
    const plane = counts[1] * counts[2];
    const packed = this.#create(label, counts[0] * plane * valueBytes[this.precision]);
    let source = this.tensors.get(tensor);
    if (!source)
      this.tensors.set(tensor, (source = this.#create(label, tensor.byteLength, tensor)));
    this.buffers.push(packed);
    this.dispatches.push(
      dispatch({
        label,
        shader: shader({ types: { output: this.precision }, counts: { p: 6 } }),
        constants: { WINOGRAD: Number(winograd) },
        bindings: { tensor: source, packed },
        uniforms: { counts, offset, strides, used: used ?? counts.slice(1) },
        invocations: [plane],
      }),
    );
    return packed;
  }

  bias(label: string, values: Float32Array): GPUBuffer {
    const buffer = this.#create(label, vec4s(values.length) * 16, values);
    this.buffers.push(buffer);
    return buffer;
  }

  #create(label: string, size: number, values?: Float32Array): GPUBuffer {
    const { device } = this.gpu;
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
    const buffer = device.createBuffer({ label, size, usage });
    if (values) device.queue.writeBuffer(buffer, 0, values as Float32Array<ArrayBuffer>);
    return buffer;
  }
}

export interface PackedWeights<T> {
  readonly packed: T;
  /** Bytes of GPU memory held. */
  readonly bytes: number;
  /**
   * Kept when the device has accepted them. @throws PanppError `adapter` if they are too much for
   * it
   */
  readonly ready: Promise<void>;
  readonly dispose: () => void;
}

/** Packs weights; whatever is submitted to the device afterwards finds them in place. */
export function packWeights<T>(
  gpu: Gpu,
  precision: Precision,
  pack: (packer: WeightPacker) => T,
  choices = defaultChoices(gpu.profile),
): PackedWeights<T> {
  const { device } = gpu;
  const packer = new WeightPacker(gpu, precision, choices);
  const { buffers, tensors } = packer;
  const dispose = () => buffers.forEach((buffer) => buffer.destroy());
  const scopes = ['out-of-memory', 'validation'] as const;
  for (const scope of scopes) device.pushErrorScope(scope);
  const packed = pack(packer);
  submitOnce(gpu, 'weights', packer.dispatches);
  const ready = Promise.all(scopes.map(() => device.popErrorScope())).then((faults) => {
    const fault = faults.find(Boolean);
    if (!fault) return;
    dispose();
    throw new PanppError(
      'adapter',
      `${gpu.profile.adapter} does not take the weights: ${fault.message.split('\n')[0]}`,
    );
  });
  tensors.forEach((tensor) => tensor.destroy());
  return { packed, bytes: buffers.reduce((sum, { size }) => sum + size, 0), ready, dispose };
}
