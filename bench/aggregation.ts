// Pixel aggregation on synthetic maps: the GPU, with both ways of growing kernels, compared with
// the sequential twin, which stands in for the reference's Cython.
import { LabelReadback } from '../src/aggregation/label-readback.js';
import type { AggregationInput } from '../src/aggregation/input.js';
import { packSettings, planAggregation } from '../src/aggregation/plan.js';
import { aggregateSequential, sumLabelsSequential } from '../src/aggregation/sequential.js';
import type { Gpu, GpuProfile } from '../src/gpu/context.js';
import { Program } from '../src/gpu/program.js';
import { Timeline } from '../src/gpu/timeline.js';
import { featureMap } from '../src/layers/feature-map.js';
import { toPixels } from '../tests/support/run-layer.js';
import { planes } from '../tests/support/twin.js';
import {
  type Effort,
  type Statistics,
  type Times,
  measureInTurns,
  ratioOf,
  summarise,
  timed,
} from './measure.js';
import { type Size, nameOf } from './sizes.js';
import { syntheticMap } from './synthetic-map.js';

/** Channels of a map on the GPU: six from the head, two of padding. */
const paddedMapChannels = 8;

/** The map of a photograph at the authors' short side, and two square maps. */
export const mapSizes: readonly Size[] = [
  { height: 184, width: 328 },
  { height: 320, width: 320 },
  { height: 1280, width: 1280 },
];
export const regionCounts = [1, 30, 150, 300, 400] as const;

export interface AggregationEntry extends Size {
  /** Words painted. */
  readonly regions: number;
  /** Kernels found, including dropped ones. */
  readonly kernels: number;
  /**
   * `wall`: from a map on the GPU to labels and sums on the host; `aggregation`: by GPU timestamps.
   */
  readonly gpu: Readonly<Record<string, Statistics>>;
  /**
   * The same, but with kernels grown as on the other kind of adapter: shows what the plan's choice
   * gains.
   */
  readonly gpuOtherGrowth: Readonly<Record<string, Statistics>>;
  readonly sequential: Readonly<Record<string, Statistics>>;
  /** The sequential twin's time relative to the GPU's. */
  readonly ratio: number;
  readonly ratioOtherGrowth: number;
}

/**
 * @throws Error if the GPU's labels differ from the twin's: the time of a wrong result is
 * meaningless
 */
export async function measureAggregation(
  gpu: Gpu,
  size: Size,
  regions: number,
  effort: Effort,
): Promise<AggregationEntry> {
  const input = syntheticMap(size, regions);
  const { software } = gpu.profile;
  const runner = await AggregationRunner.create(gpu, input, { software });
  const other = await AggregationRunner.create(gpu, input, { software: !software });
  try {
    const expected = aggregateSequential(input);
    for (const { maps } of [await runner.run(), await other.run()]) {
      const [{ labels, kernelCount }] = maps;
      if (
        kernelCount === expected.kernelCount &&
        labels.every((label, pixel) => label === expected.labels[pixel])
      )
        continue;
      throw new Error(
        `${gpu.profile.adapter}: the labels of ${regions} words at ${nameOf(size)} are not the sequential twin's`,
      );
    }
    const times = await measureInTurns(
      {
        gpu: () => timesOf(runner),
        gpuOtherGrowth: () => timesOf(other),
        sequential: async () => {
          const { wall } = await timed(() =>
            sumLabelsSequential(aggregateSequential(input), input, size.height, size.width),
          );
          return { wall };
        },
      },
      effort,
    );
    return {
      ...size,
      regions,
      kernels: expected.kernelCount,
      gpu: summarise(times.gpu),
      gpuOtherGrowth: summarise(times.gpuOtherGrowth),
      sequential: summarise(times.sequential),
      ratio: ratioOf(times.sequential, times.gpu),
      ratioOtherGrowth: ratioOf(times.sequential, times.gpuOtherGrowth),
    };
  } finally {
    runner.dispose();
    other.dispose();
  }
}

async function timesOf(runner: AggregationRunner): Promise<Times> {
  const { result, wall } = await timed(() => runner.run());
  return { ...result.gpuTimings, wall };
}

/** Repeated aggregation of one map that stays on the GPU, where the network leaves it. */
class AggregationRunner {
  private constructor(
    private readonly gpu: Gpu,
    private readonly program: Program,
    private readonly readback: LabelReadback,
  ) {}

  static async create(
    gpu: Gpu,
    input: AggregationInput,
    profile: Pick<GpuProfile, 'software'>,
  ): Promise<AggregationRunner> {
    const map = featureMap('map', input.height, input.width, paddedMapChannels);
    const plan = planAggregation(map, input, profile);
    const pinned = [map.slot, plan.settings, plan.labels, plan.listed, plan.sums];
    const program = await Program.create(
      gpu,
      [{ name: 'aggregation', dispatches: plan.dispatches }],
      pinned,
    );
    gpu.device.queue.writeBuffer(program.bufferOf(map.slot), 0, mapPixels(input));
    gpu.device.queue.writeBuffer(program.bufferOf(plan.settings), 0, packSettings(input));
    const readback = new LabelReadback(gpu, [plan], program, Timeline.create(gpu));
    return new AggregationRunner(gpu, program, readback);
  }

  async run() {
    const encoder = this.gpu.device.createCommandEncoder();
    this.readback.timeline?.reset();
    this.program.encode(encoder, this.readback.timeline);
    return this.readback.submit(encoder);
  }

  dispose(): void {
    this.program.dispose();
    this.readback.dispose();
  }
}

function mapPixels({
  text,
  kernel,
  embedding,
  height,
  width,
}: AggregationInput): Float32Array<ArrayBuffer> {
  const map = planes(6, height, width);
  for (const [plane, data] of [text, kernel, embedding].entries())
    map.data.set(data, plane * height * width);
  return toPixels(map, paddedMapChannels);
}
