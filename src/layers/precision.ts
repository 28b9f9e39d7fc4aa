// Storage precision of values in GPU memory: 32 bits, or 16 bits for half the memory and traffic.
// Shaders always compute and sum in float32; `Variant.types` (src/wgsl/assemble.ts) sets the types
// of what they read and write.
import { halfToFloat } from '../half.js';
import { PanppError } from '../errors.js';
import type { GpuProfile } from '../gpu/context.js';

/** How values are stored: in 32 or 16 bits. */
export type Precision = 'f32' | 'f16';

/**
 * A caller's choice. `auto`: f16 on GPU hardware that supports it, else f32; adapters that compute
 * on a CPU gain nothing from f16.
 */
export type PrecisionChoice = Precision | 'auto';

export const valueBytes: Readonly<Record<Precision, number>> = { f32: 4, f16: 2 };

/**
 * The precision of a choice on a device.
 * @throws PanppError `adapter` if it has no f16, `argument` for an unknown choice
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
      `${profile.adapter} has no shader-f16, which f16 needs; take auto or f32, or open a device that has it (in Dawn on NVIDIA it needs the ` +
        'toggle vulkan_enable_f16_on_nvidia)',
    );
  }
  return choice;
}

/** `count` values from bytes that were read back from the GPU; `offset` is in bytes. */
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
