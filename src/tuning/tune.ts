// Measures on the user's own adapter which tiles a network's convolutions are fastest in.
import { PanppError } from '../errors.js';
import type { Gpu } from '../gpu/context.js';
import { type ConvShape, candidateTiles, defaultTile, defaultTiles, shapeKey } from '../layers/conv-tile.js';
import { featureMap } from '../layers/feature-map.js';
import type { PrecisionChoice } from '../layers/precision.js';
import { planPyramidConv } from '../layers/pyramid-conv.js';
import type { ModelConfig } from '../network/config.js';
import { fusedLevels, planNetwork } from '../network/plan.js';
import { type NetworkWeights, uploadWeights } from '../network/weights.js';
import { readWeights } from '../network/weights-file.js';
import { race } from './race.js';
import { Trial } from './trial.js';
import { type TunedShape, type Tuning, sameTile, tuningOf } from './tuning.js';

/** The pixels that a network sees. */
export interface TuneSize {
  /** Rows; raised to a multiple of 32. */
  readonly height: number;
  /** Columns; raised likewise. */
  readonly width: number;
}

/** What `tune` says while it works. */
export interface TuneProgress {
  /** The shape that was just measured, as in `Tuning.shapes`. */
  readonly shape: string;
  /** What was found for it. */
  readonly found: TunedShape;
  /** Shapes measured so far. */
  readonly done: number;
  /** Shapes in all. */
  readonly total: number;
}

/** How `tune` works. */
export interface TuneOptions {
  /** The sizes to tune for; unless given, those of squares, 4:3 and 16:9 images at the model's own short side. */
  readonly sizes?: readonly TuneSize[];
  /** As in `loadModel`. */
  readonly precision?: PrecisionChoice;
  /** Named in errors, for example the weights file's name. */
  readonly source?: string;
  /** Called after every shape. */
  readonly onProgress?: (progress: TuneProgress) => void;
  /** Rejects with the signal's reason before the next shape. */
  readonly signal?: AbortSignal;
}

/**
 * Measures the convolutions of a model on an adapter, for `loadModel(gpu, weights, { tuning })`. Takes from seconds to minutes, during which the
 * adapter should do nothing else. A tile whose results are not the default tile's is reported (`TunedShape.faults`) and not used.
 * @param weights the bytes of a file that `panpp convert` made
 * @throws PanppError as `loadModel`; `argument` for sizes that are none
 */
export async function tune(gpu: Gpu, weights: Uint8Array | ArrayBuffer, options: TuneOptions = {}): Promise<Tuning> {
  gpu.assertUsable();
  const shapes = await shapesOf(gpu, weights, options);
  const compiled = new Set(gpu.pipelines.keys());
  const found: Record<string, TunedShape> = {};
  try {
    for (const [key, shape] of shapes) {
      options.signal?.throwIfAborted();
      found[key] = await tuneShape(gpu, shape);
      // The pipelines of tiles that lost.
      for (const pipeline of gpu.pipelines.keys()) if (!compiled.has(pipeline)) gpu.pipelines.delete(pipeline);
      options.onProgress?.({ shape: key, found: found[key], done: Object.keys(found).length, total: shapes.size });
    }
  } catch (error) {
    // A lost device comes as all sorts of errors.
    gpu.assertUsable();
    throw error;
  }
  return tuningOf(gpu.profile, found);
}

/** The shapes that planning asks a tile for, by their keys; of those that share one, the largest. */
async function shapesOf(gpu: Gpu, weights: Uint8Array | ArrayBuffer, { source, precision, sizes }: TuneOptions): Promise<Map<string, ConvShape>> {
  const { config, tensors } = readWeights(weights instanceof Uint8Array ? weights : new Uint8Array(weights), source);
  const chosen = (sizes ?? usualSizes(config)).map(checkedSize);
  const shapes = new Map<string, ConvShape>();
  const choose = defaultTiles(gpu.profile);
  const network = uploadWeights(gpu, tensors, config, precision, (shape) => {
    const key = shapeKey(shape);
    const known = shapes.get(key);
    if (!known || known.sizes[2] * known.sizes[3] < shape.sizes[2] * shape.sizes[3]) shapes.set(key, shapeAlone(shape));
    return choose(shape);
  });
  try {
    await network.ready;
    for (const size of chosen) planConvolutions(config, network, size);
  } finally {
    network.dispose();
  }
  return shapes;
}

// Planning gives the whole plan of a convolution.
function shapeAlone({ kernel, stride, inChannels, outChannels, batches, sizes, types }: ConvShape): ConvShape {
  return { kernel, stride, inChannels, outChannels, batches, sizes, types };
}

function planConvolutions(config: ModelConfig, weights: NetworkWeights, { height, width }: TuneSize): void {
  const network = planNetwork(config, weights, featureMap('image', height, width, 4));
  if (config.recognition) planPyramidConv('rec_head.conv', fusedLevels(network), weights.pyramidConv('rec_head.conv'));
}

function usualSizes({ detection: { shortSide } }: ModelConfig): TuneSize[] {
  return [1, 4 / 3, 16 / 9].map((ratio) => ({ height: shortSide, width: Math.round(ratio * shortSide) }));
}

function checkedSize(size: TuneSize): TuneSize {
  for (const side of [size.height, size.width]) {
    if (!Number.isInteger(side) || side < 1 || side > 8192) {
      throw new PanppError('argument', `a size to tune for is ${size.height}x${size.width}; its sides must be whole numbers from 1 to 8192`);
    }
  }
  const aligned = (side: number) => Math.ceil(side / 32) * 32;
  return { height: aligned(size.height), width: aligned(size.width) };
}

async function tuneShape(gpu: Gpu, shape: ConvShape): Promise<TunedShape> {
  const usual = defaultTile(shape, gpu.profile);
  const trial = new Trial(gpu, shape);
  try {
    const faults: string[] = [];
    const others = [];
    const ofUsual = await trial.faultOf(usual);
    if (ofUsual) throw new PanppError('shader', `${shapeKey(shape)} can't be measured: ${ofUsual}`);
    for (const tile of candidateTiles(shape, gpu.profile)) {
      if (sameTile(tile, usual)) continue;
      const fault = await trial.faultOf(tile);
      if (fault) faults.push(fault);
      else others.push(tile);
    }
    await trial.setRepeats(usual);
    const { winner, ...times } = await race(usual, others, (tile) => trial.time(tile));
    return { ...(winner && { tile: winner }), best: rounded(times.best), usual: rounded(times.usual), ...(faults.length > 0 && { faults }) };
  } finally {
    trial.dispose();
  }
}

/** To a tenth of a microsecond. */
function rounded(milliseconds: number): number {
  return Number(milliseconds.toFixed(4));
}
