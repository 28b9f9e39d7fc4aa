// A dispatch is data: a shader, overrides, bindings and workgroup counts. Plans make dispatches from
// shapes alone and are tested without a GPU; program.ts turns a list of them into pipelines, memory
// and one command buffer.
import { PanppError } from '../errors.js';
import type { Shader } from '../wgsl/assemble.js';
import type { DeclaredBinding } from '../wgsl/declarations.js';
import type { Values } from '../wgsl/struct.js';
import type { Gpu } from './context.js';

/**
 * A buffer that does not exist yet: identity and size. Memory is assigned when a program is built
 * (see memory.ts).
 */
export interface Slot {
  readonly label: string;
  readonly bytes: number;
}

/** What a binding refers to: a planned buffer, or what exists already (weights, for example). */
export type Resource = Slot | GPUBuffer | GPUTextureView;

/** A part of a buffer; the offset is a multiple of 256. */
export interface ByteRange {
  readonly offset: number;
  readonly bytes: number;
}

/** A resource, or a part of it. */
export type Bindable = Resource | { readonly resource: Resource; readonly range?: ByteRange };

/** A binding of a shader with what it refers to. */
export interface Binding extends Pick<DeclaredBinding, 'binding' | 'access'> {
  readonly resource: Resource;
  /** The whole resource unless given. */
  readonly range?: ByteRange;
}

export interface Dispatch {
  /** Shown in errors, captures and timings, for example `backbone.layer1.0.conv1`. */
  readonly label: string;
  readonly shader: Shader;
  /** Values of the WGSL `override` declarations: what a pipeline is specialised on. */
  readonly constants?: Readonly<Record<string, number>>;
  /** All of the shader's bindings but that of `uniforms`. */
  readonly bindings: readonly Binding[];
  /** What changes with the image's size, as the shader has it in memory. */
  readonly uniforms?: { readonly binding: number; readonly bytes: Uint8Array };
  readonly workgroups: readonly [x: number, y: number, z: number];
}

/** A dispatch by the names that its shader declares. */
export interface DispatchPlan extends Pick<Dispatch, 'label' | 'shader' | 'constants'> {
  /** By the names of the shader's variables in `@group(0)`. */
  readonly bindings: Readonly<Record<string, Bindable>>;
  /** Members of the one uniform that `bindings` leaves out. */
  readonly uniforms?: Values;
  /**
   * How many invocations there are, where the shader's workgroup size is a number; and how often,
   * along the third dimension.
   */
  readonly invocations?: readonly [count: number, layers?: number];
  /** Unless `invocations` are given. */
  readonly workgroups?: Dispatch['workgroups'];
}

/**
 * Makes a dispatch.
 * @throws PanppError `shader` for names that the shader does not have, names that are left out, and
 * values of the wrong type
 */
export function dispatch({
  label,
  shader,
  constants,
  bindings,
  uniforms,
  invocations,
  workgroups,
}: DispatchPlan): Dispatch {
  const refuse = (what: string): never => {
    throw new PanppError('shader', `${label}: ${what}`);
  };
  const bound: Binding[] = [];
  let packed: Dispatch['uniforms'];
  for (const { name, binding, access, type } of shader.bindings) {
    const given = bindings[name];
    if (given)
      bound.push({ binding, access, ...('resource' in given ? given : { resource: given }) });
    else if (access === 'uniform' && uniforms && !packed)
      packed = { binding, bytes: shader.layout(type).pack(uniforms, `${label}: ${type}`) };
    else refuse(`${name} is not bound`);
  }
  const unknown = Object.keys(bindings).find(
    (name) => !shader.bindings.some((declared) => declared.name === name),
  );
  if (unknown ?? (uniforms && !packed)) refuse(`the shader does not bind ${unknown ?? 'uniforms'}`);
  const [count, layers] = invocations ?? [1];
  return {
    label,
    shader,
    constants,
    bindings: bound,
    uniforms: packed,
    workgroups: workgroups ?? gridOf(Math.ceil(count / shader.lanes), layers),
  };
}

const maxWorkgroups = 65535;

/**
 * Workgroup counts for `total` workgroups in a row, of each of `layers`: the second dimension takes
 * what the first can't hold.
 */
export function gridOf(total: number, layers = 1): [number, number, number] {
  if (total <= maxWorkgroups) return [Math.max(total, 1), 1, layers];
  const rows = Math.ceil(total / maxWorkgroups);
  return [Math.ceil(total / rows), rows, layers];
}

/** What a pipeline is made of. */
export type Pipelined = Pick<Dispatch, 'label' | 'shader' | 'constants'>;

/** The pipeline of a dispatch; dispatches of the same code and overrides share one. */
export function pipelineOf(gpu: Gpu, dispatch: Pipelined): Promise<GPUComputePipeline> {
  return gpu.pipelineOf(pipelineKey(dispatch), () => compile(gpu.device, dispatch));
}

/** What dispatches that can share a pipeline have in common. */
export function pipelineKey({ constants = {}, shader }: Pipelined): string {
  return JSON.stringify(constants) + shader.code;
}

const bufferTypes = { read: 'read-only-storage', write: 'storage', uniform: 'uniform' } as const;

/** What a dispatch's pipeline is made from. */
export function pipelineDescriptor(
  device: GPUDevice,
  { label, shader, constants }: Pipelined,
): GPUComputePipelineDescriptor {
  const entries = shader.bindings.map(({ binding, access }) => ({
    binding,
    visibility: GPUShaderStage.COMPUTE,
    ...(access === 'texture' ? { texture: {} } : { buffer: { type: bufferTypes[access] } }),
  }));
  const layout = device.createPipelineLayout({
    label,
    bindGroupLayouts: [device.createBindGroupLayout({ label, entries })],
  });
  return {
    label,
    layout,
    compute: {
      module: device.createShaderModule({ label, code: shader.code }),
      entryPoint: 'main',
      constants,
    },
  };
}

async function compile(device: GPUDevice, dispatch: Pipelined): Promise<GPUComputePipeline> {
  const descriptor = pipelineDescriptor(device, dispatch);
  try {
    return await device.createComputePipelineAsync(descriptor);
  } catch (cause) {
    const { messages } = await descriptor.compute.module.getCompilationInfo();
    const error = messages.find((message) => message.type === 'error');
    const reason = error
      ? `${dispatch.shader.place(error.lineNum)}: ${error.message}`
      : String((cause as Error).message).split('\n')[0];
    throw new PanppError('shader', `the shader of ${dispatch.label} does not compile: ${reason}`, {
      cause,
    });
  }
}
