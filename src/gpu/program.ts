// Prepares a list of dispatches for repeated runs: compiles pipelines in parallel, assigns memory
// and builds bind groups.
import { PanppError, firstLine } from '../errors.js';
import { allocated, needLess } from './allocate.js';
import type { Gpu, GpuProfile } from './context.js';
import {
  type Dispatch,
  type Resource,
  type Slot,
  pipelineDescriptor,
  pipelineKey,
  pipelineOf,
} from './dispatch.js';
import { type MemoryPlan, isSlot, planMemory } from './memory.js';
import type { Timeline } from './timeline.js';
import { roundUp } from '../wgsl/struct.js';

/** Dispatches that are timed together, for example `network`. */
export interface Stage {
  readonly name: string;
  readonly dispatches: readonly Dispatch[];
}

type BufferResource = Exclude<Resource, GPUTextureView>;

interface Step {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: Dispatch['workgroups'];
}

/** A device's limits on buffer sizes. */
export type BufferLimits = Pick<GpuProfile, 'maxBindingBytes' | 'maxBufferBytes'>;

/**
 * Most dispatches that a program records before the GPU gets them. The first part is short, so that
 * the GPU begins early; its dispatches, the stem's, are the longest.
 */
const dispatchesOfPart = { first: 16, later: 48 };

export class Program {
  readonly #gpu: Gpu;
  readonly #stages: readonly { name: string; steps: readonly Step[] }[];
  readonly #buffers: readonly GPUBuffer[];
  readonly #uniforms: GPUBuffer | undefined;
  readonly #memory: MemoryPlan;

  private constructor(
    gpu: Gpu,
    stages: readonly { name: string; steps: readonly Step[] }[],
    buffers: readonly GPUBuffer[],
    uniforms: GPUBuffer | undefined,
    memory: MemoryPlan,
  ) {
    this.#gpu = gpu;
    this.#stages = stages;
    this.#buffers = buffers;
    this.#uniforms = uniforms;
    this.#memory = memory;
  }

  /**
   * Compiles pipelines and allocates memory. `pinned` slots never share memory, because the host
   * writes them before a run or reads them after it. `kept` slots hold their values from their
   * first use on, for stages that are recorded repeatedly. `todo` ends the message of an error for
   * too little memory.
   * @throws PanppError `argument` if a slot exceeds the binding or buffer limit or memory runs out;
   * `shader` if a dispatch does not compile or its bindings are invalid
   */
  static async create(
    gpu: Gpu,
    stages: readonly Stage[],
    pinned: readonly Slot[],
    kept: readonly Slot[] = [],
    todo = needLess,
  ): Promise<Program> {
    gpu.assertUsable();
    const dispatches = stages.flatMap((stage) => stage.dispatches);
    const memory = planMemory(dispatches, pinned, kept);
    assertFits(gpu, dispatches, todo);
    const pipelines = await settledAll(dispatches.map((dispatch) => pipelineOf(gpu, dispatch)));
    gpu.assertUsable();
    const { device } = gpu;
    const usage =
      GPUBufferUsage.STORAGE |
      GPUBufferUsage.UNIFORM |
      GPUBufferUsage.COPY_SRC |
      GPUBufferUsage.COPY_DST;
    const needed = Math.ceil(bytesOf(memory) / 2 ** 20);
    const buffers = await allocated(
      gpu,
      `the ${needed} MiB of GPU memory needed`,
      () =>
        memory.buffers.map((size, index) =>
          device.createBuffer({ label: `panpp memory ${index}`, size, usage }),
        ),
      (made) => made.forEach((buffer) => buffer.destroy()),
      todo,
    );
    device.pushErrorScope('validation');
    const uniforms = packUniforms(device, dispatches);
    const bufferOf = (resource: BufferResource) =>
      isSlot(resource) ? buffers[memory.bufferOf.get(resource)!] : resource;
    const steps = bindSteps(device, dispatches, pipelines, uniforms, bufferOf);
    const fault = await device.popErrorScope();
    if (fault) {
      for (const buffer of buffers) buffer.destroy();
      uniforms.buffer?.destroy();
      throw new PanppError(
        'shader',
        `a dispatch's bindings don't fit: ${firstLine(fault.message)}`,
      );
    }
    let taken = 0;
    const timed = stages.map(({ name, dispatches: own }) => ({
      name,
      steps: steps.slice(taken, (taken += own.length)),
    }));
    return new Program(gpu, timed, buffers, uniforms.buffer, memory);
  }

