// Feature maps, the inputs and outputs of layers. On the GPU: [images][height][width][channels].
import type { ByteRange, Slot } from '../gpu/dispatch.js';
import { type Precision, valueBytes } from './precision.js';

export interface FeatureMap {
  readonly slot: Slot;
  /** Number of images; each has a map of `height` × `width`. */
  readonly images: number;
  readonly height: number;
  readonly width: number;
  /** A multiple of 4: shaders read channels four at a time. */
  readonly channels: number;
  /** How its values are stored. */
  readonly precision: Precision;
  /** Bytes from the slot's start to the first row, if the map is a part of a larger one. */
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
 * Some rows of a map, as a map that shares its memory; all rows if there are several images.
 * `first` times a row's bytes must be a multiple of 256.
 */
export function rowsOf(map: FeatureMap, first: number, count: number): FeatureMap {
  return { ...map, height: count, offset: (map.offset ?? 0) + first * rowBytes(map) };
}

/** Some images of a map, likewise. The first one's offset must be a multiple of 256 bytes. */
export function imagesOf(map: FeatureMap, first: number, count: number): FeatureMap {
  return { ...map, images: count, offset: (map.offset ?? 0) + first * map.height * rowBytes(map) };
}

/**
 * Splits a map's images into groups of at most `limit` bytes, at `bytes` per row; a group has at
 * least one image.
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

/** The map's memory, as a binding of a dispatch. */
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

/** The size uniforms of a dispatch from one map to another. */
export function sizesOf(input: FeatureMap, output: FeatureMap) {
  return {
    inHeight: input.height,
    inWidth: input.width,
    outHeight: output.height,
    outWidth: output.width,
  };
}

/** Number of vec4s that hold `channels` channels. */
export function vec4s(channels: number): number {
  return Math.ceil(channels / 4);
}
