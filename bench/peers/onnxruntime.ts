// onnxruntime as a user would run it, on our exported model of a fixed size.
import type { Gpu } from '../../src/gpu/context.js';
import type { Size } from '../sizes.js';
import { pinDriver } from './driver.js';

export const providers = ['onnxruntime WebGPU', 'onnxruntime CPU'] as const;
export type Provider = (typeof providers)[number];

const executionProviders = { 'onnxruntime WebGPU': 'webgpu', 'onnxruntime CPU': 'cpu' } as const;

export interface OnnxPeer {
  /** Runs on a normalised image, and returns the head's map. */
  run(planes: Float32Array, size: Size): Promise<Float32Array>;
  release(): Promise<void>;
}

/** A session, or the reason why there is none. */
export async function openOnnxPeer(
  model: Uint8Array,
  provider: Provider,
  gpu: Gpu,
): Promise<OnnxPeer | string> {
  const loaded = await loadOnnxRuntime();
  if (typeof loaded === 'string') return loaded;
  const { InferenceSession, Tensor } = loaded;
  // Its WebGPU provider opens a device of its own, once per process, on the preferred adapter among
  // those that the Vulkan loader offers.
  if (provider === 'onnxruntime WebGPU') {
    const problem = await pinDriver(gpu.device.adapterInfo);
    if (problem) return problem;
  }
  const session = await InferenceSession.create(model, {
    executionProviders: [executionProviders[provider]],
    logSeverityLevel: 3,
  });
  return {
    run: async (planes, { height, width }) => {
      const { det } = await session.run({
        image: new Tensor('float32', planes, [1, 3, height, width]),
      });
      return (await det.getData()) as Float32Array;
    },
    release: () => session.release(),
  };
}

/**
 * The native package is installed by those who run the bench (bench/README.md); it has the same API
 * as the web package.
 */
async function loadOnnxRuntime(): Promise<typeof import('onnxruntime-web') | string> {
  // From version 1.29 on it sends telemetry unless this is set before loading.
  process.env.ORT_DISABLE_TELEMETRY = '1';
  const name: string = 'onnxruntime-node';
  try {
    return (await import(name)) as typeof import('onnxruntime-web');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND')
      return `does not load: ${(error as Error).message.split('\n')[0]}`;
    return 'onnxruntime-node is not installed';
  }
}
