// Packs weights on the GPU in the order that the layers' shaders read (shaders/pack_weights.wgsl).
// Tensors are uploaded unchanged; the GPU reorders, transforms and narrows them in one command
// buffer.
import source from '../../shaders/pack_weights.wgsl';
import { PanppError, firstLine } from '../errors.js';
import type { Gpu } from '../gpu/context.js';
import { type Dispatch, type Resource, dispatch } from '../gpu/dispatch.js';
import { submitOnce } from '../gpu/program.js';
import { shaderOf } from '../wgsl/assemble.js';
import { vec4s } from './feature-map.js';
import { type Precision, valueBytes } from './precision.js';

const shader = shaderOf(source);

type Triple = readonly [number, number, number];

/**
 * packed[i][j][k] = tensor[i·strides[0] + j·strides[1] + k·strides[2] + offset]; zero where j or k
 * is not `used`.
 */
export interface PackOrder {
  readonly counts: Triple;
  /** Counts of j and k that have weights. Default: all. */
  readonly used?: readonly [number, number];
  readonly strides: Triple;
  readonly offset?: number;
  /**
   * i is one of the 36 positions in a transformed 3×3 kernel. The kernel's 9 values are contiguous
   * in the tensor.
   */
  readonly winograd?: boolean;
}

/**
 * Packs the weights of layers.
 * @typeParam Choices the choices for layers that can be computed in several ways
 */
export interface Packer<Choices = unknown> {
  /** How weights are stored; biases are always float32. */
  readonly precision: Precision;
  readonly choices: Choices;
  /** Packs a tensor in another order. */
  pack(label: string, tensor: Float32Array, order: PackOrder): Resource;
  /** Packs a bias, padded with zeros to a multiple of 4. */
  bias(label: string, values: Float32Array): Resource;
}

/**
 * A packer that only returns slots of the packed sizes, for plans that are inspected but not run.
 */
export function placeholders<Choices>(precision: Precision, choices: Choices): Packer<Choices> {
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
export class WeightPacker<Choices = unknown> implements Packer<Choices> {
  readonly dispatches: Dispatch[] = [];
  readonly buffers: GPUBuffer[] = [];
  readonly tensors = new Map<Float32Array, GPUBuffer>();

  constructor(
    readonly gpu: Gpu,
    readonly precision: Precision,
    readonly choices: Choices,
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
   * Resolves when the device has accepted the weights. Rejects with PanppError `adapter` if it
   * can't store them.
   */
  readonly ready: Promise<void>;
  readonly dispose: () => void;
}

/** Packs weights. Work that is submitted to the device afterwards can use them. */
export function packWeights<T, Choices>(
  gpu: Gpu,
  precision: Precision,
  choices: Choices,
  pack: (packer: WeightPacker<Choices>) => T,
): PackedWeights<T> {
  const { device } = gpu;
  const packer = new WeightPacker(gpu, precision, choices);
  const { buffers, tensors } = packer;
  const dispose = () => buffers.forEach((buffer) => buffer.destroy());
  const scopes = ['out-of-memory', 'validation'] as const;
  for (const scope of scopes) device.pushErrorScope(scope);
  const packed = pack(packer);
  submitOnce(gpu, 'weights', packer.dispatches);
  const bytes = buffers.reduce((sum, { size }) => sum + size, 0);
  const ready = Promise.all(scopes.map(() => device.popErrorScope())).then((faults) => {
    const fault = faults.find(Boolean);
    if (!fault) return;
    dispose();
    throw new PanppError(
      'adapter',
      `${gpu.profile.adapter} can't store the ${Math.ceil(bytes / 2 ** 20)} MiB of weights: ${firstLine(fault.message)}`,
    );
  });
  tensors.forEach((tensor) => tensor.destroy());
  return { packed, bytes, ready, dispose };
}
