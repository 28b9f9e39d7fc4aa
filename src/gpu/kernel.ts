// A kernel is data: WGSL, overrides, bindings and workgroup counts. Plans make kernels from shapes alone and are tested
// without a GPU; program.ts turns a list of them into pipelines, memory and one command buffer.
import { PanppError } from '../errors.js';
import type { Shader } from '../wgsl/assemble.js';
import type { Gpu } from './context.js';

/** A buffer that does not exist yet: identity and size. Memory is assigned when a program is built (see memory.ts). */
export interface Slot {
  readonly label: string;
  readonly bytes: number;
}

/** What a binding refers to: a planned buffer, or one that exists already (weights, for example). */
export type Resource = Slot | GPUBuffer;

/** A part of a buffer; the offset is a multiple of 256. */
export interface ByteRange {
  readonly offset: number;
  readonly bytes: number;
}

export interface Binding {
  readonly resource: Resource;
  /** The whole resource unless given. */
  readonly range?: ByteRange;
  /** `write` is read_write in WGSL; `uniform` is for settings that the host changes from run to run. */
  readonly access: 'read' | 'write' | 'uniform';
}

export interface Kernel {
  /** Shown in errors, captures and timings, for example `backbone.layer1.0.conv1`. */
  readonly label: string;
  readonly shader: Shader;
  /** Values of the WGSL `override` declarations: what a pipeline is specialised on. */
  readonly constants?: Readonly<Record<string, number>>;
  /** `@group(0)`, bound in this order from `@binding(0)`; the uniforms, if any, come last. */
  readonly bindings: readonly Binding[];
  /** Sizes that change with the image, as one WGSL struct of `u32`/`i32` members (`f32` via `floatBits`), in its order. */
  readonly uniforms?: readonly number[];
  readonly workgroups: readonly [x: number, y: number, z: number];
}

export const read = (resource: Resource): Binding => ({ resource, access: 'read' });
export const write = (resource: Resource): Binding => ({ resource, access: 'write' });
export const uniform = (resource: Resource): Binding => ({ resource, access: 'uniform' });

/** The bits of a float32, to pass it among `u32` uniforms. */
export function floatBits(value: number): number {
  return new Uint32Array(new Float32Array([value]).buffer)[0];
}

const maxWorkgroups = 65535;

/** Workgroup counts for `total` workgroups in a row, of each of `layers`: the second dimension takes what the first can't hold. */
export function gridOf(total: number, layers = 1): [number, number, number] {
  if (total <= maxWorkgroups) return [Math.max(total, 1), 1, layers];
  const rows = Math.ceil(total / maxWorkgroups);
  return [Math.ceil(total / rows), rows, layers];
}

/** The pipeline of a kernel; kernels of the same code, overrides and binding types share one. */
export function pipelineOf(gpu: Gpu, kernel: Kernel): Promise<GPUComputePipeline> {
  return gpu.pipelineOf(pipelineKey(kernel), () => compile(gpu.device, kernel));
}

/** What kernels that can share a pipeline have in common. */
export function pipelineKey({ bindings, uniforms, constants = {}, shader }: Kernel): string {
  const accesses = bindings.map((binding) => binding.access[0]).join('') + (uniforms ? 'u' : '');
  return JSON.stringify([accesses, constants]) + shader.code;
}

const bindingTypes = { read: 'read-only-storage', write: 'storage', uniform: 'uniform' } as const;

/** What a kernel's pipeline is made of. */
export function pipelineDescriptor(device: GPUDevice, kernel: Kernel): GPUComputePipelineDescriptor {
  const types: GPUBufferBindingType[] = kernel.bindings.map(({ access }) => bindingTypes[access]);
  if (kernel.uniforms) types.push('uniform');
  const layout = device.createPipelineLayout({
    label: kernel.label,
    bindGroupLayouts: [
      device.createBindGroupLayout({
        label: kernel.label,
        entries: types.map((type, binding) => ({ binding, visibility: GPUShaderStage.COMPUTE, buffer: { type } })),
      }),
    ],
  });
  const module = device.createShaderModule({ label: kernel.label, code: kernel.shader.code });
  return { label: kernel.label, layout, compute: { module, entryPoint: 'main', constants: kernel.constants } };
}

async function compile(device: GPUDevice, kernel: Kernel): Promise<GPUComputePipeline> {
  const descriptor = pipelineDescriptor(device, kernel);
  try {
    return await device.createComputePipelineAsync(descriptor);
  } catch (cause) {
    const { messages } = await descriptor.compute.module.getCompilationInfo();
    const error = messages.find((message) => message.type === 'error');
    const reason = error ? `${kernel.shader.place(error.lineNum)}: ${error.message}` : String((cause as Error).message).split('\n')[0];
    throw new PanppError('shader', `the shader of ${kernel.label} does not compile: ${reason}`, { cause });
  }
}
