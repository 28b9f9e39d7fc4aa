// What the layers pass to one another: a map on the GPU, row by row, the channels of a pixel
// together (height, width, channels); of several images one after another.
import type { ByteRange, Slot } from '../gpu/dispatch.js';
import { type Precision, valueBytes } from './precision.js';

export interface FeatureMap {
  readonly slot: Slot;
  /** Images of one size, each with a map of `height` × `width`. */
  readonly images: number;
  readonly height: number;
  readonly width: number;
  /** A multiple of 4: shaders read channels four at a time. */
  readonly channels: number;
  /** How its values are stored. */
  readonly precision: Precision;
  /** Bytes of the slot before the first row, where the map is some rows of a larger one. */
  readonly offset?: number;
}

export function featureMap(
  label: string,
  height: number,
  width: number,
  channels: number,
  precision: Precision = 'f32',
  images = 1,
): FeatureMap {
  return {
    slot: { label, bytes: images * height * width * channels * valueBytes[precision] },
    images,
    height,
    width,
    channels,
    precision,
  };
}

/**
 * Some rows of an image's map (all rows of several images' maps), as a map of its own in the same
 * memory. A row's bytes must be a multiple of 256 unless it is the first.
 */
export function rowsOf(map: FeatureMap, first: number, count: number): FeatureMap {
  return { ...map, height: count, offset: (map.offset ?? 0) + first * rowBytes(map) };
}

/** The maps of some of the images, likewise. */
export function imagesOf(map: FeatureMap, first: number, count: number): FeatureMap {
  return { ...map, images: count, offset: (map.offset ?? 0) + first * map.height * rowBytes(map) };
}

/**
 * A map's images in groups that take at most `limit` bytes, with `bytes` for a row: first image and
 * count of each; one image at least.
 */
export function groupsOf(
  { images, height }: FeatureMap,
  bytes: number,
  limit: number,
): [first: number, count: number][] {
  const atOnce = Math.max(1, Math.floor(limit / (height * bytes)));
  return Array.from({ length: Math.ceil(images / atOnce) }, (_, group) => [
    group * atOnce,
    Math.min(atOnce, images - group * atOnce),
  ]);
}

/** The map's memory, for a dispatch to bind. */
export function bindingOf(map: FeatureMap): { resource: Slot; range?: ByteRange } {
  const range =
    map.offset === undefined
      ? undefined
      : { offset: map.offset, bytes: map.images * map.height * rowBytes(map) };
  return { resource: map.slot, range };
}

function rowBytes({ width, channels, precision }: FeatureMap): number {
  return width * channels * valueBytes[precision];
}

/** The uniforms of a dispatch from one map to another. */
export function sizesOf(input: FeatureMap, output: FeatureMap) {
  return {
    inHeight: input.height,
    inWidth: input.width,
    outHeight: output.height,
    outWidth: output.width,
  };
}

/** Four channels to a vec4; also how many channels a packed array has room for. */
export function vec4s(channels: number): number {
  return Math.ceil(channels / 4);
}
