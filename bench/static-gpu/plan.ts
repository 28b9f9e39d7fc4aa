// The kernels that panpp would run on a device, with the multiply-adds and bytes of each. No other
// file in this folder reads plans.
import { readFileSync } from 'node:fs';
import { type DetectionPlan, planDetection } from '../../src/detection/pass.js';
import type { Gpu } from '../../src/gpu/context.js';
import type { Dispatch, Resource } from '../../src/gpu/dispatch.js';
import { isSlot } from '../../src/gpu/memory.js';
import { type ConvTile, tileSize } from '../../src/layers/conv/tiles/tile.js';
import { tileName } from '../../src/layers/conv/tiles/kinds.js';
import { defaultChoices } from '../../src/layers/conv/method.js';
import { type Precision, valueBytes } from '../../src/layers/precision.js';
import { planRectify } from '../../src/layers/rectify.js';
import type { DetectionSettings } from '../../src/network/config.js';
import { packagedWeights } from '../../src/node.js';
import { readWeights } from '../../src/network/weights-file.js';
import { uploadWeights } from '../../src/network/weights.js';
import { greedy } from '../../src/recognition/plan.js';
import { pageShape } from '../../src/recognition/pages.js';
import { planReader } from '../../src/recognition/reader.js';
import { uploadRecognition } from '../../src/recognition/weights.js';
import type { Size } from '../sizes.js';
import type { DirectConvPlan } from '../../src/layers/conv/direct.js';

export interface PlannedKernel {
  /** `preprocess`, `network`, `aggregation`, `features`, `recognition`, `rectification`. */
  readonly stage: string;
  readonly dispatch: Dispatch;
  readonly work: Work;
}

/**
 * The least that a dispatch must do, from shapes: exact for convolutions; for others, each binding
 * is counted once.
 */
export interface Work {
  readonly multiplyAdds: number;
  /** Bytes read and written, each once. */
  readonly bytes: number;
  /** For convolutions: how the tile divides the work. */
  readonly tile?: {
    readonly name: string;
    /** Multiply-adds of an output value; those of a whole workgroup follow. */
    readonly depth: number;
    readonly perGroup: number;
    readonly invocations: number;
  };
  /**
   * For Winograd's three steps: bytes of the band's intermediate maps, and the rest of `bytes`. If
   * the intermediate maps fit in a cache, only the rest goes to memory.
   */
  readonly band?: { readonly between: number; readonly rest: number };
}

export interface PlannedDetection {
  readonly plan: DetectionPlan;
  /** The model's own. */
  readonly settings: DetectionSettings;
  readonly kernels: readonly PlannedKernel[];
}

/** A convolution for which a plan has chosen a tile. */
interface Conv {
  readonly shape: DirectConvPlan;
  readonly tile: ConvTile;
}

/** The plan of the packaged model for one image of the network's size, with the default tiles. */
export async function planPackaged(
  gpu: Gpu,
  size: Size,
  precision: Precision,
): Promise<PlannedDetection> {
  const { config, tensors } = readWeights(readFileSync(packagedWeights()));
  const usual = defaultChoices(gpu.profile);
  const convs: Conv[] = [];
  const choices: typeof usual = {
    ...usual,
    tile(shape) {
      const tile = usual.tile(shape);
      convs.push({ shape: shape as DirectConvPlan, tile });
      return tile;
    },
  };
  const weights = uploadWeights(gpu, tensors, config, precision, choices);
  await weights.ready;
  convs.length = 0;
  const source = { rows: size.height, columns: size.width, channels: 3 } as const;
  const plan = planDetection(config, weights, source, size, gpu.profile);
  const head = uploadRecognition(gpu, tensors, config)!;
  const reading = planReader(plan.network, weights, head, size, greedy);
  const page = planRectify({ ...pageShape(2), channels: 3 });
  const kernels = [
    ...plan.stages,
    ...reading.stages,
    { name: 'rectification', dispatches: page.dispatches },
  ].flatMap(({ name, dispatches: own }) => own.map((dispatch) => ({ stage: name, dispatch })));
  const works = workOf(
    kernels.map(({ dispatch }) => dispatch),
    convs,
  );
  return {
    plan,
    settings: config.detection,
    kernels: kernels.map((each, index) => ({ ...each, work: works[index] })),
  };
}

