// What the layers pass to one another: a map on the GPU, row by row, the channels of a pixel together (height, width, channels).
import type { Slot } from '../gpu/kernel.js';

export interface FeatureMap {
  readonly slot: Slot;
  readonly height: number;
  readonly width: number;
  /** A multiple of 4: shaders read channels four at a time. */
  readonly channels: number;
}

export function featureMap(label: string, height: number, width: number, channels: number): FeatureMap {
  return { slot: { label, bytes: height * width * channels * 4 }, height, width, channels };
}

/** Lanes of the workgroups of kernels that take one output vec4 an invocation (`@workgroup_size(64)` in their WGSL). */
export const lanesPerGroup = 64;

/** The uniforms of a kernel from one map to another: `inHeight, inWidth, outHeight, outWidth`. */
export function sizesOf(input: FeatureMap, output: FeatureMap): number[] {
  return [input.height, input.width, output.height, output.width];
}

/** Four channels to a vec4; also how many channels a packed array has room for. */
export function vec4s(channels: number): number {
  return Math.ceil(channels / 4);
}
