// From a head's map to regions, for maps that come from elsewhere: aggregation on the GPU, then
// shapes.
import { aggregateWithSums } from '../aggregation/aggregate.js';
import type { AggregationMode } from '../aggregation/input.js';
import { PanppError } from '../errors.js';
import type { Gpu } from '../gpu/context.js';
import { mapChannels } from '../network/config.js';
import { checkOptions } from '../options.js';
import { type Region, regionsFromLabels } from '../shapes/regions.js';
import type { RegionSettings } from '../shapes/settings.js';

/** How a map becomes regions. */
export interface MapSettings extends RegionSettings {
  /** Kernels with fewer pixels than this, divided by scale², are dropped. */
  readonly minKernelArea: number;
  /** Which kernels check instance vectors; `reference` unless given. */
  readonly mode?: AggregationMode;
  /**
   * Farthest that a checked pixel's instance vector may lie from its kernel's mean; 3 unless given.
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

/** The authors' code's distance; the first paper says 6. */
export const defaultDistance = 3;

/** A head's map with the sizes that belong to it. */
export interface MapInput {
  /** 6 × `height` × `width`: text logit, kernel logit, instance vector. */
  readonly map: Float32Array;
  /** Rows of the map. */
  readonly height: number;
  /** Pixels of the map's rows. */
  readonly width: number;
  /** The resized image: what the network saw; areas are counted at this size. */
  readonly imageSize: { readonly height: number; readonly width: number };
  /** The image that the regions' coordinates are for. */
  readonly originalSize: { readonly height: number; readonly width: number };
  /** How the map becomes regions. */
  readonly settings: MapSettings;
}

/**
 * The regions of a head's map, and the label map they come from. @throws PanppError `argument` for
 * sizes or settings out of range.
 */
export async function regionsFromMap(
  gpu: Gpu,
  input: MapInput,
): Promise<{ regions: Region[]; labels: Int32Array }> {
  const { map, height, width, imageSize, originalSize, settings } = input;
  // A model's own settings, which have the network's input size too, serve as they are.
  checkOptions('settings', settings, [...mapSettingNames, 'shortSide']);
  const pixels = height * width;
  if (map.length !== mapChannels * pixels) {
    throw new PanppError(
      'argument',
      `a map of ${mapChannels} × ${height} × ${width} has ${mapChannels * pixels} values, not ${map.length}`,
    );
  }
  const { labels, sums } = await aggregateWithSums(
    gpu,
    {
      text: map.subarray(0, pixels),
      kernel: map.subarray(pixels, 2 * pixels),
      embedding: map.subarray(2 * pixels),
      height,
      width,
      ...aggregationSettings(settings),
    },
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

/** What aggregation needs of the settings, areas in pixels of the map. */
export function aggregationSettings({
  minKernelArea,
  scale,
  mode = 'reference',
  distance = defaultDistance,
}: MapSettings) {
  return { minKernelArea: minKernelArea / (scale * scale), mode, distance };
}
