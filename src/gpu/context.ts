// Opens GPU devices. Only this file requests features and limits, and names adapters.
// The declarations name WebGPU's objects, which belong to the DOM library since TypeScript 6. A
// project for Node may do without that library; `preserve` keeps this line in the declarations.
/// <reference lib="dom" preserve="true" />
import { PanppError, firstLine } from '../errors.js';
import { checkOptions } from '../options.js';

/** Identity and capabilities of a device; part of every benchmark record. */
export interface GpuProfile {
  /**
   * The driver's name for the adapter, for example `NVIDIA H100 80GB HBM3` or `llvmpipe (LLVM
   * 15.0.6, 256 bits)`.
   */
  readonly adapter: string;
  /** As in WebGPU's `GPUAdapterInfo`, for example `nvidia`. */
  readonly vendor: string;
  /** The GPU family, also from `GPUAdapterInfo`, for example `ampere`. */
  readonly architecture: string;
  /** True for an adapter that computes on the CPU. */
  readonly software: boolean;
  /** 16-bit floats in shaders (`shader-f16`). */
  readonly f16: boolean;
  /** Subgroup operations in shaders (`subgroups`). */
  readonly subgroups: boolean;
  /** Invocations in a subgroup, if all subgroups have the same size. */
  readonly subgroupSize?: number;
  /**
   * Subgroup size that shaders are compiled for, if the adapter offers several and its driver is
   * known to choose badly: Intel's compiler chooses wide subgroups, which leave each invocation too
   * few registers.
   */
  readonly pinnedSubgroupSize?: number;
  /**
   * What the GPU's matrix units compute (tensor cores), if shaders can use them. Experimental in
   * Dawn: needs the toggle `allow_unsafe_apis`.
   */
  readonly subgroupMatrix?: SubgroupMatrix;
  /** GPU timestamps (`timestamp-query`); without them, timings are wall-clock only. */
  readonly timestamps: boolean;
  /** Largest workgroup memory, bytes. */
  readonly maxWorkgroupBytes: number;
  /** Largest part of a buffer that a dispatch can bind, bytes. */
  readonly maxBindingBytes: number;
  /** Largest buffer, bytes. */
  readonly maxBufferBytes: number;
  /** Enabled Dawn toggles; empty in a browser. */
  readonly toggles: readonly string[];
}

/**
 * A product of matrices that a subgroup computes: M × K times K × N in 16-bit floats, summed in
 * float32.
 */
export interface SubgroupMatrix {
  /** Rows of the left matrix. */
  readonly M: number;
  /** Columns of the right matrix. */
  readonly N: number;
  /** Columns of the left matrix, rows of the right one. */
  readonly K: number;
  /** Invocations of a subgroup that computes it. */
  readonly subgroup: number;
  /**
   * Whether shaders must ask for that subgroup size, because the adapter offers several; then it is
   * the smallest.
   */
  readonly pinned: boolean;
}

/** Where a device comes from: the browser, unless `adapter` or `device` is set. */
export interface GpuRequest {
  /**
   * The adapter to use. Default: a high-performance adapter from `navigator.gpu`.
   */
  adapter?: GPUAdapter;
  /** An existing device, used unchanged and not destroyed by `dispose()`. */
  device?: GPUDevice;
  /** Recorded in the profile. */
  toggles?: readonly string[];
}

// Not in @webgpu/types yet.
const subgroupSizeFeature = 'subgroup-size-control' as GPUFeatureName;
const subgroupMatrixFeature = 'chromium-experimental-subgroup-matrix' as GPUFeatureName;
const wantedFeatures: readonly GPUFeatureName[] = [
  'timestamp-query',
  'shader-f16',
  'subgroups',
  subgroupSizeFeature,
  subgroupMatrixFeature,
];
const wantedLimits = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxTextureDimension2D',
] as const;

/**
 * Awaits a promise that the GPU or its driver settles. What runs meanwhile depends on the platform.
 */
export type Wait = <T>(settled: Promise<T>) => Promise<T>;

