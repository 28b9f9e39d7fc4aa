// Large intermediate maps (the stem's, Winograd's, the head's taps) are computed in bands of rows,
// for two reasons: a band can stay in the GPU's last-level cache, and all rows at once would take
// much memory. But each band costs several dispatches, and a GPU drains before each of them.
import type { GpuProfile } from '../../gpu/context.js';

/** The device properties by which bands are sized. */
export type BandDevice = Pick<GpuProfile, 'software'> &
  Partial<Pick<GpuProfile, 'vendor' | 'architecture'>>;

/**
 * Maximum bytes of a band's intermediate maps on a device, by the estimates in bench/STATIC.md. A
 * band should fit in caches of 32 MB and more (NVIDIA's Ada and Blackwell, AMD's RDNA 2 to 4). No
 * band fits in smaller caches, and Hopper's cache is hardly faster than its memory; there, larger
 * bands save dispatches. On phones and unknown GPUs, small bands save memory. For adapters that
 * compute on a CPU, the size was measured.
 */
export function bandBytesOf({ software, vendor = '', architecture = '' }: BandDevice): number {
  const isSmall = software || /^(lovelace|blackwell)$/.test(architecture);
  const isLarge = /^(nvidia|amd|intel|apple)$/.test(vendor);
  const isRdna = architecture.startsWith('rdna');
  return (isSmall || !isLarge ? 32 : isRdna ? 64 : 96) * 2 ** 20;
}