  /** Bytes of GPU memory that this program holds, without weights. */
  get bytes(): number {
    return bytesOf(this.#memory);
  }

  /** Peak of the live slots' bytes: a lower bound for `bytes`. */
  get liveBytes(): number {
    return this.#memory.liveBytes;
  }

  /** The buffer that holds a slot; shared with other slots unless the slot is pinned. */
  bufferOf(slot: Slot): GPUBuffer {
    const index = this.#memory.bufferOf.get(slot);
    if (index === undefined)
      throw new PanppError('argument', `no dispatch of this program uses ${slot.label}`);
    return this.#buffers[index];
  }

  /** Records all stages, or those named in `only`, one compute pass each. */
  encode(encoder: GPUCommandEncoder, timeline?: Timeline, only?: readonly string[]): void {
    this.#gpu.assertUsable();
    for (const { name, steps } of this.#chosen(only))
      encodePass(encoder, steps, { label: name, timestampWrites: timeline?.stage(name) });
  }

  /**
   * Like `encode`, but submits what it records in parts, so that the GPU begins while the host still
   * records. Returns the encoder of the last part, which the caller submits.
   */
  start(timeline?: Timeline, only?: readonly string[]): GPUCommandEncoder {
    this.#gpu.assertUsable();
    const { device } = this.#gpu;
    let encoder = device.createCommandEncoder();
    let room = dispatchesOfPart.first;
    for (const { name, steps } of this.#chosen(only)) {
      const times = timeline?.stage(name);
      let at = 0;
      do {
        if (room === 0) {
          device.queue.submit([encoder.finish()]);
          encoder = device.createCommandEncoder();
          room = dispatchesOfPart.later;
        }
        const part = steps.slice(at, at + room);
        const ends = { first: at === 0, last: at + part.length === steps.length };
        const timestampWrites = times && timesOfPart(times, ends);
        encodePass(encoder, part, { label: name, timestampWrites });
        at += part.length;
        room -= part.length;
      } while (at < steps.length);
    }
    return encoder;
  }

  #chosen(only?: readonly string[]) {
    return only ? this.#stages.filter(({ name }) => only.includes(name)) : this.#stages;
  }

  dispose(): void {
    for (const buffer of this.#buffers) buffer.destroy();
    this.#uniforms?.destroy();
  }
}

/** A stage's timestamps, for a part of it; none in its middle. */
function timesOfPart(
  { querySet, beginningOfPassWriteIndex, endOfPassWriteIndex }: GPUComputePassTimestampWrites,
  { first, last }: { first: boolean; last: boolean },
): GPUComputePassTimestampWrites | undefined {
  if (first && last) return { querySet, beginningOfPassWriteIndex, endOfPassWriteIndex };
  if (first) return { querySet, beginningOfPassWriteIndex };
  return last ? { querySet, endOfPassWriteIndex } : undefined;
}

/**
 * Runs dispatches once on existing buffers, in one command buffer that is submitted before this
 * returns. It does not wait for the GPU, so errors go to the device's error scopes.
 * @param pipelines one per dispatch; default: compiled here
 */
export function submitOnce(
  gpu: Gpu,
  label: string,
  dispatches: readonly Dispatch[],
  pipelines = compiledNow(gpu, dispatches),
): void {
  const { device } = gpu;
  const uniforms = packUniforms(device, dispatches);
  const encoder = device.createCommandEncoder({ label });
  encodePass(
    encoder,
    bindSteps(device, dispatches, pipelines, uniforms, (resource) => resource as GPUBuffer),
    { label },
  );
  device.queue.submit([encoder.finish()]);
  // The GPU still finishes submitted work that uses the buffer.
  uniforms.buffer?.destroy();
}

function compiledNow(gpu: Gpu, dispatches: readonly Dispatch[]): GPUComputePipeline[] {
  const made = new Map<string, GPUComputePipeline>();
  return dispatches.map((dispatch) => {
    const key = pipelineKey(dispatch);
    const pipeline =
      made.get(key) ?? gpu.device.createComputePipeline(pipelineDescriptor(gpu, dispatch));
    made.set(key, pipeline);
    return pipeline;
  });
}

function bindSteps(
  device: GPUDevice,
  dispatches: readonly Dispatch[],
  pipelines: readonly GPUComputePipeline[],
  uniforms: ReturnType<typeof packUniforms>,
  bufferOf: (resource: BufferResource) => GPUBuffer,
): Step[] {
  return dispatches.map((dispatch, index) => {
    const entries: GPUBindGroupEntry[] = dispatch.bindings.map(
      ({ binding, access, resource, range }) => ({
        binding,
        resource:
          access === 'texture'
            ? (resource as GPUTextureView)
            : {
                buffer: bufferOf(resource as BufferResource),
                offset: range?.offset,
                size: range?.bytes ?? sizeOf(resource as BufferResource),
              },
      }),
    );
    if (dispatch.uniforms)
      entries.push({
        binding: dispatch.uniforms.binding,
        resource: { buffer: uniforms.buffer!, ...uniforms.ranges[index] },
      });
    const layout = pipelines[index].getBindGroupLayout(0);
    return {
      pipeline: pipelines[index],
      bindGroup: device.createBindGroup({ label: dispatch.label, layout, entries }),
      workgroups: dispatch.workgroups,
    };
  });
}

function encodePass(
  encoder: GPUCommandEncoder,
  steps: readonly Step[],
  descriptor: GPUComputePassDescriptor,
): void {
  const pass = encoder.beginComputePass(descriptor);
  for (const { pipeline, bindGroup, workgroups } of steps) {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(...workgroups);
  }
  pass.end();
}

function bytesOf({ buffers }: MemoryPlan): number {
  return buffers.reduce((sum, bytes) => sum + bytes, 0);
}

// Waits for all before it throws, because a device must not be destroyed while pipelines compile.
async function settledAll<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}

function sizeOf(resource: BufferResource): number {
  return isSlot(resource) ? roundUp(resource.bytes, 4) : resource.size;
}

/**
 * The resource that comes closest to a device's limit on one binding or one buffer, as a share of
 * that limit.
 */
export function tightestFit(
  { maxBindingBytes, maxBufferBytes }: BufferLimits,
  dispatches: readonly Dispatch[],
) {
  let tightest = { share: 0, label: '', bytes: 0, allowed: 0, what: 'binding' };
  const look = (label: string, bytes: number, what: string, allowed: number) => {
    const share = bytes / allowed;
    if (share > tightest.share) tightest = { share, label, bytes, allowed, what };
  };
  for (const { resource: any, range, access } of dispatches.flatMap(
    (dispatch) => dispatch.bindings,
  )) {
    if (access === 'texture') continue;
    const resource = any as BufferResource;
    look(resource.label, range?.bytes ?? sizeOf(resource), 'binding', maxBindingBytes);
    look(resource.label, sizeOf(resource), 'buffer', maxBufferBytes);
  }
  return tightest;
}

function assertFits({ profile }: Gpu, dispatches: readonly Dispatch[], todo: string): void {
  const { share, label, bytes, allowed, what } = tightestFit(profile, dispatches);
  if (share <= 1) return;
  const [needed, most] = [bytes, allowed].map((count) => Math.ceil(count / 2 ** 20));
  throw new PanppError(
    'argument',
    `${label} needs ${needed} MiB in one ${what} and ${profile.adapter} allows ${most} MiB; ${todo}`,
  );
}

// One buffer for the uniforms of all dispatches. Offsets are aligned to the device's limit.
function packUniforms(device: GPUDevice, dispatches: readonly Dispatch[]) {
  const align = device.limits.minUniformBufferOffsetAlignment;
  let offset = 0;
  const ranges = dispatches.map((dispatch) => {
    const size = roundUp(dispatch.uniforms?.bytes.length ?? 0, 16);
    const range = { offset, size };
    offset += roundUp(size, align);
    return range;
  });
  if (offset === 0) return { buffer: undefined, ranges };
  const buffer = device.createBuffer({
    label: 'panpp uniforms',
    size: offset,
    usage: GPUBufferUsage.UNIFORM,
    mappedAtCreation: true,
  });
  const mapped = buffer.getMappedRange();
  dispatches.forEach((dispatch, index) => {
    if (dispatch.uniforms)
      new Uint8Array(mapped, ranges[index].offset).set(dispatch.uniforms.bytes);
  });
  buffer.unmap();
  return { buffer, ranges };
}