/** A GPU device with its compiled pipelines and its state (usable, lost or disposed). */
export class Gpu {
  /** Identity and capabilities of the device. */
  readonly profile: GpuProfile;
  /**
   * The device, for a caller's own GPU work. In Node, indices in the caller's shaders are not
   * clamped and their workgroup memory is not cleared, unless the Gpu was opened with
   * `disabledToggles: ['disable_robustness', 'disable_workgroup_init']`.
   */
  readonly device: GPUDevice;
  /** Compiled pipelines by key; see `pipelineKey` in dispatch.ts. */
  readonly pipelines = new Map<string, Promise<GPUComputePipeline>>();
  /** Awaits the results of GPU work and of shader compilation. */
  readonly wait: Wait;
  #lost: string | undefined;
  readonly #release: () => void;
  #disposed = false;

  /** @param release what `dispose()` does with the device */
  constructor(
    device: GPUDevice,
    profile: GpuProfile,
    release: () => void,
    wait: Wait = (settled) => settled,
  ) {
    this.device = device;
    this.profile = profile;
    this.#release = release;
    this.wait = wait;
    void device.lost.then((info) => {
      this.#lost = firstLine(info.message) || info.reason || 'no reason given';
    });
  }

  /**
   * The pipeline of a key, compiled on first use. A failure is not cached, because a retry may
   * succeed.
   */
  pipelineOf(key: string, compile: () => Promise<GPUComputePipeline>): Promise<GPUComputePipeline> {
    const known = this.pipelines.get(key);
    if (known) return known;
    const pipeline = compile();
    this.pipelines.set(key, pipeline);
    pipeline.catch(() => {
      if (this.pipelines.get(key) === pipeline) this.pipelines.delete(key);
    });
    return pipeline;
  }

  /** @throws PanppError `disposed` or `device-lost` if the device can no longer be used */
  assertUsable(): void {
    if (this.#disposed) throw new PanppError('disposed', 'this Gpu was disposed of; open another');
    if (this.#lost !== undefined) {
      throw new PanppError(
        'device-lost',
        `the GPU device was lost (${this.#lost}); open it and load the model again`,
      );
    }
  }

  /** Frees the device (unless the caller supplied it). Safe to call twice. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.pipelines.clear();
    this.#release();
  }
}

/**
 * Opens a GPU device on the browser's adapter or on a given one, or wraps an existing `GPUDevice`.
 * A new device gets the adapter's limits and the features that panpp can use.
 * @throws PanppError `adapter` if there is no WebGPU or no adapter.
 */
export async function requestGpu(request: GpuRequest = {}): Promise<Gpu> {
  checkOptions('requestGpu', request, ['adapter', 'device', 'toggles']);
  if (request.device) {
    // `adapterInfo` is missing in some browsers, such as Safari 26.0.
    const info = request.device.adapterInfo ?? request.adapter?.info;
    return new Gpu(request.device, profileOf(request.device, info, request.toggles), () => {});
  }
  return requestGpuOn(request.adapter ?? (await defaultAdapter()), request.toggles);
}

/** Like `requestGpu` with an adapter. @param wait see `Gpu.wait` */
export async function requestGpuOn(
  adapter: GPUAdapter,
  toggles?: readonly string[],
  wait?: Wait,
): Promise<Gpu> {
  const device = await openDevice(adapter);
  const profile = profileOf(device, adapter.info, toggles);
  return new Gpu(device, profile, () => device.destroy(), wait);
}

async function defaultAdapter(): Promise<GPUAdapter> {
  const gpu = (globalThis.navigator as Navigator | undefined)?.gpu;
  if (!gpu) {
    throw new PanppError(
      'adapter',
      globalThis.isSecureContext === false
        ? `WebGPU is not available on ${location.origin}: browsers have it on https and localhost only`
        : "WebGPU is not available; in Node use openGpu() from 'panpp/node', else a browser with WebGPU",
    );
  }
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter)
    throw new PanppError(
      'adapter',
      'WebGPU is available, but it offers no adapter; check the GPU driver',
    );
  return adapter;
}

async function openDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const requiredFeatures = wantedFeatures.filter((feature) => adapter.features.has(feature));
  const requiredLimits = Object.fromEntries(
    wantedLimits.map((limit) => [limit, adapter.limits[limit]]),
  );
  try {
    return await adapter.requestDevice({ requiredFeatures, requiredLimits, label: 'panpp' });
  } catch (cause) {
    throw new PanppError(
      'adapter',
      `the adapter ${adapterName(adapter.info)} did not create a device: ${firstLine(cause)}`,
      { cause },
    );
  }
}

