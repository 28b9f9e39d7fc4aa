// Whole detections: what a user waits for, stage by stage, at one size of image.
import { type Model, loadModel } from '../src/detection/model.js';
import { planDetection } from '../src/detection/pass.js';
import type { Gpu } from '../src/gpu/context.js';
import { planMemory } from '../src/gpu/memory.js';
import type { PixelImage } from '../src/images/image.js';
import { prepareUpload } from '../src/images/upload.js';
import { type Effort, type Statistics, type Times, median, measure, summarise, timed } from './measure.js';
import { photographAt } from './photograph.js';
import type { Size } from './sizes.js';
import { type BenchWeights, uploadNetwork } from './weights.js';

export interface DetectionEntry extends Size {
  readonly regions: number;
  /**
   * Planning, shader compilation and memory, the first time. Shaders that an earlier size needed too are there already.
   */
  readonly setup: number;
  /** Milliseconds of the later runs: the GPU's clock for its stages, `wall` from call to result. */
  readonly times: Readonly<Record<string, Statistics>>;
  /** Milliseconds of wall clock an image where several calls are under way at once; only where that is quick. */
  readonly overlapped?: number;
  /**
   * Bytes of GPU memory: held for weights, held for this size, and the least that the widest point of this size needs.
   */
  readonly memory: { readonly weights: number; readonly programs: number; readonly live: number };
}

const callsAtOnce = 8;
/** Longest round of overlapping calls, milliseconds. */
const longestOverlap = 4000;

/** @throws PanppError `argument` if the adapter can't hold the size */
export async function measureDetection(
  gpu: Gpu,
  weights: BenchWeights,
  size: Size,
  effort: Effort,
): Promise<DetectionEntry> {
  const image = await photographAt(size);
  // A model of its own, so that the memory is that of this size.
  const model = await loadModel(gpu, weights.bytes, weights.load);
  const detect = () => model.detect(image, { shortSide: Math.min(size.height, size.width) });
  try {
    const first = await detect();
    const times = summarise(await measure(async () => timesOf((await detect()).timings), effort));
    return {
      ...size,
      ...{ regions: first.regions.length, setup: first.timings.setup, times },
      overlapped:
        callsAtOnce * times.wall.median < longestOverlap ? await measureOverlapped(detect, effort) : undefined,
      memory: { ...model.memory, live: liveBytesOf(gpu, weights, image) },
    };
  } finally {
    model.dispose();
  }
}

function timesOf({ total, setup: _, ...stages }: Awaited<ReturnType<Model['detect']>>['timings']): Times {
  return { ...stages, wall: total };
}

async function measureOverlapped(detect: () => Promise<unknown>, effort: Effort): Promise<number> {
  const times = await measure(async () => {
    const { wall } = await timed(() => Promise.all(Array.from({ length: callsAtOnce }, detect)));
    return { wall: wall / callsAtOnce };
  }, effort);
  return median(times.map(({ wall }) => wall));
}

function liveBytesOf(gpu: Gpu, model: BenchWeights, image: PixelImage): number {
  const weights = uploadNetwork(gpu, model);
  try {
    const upload = prepareUpload(image, image.height, image.width);
    const { stages, pinned } = planDetection(model.file.config, weights, upload, image, gpu.profile);
    return planMemory(
      stages.flatMap(({ kernels }) => kernels),
      pinned,
    ).liveBytes;
  } finally {
    weights.dispose();
  }
}
