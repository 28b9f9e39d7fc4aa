// Standalone pixel aggregation, for maps from other sources.
import { allocated } from '../gpu/allocate.js';
import type { Gpu, GpuProfile } from '../gpu/context.js';
import { Program } from '../gpu/program.js';
import { readbackMemory } from '../gpu/readback.js';
import { featureMap } from '../layers/feature-map.js';
import { type LabelMap, LabelReadback } from './label-readback.js';
import { packSettings, planAggregation } from './plan.js';
import { type AggregationInput, type AggregationResult, checkAggregationInput } from './input.js';

/** Channels of a map on the GPU: six from the head, two of padding. */
const paddedMapChannels = 8;

/**
 * Grows text kernels into text instances on the GPU; every label equals the reference's.
 * Shapes, units and modes: see `AggregationInput`. Source: spec, Pixel aggregation.
 * @throws PanppError `argument` if an array's length does not fit the size
 */
export async function aggregatePixels(
  gpu: Gpu,
  input: AggregationInput,
): Promise<AggregationResult> {
  const { labels, kernelCount } = await aggregateWithSums(gpu, input, input);
  return { labels, kernelCount };
}

/** Like `aggregatePixels`, with the sums of every region, counted at the size of `image`. */
export async function aggregateWithSums(
  gpu: Gpu,
  input: AggregationInput,
  image: { height: number; width: number },
  profile: Pick<GpuProfile, 'software'> = gpu.profile,
): Promise<LabelMap> {
  checkAggregationInput(input);
  const map = featureMap('map', input.height, input.width, paddedMapChannels);
  const plan = planAggregation(map, image, profile);
  const pinned = [map.slot, plan.settings, plan.labels, plan.listed, plan.sums];
  const program = await Program.create(
    gpu,
    [{ name: 'aggregation', dispatches: plan.dispatches }],
    pinned,
  );
  let readback: LabelReadback | undefined;
  try {
    readback = await allocated(
      gpu,
      readbackMemory,
      () => new LabelReadback(gpu, [plan], program),
      (made) => made.dispose(),
    );
    gpu.device.queue.writeBuffer(program.bufferOf(map.slot), 0, interleave(input));
    gpu.device.queue.writeBuffer(program.bufferOf(plan.settings), 0, packSettings(input));
    const encoder = gpu.device.createCommandEncoder();
    program.encode(encoder);
    const { maps } = await readback.submit(encoder);
    return maps[0];
  } finally {
    readback?.dispose();
    program.dispose();
  }
}

/** Converts planes to interleaved pixels: text, kernel, instance vector, padding. */
function interleave({
  text,
  kernel,
  embedding,
  height,
  width,
}: AggregationInput): Float32Array<ArrayBuffer> {
  const pixels = height * width;
  const map = new Float32Array(pixels * paddedMapChannels);
  for (let pixel = 0, at = 0; pixel < pixels; pixel++, at += paddedMapChannels) {
    map[at] = text[pixel];
    map[at + 1] = kernel[pixel];
    for (let axis = 0; axis < 4; axis++) map[at + 2 + axis] = embedding[axis * pixels + pixel];
  }
  return map;
}
