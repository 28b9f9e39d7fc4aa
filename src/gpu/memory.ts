// Assigns memory to planned buffers (slots); slots whose lifetimes do not overlap may share a
// buffer. Lifetimes are known before anything runs, so the assignment is a pure function. The
// algorithm is greedy by size over shared objects (Pisarchyk and Lee 2020, "Efficient Memory
// Management for Deep Neural Net Inference", section 4.3): slots are placed largest first, each
// into the free buffer with the shortest idle gap before or after the slot, which leaves long gaps
// to long-lived slots. Whole buffers are shared rather than ranges of one, because WebGPU forbids
// reading and writing one buffer in one dispatch.
import type { Dispatch, Resource, Slot } from './dispatch.js';

export interface MemoryPlan {
  /** Bytes of each buffer to create. */
  readonly buffers: readonly number[];
  /** Index into `buffers` for each slot. */
  readonly bufferOf: ReadonlyMap<Slot, number>;
  /** Peak of the live slots' bytes over the dispatches: a lower bound for any assignment. */
  readonly liveBytes: number;
}

interface Lifetime {
  readonly slot: Slot;
  first: number;
  last: number;
}

export function isSlot(resource: Resource): resource is Slot {
  return 'bytes' in resource;
}

/**
 * Assigns memory to the slots of `dispatches`, which run in order. Slots in `pinned` never share
 * memory; slots in `kept` live from their first use to the end, so that the last dispatches can run
 * several times.
 */
export function planMemory(
  dispatches: readonly Pick<Dispatch, 'bindings'>[],
  pinned: Iterable<Slot>,
  kept: Iterable<Slot> = [],
): MemoryPlan {
  const lifetimes = lifetimesOf(dispatches, pinned, kept);
  const buffers: number[] = [];
  const tenants: Lifetime[][] = [];
  const bufferOf = new Map<Slot, number>();
  for (const lifetime of [...lifetimes].sort((a, b) => b.slot.bytes - a.slot.bytes)) {
    // Sizes decrease, so every existing buffer is large enough.
    let best = -1;
    let shortest = Infinity;
    for (let index = 0; index < buffers.length; index++) {
      const gap = Math.min(...tenants[index].map((tenant) => gapBetween(tenant, lifetime)));
      if (gap > 0 && gap < shortest) [best, shortest] = [index, gap];
    }
    if (best < 0) {
      best = buffers.push(lifetime.slot.bytes) - 1;
      tenants.push([]);
    }
    tenants[best].push(lifetime);
    bufferOf.set(lifetime.slot, best);
  }
  return { buffers, bufferOf, liveBytes: liveBytesOf(lifetimes, dispatches.length) };
}

/** Dispatches from the end of one to the beginning of the other; 0 or less if they overlap. */
function gapBetween(a: Lifetime, b: Lifetime): number {
  return Math.max(b.first - a.last, a.first - b.last);
}

function lifetimesOf(
  dispatches: readonly Pick<Dispatch, 'bindings'>[],
  pinned: Iterable<Slot>,
  kept: Iterable<Slot>,
): Lifetime[] {
  const lifetimes = new Map<Slot, Lifetime>();
  dispatches.forEach((dispatch, index) => {
    for (const { resource } of dispatch.bindings) {
      if (!isSlot(resource)) continue;
      const known = lifetimes.get(resource);
      if (known) known.last = index;
      else lifetimes.set(resource, { slot: resource, first: index, last: index });
    }
  });
  for (const slot of kept) lifetimes.get(slot)!.last = dispatches.length;
  for (const slot of pinned) lifetimes.set(slot, { slot, first: 0, last: dispatches.length });
  return [...lifetimes.values()];
}

function liveBytesOf(lifetimes: readonly Lifetime[], steps: number): number {
  let peak = 0;
  for (let step = 0; step < steps; step++) {
    const live = lifetimes.filter((lifetime) => lifetime.first <= step && step <= lifetime.last);
    peak = Math.max(
      peak,
      live.reduce((sum, lifetime) => sum + lifetime.slot.bytes, 0),
    );
  }
  return peak;
}
