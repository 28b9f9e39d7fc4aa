// Runs images through a detection pass: pixels in, regions out.
import type { ImageInput } from '../images/input.js';
import { type Region, regionsFromLabels } from '../shapes/regions.js';
import type { DetectionPass } from './pass.js';
import { type MapSettings, aggregationSettings } from './regions-from-map.js';

export interface DetectedRegions {
  readonly regions: Region[];
  /** The label map of the regions; its size is the pass's `mapSize`. */
  readonly labels: Int32Array;
}

/**
 * Finds the regions of images.
 * @param inputs as many images as the pass was created for, all the same size
 * @param onSubmitted called once the GPU work is submitted and another run may start
 * @returns one result for each image; timings of all images together in milliseconds: GPU stages,
 * and region shapes on the CPU
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