/** What an adapter reports; possibly nothing. */
type AdapterInfo = Partial<GPUAdapterInfo>;

/** An adapter's name for messages and records. */
export function adapterName(info: AdapterInfo): string {
  return (
    info.description ||
    [info.vendor, info.device || info.architecture].filter(Boolean).join(' ') ||
    'unnamed adapter'
  );
}

/** True for adapters known to compute on the CPU. */
export function isSoftwareAdapter(info: AdapterInfo): boolean {
  const words = `${info.vendor} ${info.architecture} ${info.device} ${info.description}`;
  return (
    info.isFallbackAdapter === true ||
    /swiftshader|llvmpipe|lavapipe|softpipe|basic render|warp/i.test(words)
  );
}

function profileOf(
  device: GPUDevice,
  info: AdapterInfo = {},
  toggles: readonly string[] = [],
): GpuProfile {
  return {
    adapter: adapterName(info),
    vendor: info.vendor ?? '',
    architecture: info.architecture ?? '',
    software: isSoftwareAdapter(info),
    f16: device.features.has('shader-f16'),
    subgroups: device.features.has('subgroups'),
    subgroupSize: device.features.has('subgroups') ? fixedSubgroupSize(info) : undefined,
    pinnedSubgroupSize: pinnedSubgroupSize(device, info),
    subgroupMatrix: subgroupMatrixOf(device, info),
    timestamps: device.features.has('timestamp-query'),
    maxWorkgroupBytes: device.limits.maxComputeWorkgroupStorageSize,
    maxBindingBytes: device.limits.maxStorageBufferBindingSize,
    maxBufferBytes: device.limits.maxBufferSize,
    toggles,
  };
}

/** As in Dawn's `GPUAdapterInfo`. */
interface SubgroupMatrixConfig extends Pick<SubgroupMatrix, 'M' | 'N' | 'K'> {
  readonly componentType: string;
  readonly resultComponentType: string;
}

function fixedSubgroupSize({ subgroupMinSize, subgroupMaxSize }: AdapterInfo): number | undefined {
  return subgroupMinSize === subgroupMaxSize ? subgroupMinSize : undefined;
}

function pinnedSubgroupSize(
  { features }: GPUDevice,
  { vendor, subgroupMinSize, subgroupMaxSize }: AdapterInfo,
): number | undefined {
  const isFree = subgroupMinSize !== subgroupMaxSize && features.has('subgroups');
  return vendor === 'intel' && isFree && features.has(subgroupSizeFeature)
    ? subgroupMinSize
    : undefined;
}

const largestSide = 16;

// The largest shape with 16-bit inputs and float32 sums, because it needs the fewest loads per
// multiplication. Beyond 16, a tile of several matrices would not fit in workgroup memory.
function subgroupMatrixOf({ features }: GPUDevice, info: AdapterInfo): SubgroupMatrix | undefined {
  const fixed = fixedSubgroupSize(info);
  const subgroup = fixed ?? (features.has(subgroupSizeFeature) ? info.subgroupMinSize : undefined);
  const isOffered = features.has(subgroupMatrixFeature) && features.has('subgroups');
  if (!isOffered || subgroup === undefined) return undefined;
  const { subgroupMatrixConfigs = [] } = info as {
    subgroupMatrixConfigs?: readonly SubgroupMatrixConfig[];
  };
  const usable = subgroupMatrixConfigs.filter(
    ({ componentType, resultComponentType, M, N, K }) =>
      componentType === 'f16' && resultComponentType === 'f32' && Math.max(M, N, K) <= largestSide,
  );
  const [best] = usable.sort((a, b) => b.M * b.N * b.K - a.M * a.N * a.K);
  return best && { M: best.M, N: best.N, K: best.K, subgroup, pinned: fixed === undefined };
}