/**
 * Convolutions have the plan's order and their kernels' names. Winograd's transforms come before
 * and after their products.
 */
function workOf(dispatches: readonly Dispatch[], convs: readonly Conv[]): Work[] {
  const productsOf = (label: string) => label.replace(/\.products$/, '');
  const queue = [...convs];
  let last: Conv | undefined;
  const works = dispatches.map((dispatch): Work => {
    const [next] = queue;
    if (next && next.shape.label === dispatch.label) {
      last = queue.shift()!;
      return convWork(last);
    }
    if (next && dispatch.label === `${productsOf(next.shape.label)}.transformed`)
      return transformWork(next, 'in', dispatch);
    if (last && last.shape.label === `${dispatch.label}.products`)
      return transformWork(last, 'out', dispatch);
    return { multiplyAdds: 0, bytes: boundBytes(dispatch) };
  });
  if (queue.length > 0)
    throw new Error(`no kernel is called ${queue[0].shape.label}, for which a tile was chosen`);
  return works;
}

/** In Winograd's F(4×4, 3×3): values of a transformed patch, and pixels of a tile. */
const places = 36;
const pixels = 16;

function convWork({ shape, tile }: Conv): Work {
  const {
    kernel,
    inChannels,
    outChannels,
    sizes,
    types,
    batches = 1,
    sharedWeights = false,
  } = shape;
  const [inHeight, inWidth, outHeight, outWidth] = sizes;
  const depth = kernel * kernel * inChannels;
  const outputs = batches * outHeight * outWidth * outChannels;
  const inBytes = batches * inHeight * inWidth * inChannels * valueBytes[types.input];
  const weightBytes =
    (sharedWeights ? 1 : batches) * depth * outChannels * valueBytes[types.weight];
  const outBytes = outputs * valueBytes[types.output] * (shape.sum ? 3 : shape.residual ? 2 : 1);
  const [tilePixels, tileOut4] = tileSize(tile);
  const isProduct = shape.label.endsWith('.products');
  return {
    multiplyAdds: outputs * depth,
    bytes: inBytes + weightBytes + outBytes,
    tile: {
      name: tileName(tile),
      depth,
      perGroup: tilePixels * tileOut4 * 4 * depth,
      invocations: tile.lanes * tile.rows * (tile.matrix?.subgroup ?? 1),
    },
    ...(isProduct && { band: { between: inBytes + outBytes, rest: weightBytes } }),
  };
}

function transformWork({ shape }: Conv, side: 'in' | 'out', { constants }: Dispatch): Work {
  const { inChannels, outChannels, sizes, types } = shape;
  const tiles = sizes[3];
  const between =
    tiles *
    places *
    (inChannels * valueBytes[types.input] + outChannels * valueBytes[types.output]);
  const [channels, type] = side === 'in' ? [inChannels, types.input] : [outChannels, types.output];
  const maps = side === 'out' && constants?.RESIDUAL ? 2 : 1;
  const rest = tiles * pixels * maps * channels * valueBytes[type];
  return {
    multiplyAdds: 0,
    bytes: tiles * places * channels * valueBytes[type] + rest,
    band: { between, rest },
  };
}

function boundBytes({ bindings }: Dispatch): number {
  const seen = new Map<Resource, number>();
  for (const { resource, range, access } of bindings) {
    if (access === 'texture') continue;
    const bytes =
      range?.bytes ?? (isSlot(resource) ? resource.bytes : (resource as GPUBuffer).size);
    seen.set(resource, Math.max(bytes, seen.get(resource) ?? 0));
  }
  return [...seen.values()].reduce((sum, bytes) => sum + bytes, 0);
}
