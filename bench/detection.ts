// Whole detections: the time a user waits, by stage, at one image size.
import { type Model } from '../src/model/model.js';
import { planDetection } from '../src/detection/pass.js';
import type { Gpu } from '../src/gpu/context.js';
import { planMemory } from '../src/gpu/memory.js';
import type { PixelImage } from '../src/images/image.js';
import { prepareUpload } from '../src/images/upload.js';
import {
  type Effort,
  type Statistics,
  type Times,
  measure,
  measureInTurns,
  median,
  ratioOf,
  summarise,
  timed,
} from './measure.js';
import { photographAt } from './photograph.js';
import type { Size } from './sizes.js';
import { type BenchWeights, uploadNetwork } from './weights.js';
import { loadModel } from '../src/model/load.js';

export interface DetectionEntry extends Size {
  readonly regions: number;
  /**
   * Planning, shader compilation and memory allocation in the first run. Shaders that an earlier
   * size needed too are already compiled.
   */
  readonly setup: number;
  /** Milliseconds of the later runs: stages by GPU timestamps, `wall` from call to result. */
  readonly times: Readonly<Record<string, Statistics>>;
  /** Several images of this size; only where that is fast enough. */
  readonly several?: Several;
  /**
   * Bytes of GPU memory: held for weights, held for this size, and the peak that this size needs at
   * any one time.
   */
  readonly memory: { readonly weights: number; readonly programs: number; readonly live: number };
}

/** Milliseconds of wall time per image, and speed-ups over one image after another. */
export interface Several {
  readonly oneByOne: number;
  /** All calls in flight at once. */
  readonly overlapped: number;
  readonly overlappedRatio: number;
  /** One `detectBatch`. */
  readonly batch: number;
  readonly batchRatio: number;
}

/** The number of images for `Several`. */
export const severalImages = 8;
/** Limit for processing that many images one by one, milliseconds. */
const longestRound = 4000;

/** @throws PanppError `argument` if the adapter can't hold the size */
export async function measureDetection(
  gpu: Gpu,
  weights: BenchWeights,
  size: Size,
  effort: Effort,
): Promise<DetectionEntry> {
  const image = await photographAt(size);
  // A separate model, so that the memory is only that of this size.
  const model = await loadModel(gpu, weights.bytes, weights.load);
  const detect = () => model.detect(image, { shortSide: Math.min(size.height, size.width) });
  try {
    const first = await detect();
    const times = summarise(await measure(async () => timesOf((await detect()).timings), effort));
    return {
      ...size,
      regions: first.regions.length,
      setup: first.timings.setup,
      times,
      memory: { ...model.memory, live: liveBytesOf(gpu, weights, image) },
      several:
        severalImages * times.wall.median < longestRound
          ? await measureSeveral(model, image, effort)
          : undefined,
    };
  } finally {
    model.dispose();
  }
}

function timesOf({
  total,
  setup: _,
  ...stages
}: Awaited<ReturnType<Model['detect']>>['timings']): Times {
  return { ...stages, wall: total };
}

async function measureSeveral(model: Model, image: PixelImage, effort: Effort): Promise<Several> {
  const options = { shortSide: Math.min(image.height, image.width) };
  const images = new Array<PixelImage>(severalImages).fill(image);
  const an = async (work: () => Promise<unknown>): Promise<Times> => ({
    wall: (await timed(work)).wall / severalImages,
  });
  const times = await measureInTurns(
    {
      oneByOne: () =>
        an(async () => {
          for (const each of images) await model.detect(each, options);
        }),
      overlapped: () => an(() => Promise.all(images.map((each) => model.detect(each, options)))),
      batch: () => an(() => model.detectBatch(images, options)),
    },
    effort,
  );
  const [oneByOne, overlapped, batch] = [times.oneByOne, times.overlapped, times.batch].map(
    (runs) => median(runs.map(({ wall }) => wall)),
  );
  return {
    oneByOne,
    overlapped,
    batch,
    overlappedRatio: ratioOf(times.oneByOne, times.overlapped),
    batchRatio: ratioOf(times.oneByOne, times.batch),
  };
}

function liveBytesOf(gpu: Gpu, model: BenchWeights, image: PixelImage): number {
  const weights = uploadNetwork(gpu, model);
  try {
    const upload = prepareUpload(image, image.height, image.width);
    const { stages, pinned } = planDetection(
      model.file.config,
      weights,
      upload,
      image,
      gpu.profile,
    );
    return planMemory(
      stages.flatMap(({ dispatches }) => dispatches),
      pinned,
    ).liveBytes;
  } finally {
    weights.dispose();
  }
}
