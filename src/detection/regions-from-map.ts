// Computes regions from the detection head's map, for maps from other sources: aggregation on the
// GPU, then shapes.
import { aggregateWithSums } from '../aggregation/aggregate.js';
import { type AggregationMode, planesOf } from '../aggregation/input.js';
import { PanppError } from '../errors.js';
import type { Gpu } from '../gpu/context.js';
import { mapChannels } from '../network/config.js';
import { checkOptions } from '../options.js';
import { type Region, regionsFromLabels } from '../shapes/regions.js';
import type { RegionSettings } from '../shapes/settings.js';

/** How a map becomes regions. */
export interface MapSettings extends RegionSettings {
  /** Kernels with fewer map pixels than this divided by scale² are dropped. */
  readonly minKernelArea: number;
  /** Which kernels check instance vectors while growing; default: `reference`. */
  readonly mode?: AggregationMode;
  /**
   * Maximum Euclidean distance between a checked pixel's instance vector and its kernel's mean;
   * default: 3.
   */
  readonly distance?: number;
}

export const mapSettingNames = [
  'bbox',
  'tolerance',
  'minScore',
  'minArea',
  'minKernelArea',
  'scale',
  'mode',
  'distance',
] as const satisfies readonly (keyof MapSettings)[];

/** The distance in the authors' code; the first paper says 6. */
export const defaultDistance = 3;

/** A detection head's map with its sizes and settings. */
export interface MapInput {
  /** 6 × `height` × `width`: text logit, kernel logit, instance vector. */
  readonly map: Float32Array;
  /** Height of the map in pixels. */
  readonly height: number;
  /** Width of the map in pixels. */
  readonly width: number;
  /** Size of the resized image (the network's input); areas are counted at this size. */
  readonly imageSize: { readonly height: number; readonly width: number };
  /** Size of the original image; the regions' coordinates are in its pixels. */
  readonly originalSize: { readonly height: number; readonly width: number };
  /** How the map becomes regions. */
  readonly settings: MapSettings;
}

/**
 * Returns the regions of a detection head's map, and their label map.
 * @throws PanppError `argument` for sizes or settings out of range
 */
export async function regionsFromMap(
  gpu: Gpu,
  input: MapInput,
): Promise<{ regions: Region[]; labels: Int32Array }> {
  const { map, height, width, imageSize, originalSize, settings } = input;
  // A model's own settings, which include the network's input size, are accepted unchanged.
  checkOptions('settings', settings, [...mapSettingNames, 'shortSide', 'maxSide']);
  const pixels = height * width;
  if (map.length !== mapChannels * pixels) {
    throw new PanppError(
      'argument',
      `a map of ${mapChannels} × ${height} × ${width} has ${mapChannels * pixels} values, not ${map.length}`,
    );
  }
  const { labels, sums } = await aggregateWithSums(
    gpu,
    { ...planesOf(map, height, width), ...aggregationSettings(settings) },
    imageSize,
  );
  const regions = regionsFromLabels({
    labels,
    height,
    width,
    sums,
    settings,
    imageHeight: imageSize.height,
    imageWidth: imageSize.width,
    originalHeight: originalSize.height,
    originalWidth: originalSize.width,
  });
  return { regions, labels };
}

/** The settings that aggregation needs; areas in map pixels. */
export function aggregationSettings({
  minKernelArea,
  scale,
  mode = 'reference',
  distance = defaultDistance,
}: MapSettings) {
  return { minKernelArea: minKernelArea / (scale * scale), mode, distance };
}
