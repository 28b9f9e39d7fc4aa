// One image through a detection pass: pixels in, regions out.
import { resizedSize } from '../images/size.js';
import { type ImageUpload, type PixelSource, prepareUpload } from '../images/upload.js';
import { type Region, regionsFromLabels } from '../shapes/regions.js';
import type { DetectionPass } from './pass.js';
import { type MapSettings, aggregationSettings } from './regions-from-map.js';

interface Size {
  readonly height: number;
  readonly width: number;
}

/** An image made ready for the network. */
export interface ImageInput {
  readonly upload: ImageUpload;
  /** What the network sees. */
  readonly size: Size;
  /** The image itself. */
  readonly original: Size;
}

/** @throws PanppError `argument` or `image` for an image or a size that can't be worked on */
export function prepareInput(image: PixelSource, shortSide: number): ImageInput {
  const size = resizedSize(image.height, image.width, shortSide);
  return { upload: prepareUpload(image, size.height, size.width), size, original: { height: image.height, width: image.width } };
}

export interface DetectedRegions {
  readonly regions: Region[];
  /** The label map that they come from, of the pass's `mapSize`. */
  readonly labels: Int32Array;
  /** Milliseconds: the GPU's stages, and the regions' shapes on the CPU. */
  readonly timings: Readonly<Record<string, number>> & { readonly regions: number };
}

/** Finds the regions of an image. @param onSubmitted called when the GPU has the work, and may be given more */
export async function detectRegions(
  pass: DetectionPass,
  input: ImageInput,
  settings: MapSettings,
  onSubmitted?: () => void,
): Promise<DetectedRegions> {
  const { upload, size, original } = input;
  const { labels, sums, gpuTimings } = await pass.run(upload, aggregationSettings(settings), onSubmitted);
  const start = performance.now();
  const regions = regionsFromLabels({
    ...{ labels, sums, settings },
    ...pass.mapSize,
    ...{ imageHeight: size.height, imageWidth: size.width, originalHeight: original.height, originalWidth: original.width },
  });
  return { regions, labels, timings: { ...gpuTimings, regions: performance.now() - start } };
}
