// A dispatch is data: a shader, overrides, bindings and workgroup counts. Plans make dispatches
// from shapes alone, and are tested without a GPU; program.ts turns a list of them into pipelines,
// memory and one command buffer.
import { PanppError, firstLine } from '../errors.js';
import type { Shader } from '../wgsl/assemble.js';
import type { DeclaredBinding } from '../wgsl/declarations.js';
import type { Values } from '../wgsl/struct.js';
import type { Gpu } from './context.js';

/**
 * A planned buffer: identity and size. Memory is assigned when a program is built (see memory.ts).
 */
export interface Slot {
  readonly label: string;
  readonly bytes: number;
}

/** What a binding refers to: a planned buffer or an existing resource (weights, for example). */
export type Resource = Slot | GPUBuffer | GPUTextureView;

/** A part of a buffer; the offset is a multiple of 256. */
export interface ByteRange {
  readonly offset: number;
  readonly bytes: number;
}

/** A resource, or a part of it. */
export type Bindable = Resource | { readonly resource: Resource; readonly range?: ByteRange };

/** A binding of a shader with its resource. */
export interface Binding extends Pick<DeclaredBinding, 'binding' | 'access'> {
  readonly resource: Resource;
  /** Default: the whole resource. */
  readonly range?: ByteRange;
}

export interface Dispatch {
  /** Shown in errors, captures and timings, for example `backbone.layer1.0.conv1`. */
  readonly label: string;
  readonly shader: Shader;
  /** Values of the WGSL `override` declarations, which specialise the pipeline. */
  readonly constants?: Readonly<Record<string, number>>;
  /** All of the shader's bindings except that of `uniforms`. */
  readonly bindings: readonly Binding[];
  /** Values that change with the image's size, in the shader's memory layout. */
  readonly uniforms?: { readonly binding: number; readonly bytes: Uint8Array };
  readonly workgroups: readonly [x: number, y: number, z: number];
}

/** A dispatch described with the names that its shader declares. */
export interface DispatchPlan extends Pick<Dispatch, 'label' | 'shader' | 'constants'> {
  /** Resources by the names of the shader's variables in `@group(0)`. */
  readonly bindings: Readonly<Record<string, Bindable>>;
  /** Members of the uniform buffer that is not in `bindings`. */
  readonly uniforms?: Values;
  /**
   * Number of invocations, for shaders whose workgroup size is a literal; `layers` is the third
   * dimension of the workgroup grid.
   */
  readonly invocations?: readonly [count: number, layers?: number];
  /** Used instead of `invocations`. */
  readonly workgroups?: Dispatch['workgroups'];
}

/**
 * Makes a dispatch.
 * @throws PanppError `shader` for unknown or missing names and for values of the wrong type
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
    workgroups: workgroups ?? gridOf(Math.ceil(count / (shader.width() ?? 1)), layers),
  };
}

const maxWorkgroups = 65535;

/**
 * The workgroup grid for `total` workgroups in each of `layers`. The second dimension is used where
 * the first would exceed its limit.
 */
export function gridOf(total: number, layers = 1): [number, number, number] {
  if (total <= maxWorkgroups) return [Math.max(total, 1), 1, layers];
  const rows = Math.ceil(total / maxWorkgroups);
  return [Math.ceil(total / rows), rows, layers];
}

/** The parts of a dispatch that define its pipeline. */
export type Pipelined = Pick<Dispatch, 'label' | 'shader' | 'constants'>;

/** The pipeline of a dispatch; dispatches with the same code and overrides share one. */
export function pipelineOf(gpu: Gpu, dispatch: Pipelined): Promise<GPUComputePipeline> {
  return gpu.pipelineOf(pipelineKey(dispatch), () => compile(gpu, dispatch));
}

/** A key that is equal for dispatches that can share a pipeline. */
export function pipelineKey({ constants = {}, shader }: Pipelined): string {
  return JSON.stringify(constants) + shader.code;
}

const bufferTypes = { read: 'read-only-storage', write: 'storage', uniform: 'uniform' } as const;

/** The WebGPU descriptor of a dispatch's pipeline. */
export function pipelineDescriptor(
  { device, profile: { pinnedSubgroupSize } }: Gpu,
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
  // WGSL requires the workgroup size along x to be a multiple of the subgroup size.
  const isPinned = pinnedSubgroupSize && (shader.width(constants) ?? 1) % pinnedSubgroupSize === 0;
  const size = shader.subgroupSize ?? (isPinned ? pinnedSubgroupSize : undefined);
  const code = size === undefined ? shader.code : shader.pinned(size);
  return {
    label,
    layout,
    compute: {
      module: device.createShaderModule({ label, code }),
      entryPoint: 'main',
      constants,
    },
  };
}

async function compile(gpu: Gpu, dispatch: Pipelined): Promise<GPUComputePipeline> {
  const descriptor = pipelineDescriptor(gpu, dispatch);
  try {
    return await gpu.wait(gpu.device.createComputePipelineAsync(descriptor));
  } catch (cause) {
    const { messages } = await descriptor.compute.module.getCompilationInfo();
    const error = messages.find((message) => message.type === 'error');
    const reason = error
      ? `${dispatch.shader.place(error.lineNum)}: ${error.message}`
      : firstLine(cause);
    throw new PanppError('shader', `the shader of ${dispatch.label} does not compile: ${reason}`, {
      cause,
    });
  }
}
