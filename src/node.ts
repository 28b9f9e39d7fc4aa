/**
 * panpp for Node: everything in `panpp`, functions that need files or a driver, and the checkpoint
 * reader, which browsers don't need.
 *
 * @module panpp/node
 */
import { dirname, join } from 'node:path';
import { type Gpu, requestGpuOn } from './gpu/context.js';
import { type AdapterOptions, findAdapter, togglesOf } from './node/adapters.js';
import { destroyAtExit } from './node/exit.js';
import { resolvePackage } from './node/packages.js';
import { withPauses } from './node/polling.js';
import { checkOptions } from './options.js';

export * from './index.js';
export { type AdapterOptions } from './node/adapters.js';
export { type AdapterReport, type Diagnosis, diagnose } from './node/doctor.js';
export { type TuningReport, readTuning, tuningPath } from './node/tuning-cache.js';
export { type CheckpointOptions, readCheckpoint } from './checkpoint/pytorch.js';
export type { NamedTensor, TensorData } from './checkpoint/tensor.js';
export { type ConvertOptions, type Converted, convertCheckpoint } from './network/convert.js';
export { type DecodeOptions, decodeImage } from './images/decode.js';
export { encodePng } from './images/encode.js';

/**
 * Opens a GPU in Node. In order of preference: the adapter named by `options.adapter`; a hardware
 * adapter; an installed software adapter; the embedded software adapter (Linux x64, if
 * `@sparticuz/chromium` is installed). `gpu.profile` says which one it is. An open Gpu does not
 * keep the process alive. Dawn does not clamp indices in shaders unless `disabledToggles` contains
 * `disable_robustness`, and does not clear workgroup memory unless it contains
 * `disable_workgroup_init`.
 * @throws PanppError `adapter` if there is none (the message says what to install); `argument` for
 * an invalid option or toggle
 */
export async function openGpu(options: AdapterOptions = {}): Promise<Gpu> {
  checkOptions('openGpu', options, ['adapter', 'toggles', 'disabledToggles']);
  const found = await findAdapter(options);
  await defineWebGpuConstants();
  const gpu = await requestGpuOn(found.adapter, togglesOf(options), withPauses);
  destroyAtExit(gpu.device);
  return gpu;
}

/**
 * Path of the weights that come with the package, a safetensors file for `loadModel`. They find text
 * and read it (weights/README.md has their figures).
 * @throws PanppError `file` in a bundle that holds panpp itself
 */
export function packagedWeights(): string {
  const folder = dirname(resolvePackage('panpp/package.json', 'file'));
  return join(folder, 'weights', 'pan-pp-resnet18.safetensors');
}

// Browsers define GPUBufferUsage and similar globals; in Node they come from Dawn's module.
async function defineWebGpuConstants(): Promise<void> {
  const { globals } = await import('webgpu');
  for (const [name, value] of Object.entries(globals)) {
    if (!(name in globalThis))
      Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
}
