// Images through a detection pass: pixels in, regions out.
import type { ImageInput } from '../images/input.js';
import { type Region, regionsFromLabels } from '../shapes/regions.js';
import type { DetectionPass } from './pass.js';
import { type MapSettings, aggregationSettings } from './regions-from-map.js';

export interface DetectedRegions {
  readonly regions: Region[];
  /** The label map that they come from, of the pass's `mapSize`. */
  readonly labels: Int32Array;
}

/**
 * Finds the regions of images.
 * @param inputs as many as the pass is for, of one size
 * @param onSubmitted called when the GPU has the work, and may be given more
 * @returns one for each image; milliseconds of all together: the GPU's stages, and the regions'
 * shapes on the CPU
 */
export async function detectRegions(
  pass: DetectionPass,
  inputs: readonly ImageInput[],
  settings: MapSettings,
  onSubmitted?: () => void,
): Promise<{
  detected: DetectedRegions[];
  timings: Readonly<Record<string, number>> & { readonly regions: number };
}> {
  const { size, original } = inputs[0];
  const uploads = inputs.map(({ upload }) => upload);
  const { maps, gpuTimings } = await pass.run(uploads, aggregationSettings(settings), onSubmitted);
  const start = performance.now();
  const detected = maps.map(({ labels, sums }) => {
    const regions = regionsFromLabels({
      labels,
      sums,
      settings,
      ...pass.mapSize,
      imageHeight: size.height,
      imageWidth: size.width,
      originalHeight: original.height,
      originalWidth: original.width,
    });
    return { regions, labels };
  });
  return { detected, timings: { ...gpuTimings, regions: performance.now() - start } };
}
