// How values lie in the GPU's memory: in 32 bits or in 16, half the memory and half the traffic.
// Shaders compute and sum in float32 either way, and name the types of what they read and write
// (`Variant.types` in src/wgsl/assemble.ts).
import { halfToFloat } from '../half.js';
import { PanppError } from '../errors.js';
import type { GpuProfile } from '../gpu/context.js';

/** How values are stored: in 32 bits or in 16. */
export type Precision = 'f32' | 'f16';

/**
 * What a caller may ask for. `auto`: f16 on hardware that has it, else f32; adapters that compute
 * on a CPU gain nothing by it.
 */
export type PrecisionChoice = Precision | 'auto';

export const valueBytes: Readonly<Record<Precision, number>> = { f32: 4, f16: 2 };

/**
 * The precision that a choice means on a device. @throws PanppError `adapter` if it has no f16,
 * `argument` for another word
 */
export function choosePrecision(
  choice: PrecisionChoice,
  profile: Pick<GpuProfile, 'adapter' | 'f16' | 'software'>,
): Precision {
  if (choice === 'auto') return profile.f16 && !profile.software ? 'f16' : 'f32';
  if (choice !== 'f32' && choice !== 'f16')
    throw new PanppError('argument', `precision is ${String(choice)}; it must be f32, f16 or auto`);
  if (choice === 'f16' && !profile.f16) {
    throw new PanppError(
      'adapter',
      `${profile.adapter} has no shader-f16, which f16 needs; take auto or f32, or open a device that has it (in Dawn on NVIDIA it takes the ` +
        'toggle vulkan_enable_f16_on_nvidia)',
    );
  }
  return choice;
}

/** `count` values from bytes that came from the GPU. */
export function readValues(
  precision: Precision,
  bytes: ArrayBuffer,
  offset: number,
  count: number,
): Float32Array {
  return precision === 'f16'
    ? halfToFloat(new Uint16Array(bytes, offset, count))
    : new Float32Array(bytes, offset, count);
}
