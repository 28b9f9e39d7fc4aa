// Measures on the user's adapter which tiles, and then which methods, are fastest for a network's
// convolutions.
import { PanppError } from '../errors.js';
import type { Gpu } from '../gpu/context.js';
import {
  type ConvChoices,
  type ConvClass,
  candidateMethods,
  classKey,
  defaultChoices,
} from '../layers/conv/method.js';
import { type ConvShape, shapeKey } from '../layers/conv/shape.js';
import { candidateTiles, defaultTile } from '../layers/conv/tiles/kinds.js';
import { packConv } from '../layers/conv/conv.js';
import { convShapeOf } from '../layers/conv/direct.js';
import { featureMap } from '../layers/feature-map.js';
import { type WeightPacker, packWeights } from '../layers/pack.js';
import { type PrecisionChoice, choosePrecision } from '../layers/precision.js';
import type { ModelConfig } from '../network/config.js';
import { planNetwork, planRecognitionFeatures } from '../network/plan.js';
import { type PlannedWeights, planWeights } from '../network/weights.js';
import { readWeights } from '../network/weights-file.js';
import { checkOptions } from '../options.js';
import { race } from './race.js';
import { Trial } from './trial.js';
import {
  type TunedMethod,
  type TunedShape,
  type Tuning,
  sameTile,
  tunedChoices,
  tuningOf,
} from './tuning.js';
import { type Ways, methodWays, randomize, tileWays } from './ways.js';

/** Size of a network's input in pixels. */
export interface TuneSize {
  /** Height; rounded up to a multiple of 32. */
  readonly height: number;
  /** Width; rounded up to a multiple of 32. */
  readonly width: number;
}

/** Progress of `tune`. */
export interface TuneProgress {
  /**
   * Key of the shape just measured, as in `Tuning.shapes`, or of the class, as in `Tuning.methods`.
   */
  readonly shape: string;
  /** Result for this shape or class. */
  readonly found: TunedShape | TunedMethod;
  /** Number of shapes and classes measured so far. */
  readonly done: number;
  /** Total number of shapes and classes. */
  readonly total: number;
}

/** Options of `tune`. */
export interface TuneOptions {
  /**
   * Input sizes to tune for; default: square, 4:3 and 16:9 images at the model's own short side.
   */
  readonly sizes?: readonly TuneSize[];
  /** As in `loadModel`. */
  readonly precision?: PrecisionChoice;
  /** Name used in error messages, for example the weights file's name. */
  readonly source?: string;
  /** Called after each shape and each class. */
  readonly onProgress?: (progress: TuneProgress) => void;
  /** Rejects with the signal's reason before the next shape or class. */
  readonly signal?: AbortSignal;
}

/**
 * Measures the convolutions of a model on an adapter, for `loadModel(gpu, weights, { tuning })`.
 * Takes seconds to minutes; the adapter should be idle otherwise. A tile or method whose results
 * differ from the default one's is reported in `faults` and not used.
 * @param weights the bytes of a file written by `panpp convert`
 * @throws PanppError as `loadModel`; `argument` for invalid sizes
 */
export async function tune(
  gpu: Gpu,
  weights: Uint8Array | ArrayBuffer,
  options: TuneOptions = {},
): Promise<Tuning> {
  checkOptions('tune', options, ['sizes', 'precision', 'source', 'onProgress', 'signal']);
  gpu.assertUsable();
  const { shapes, classes } = convolutionsOf(gpu, weights, options);
  const compiled = new Set(gpu.pipelines.keys());
  const tiles: Record<string, TunedShape> = {};
  const methods: Record<string, TunedMethod> = {};
  let done = 0;
  const keep = async <F extends TunedShape | TunedMethod>(
    all: Record<string, F>,
    shape: string,
    measured: () => Promise<F>,
  ) => {
    options.signal?.throwIfAborted();
    const found = (all[shape] = await measured());
    // Free the pipelines of rejected ways.
    for (const pipeline of gpu.pipelines.keys())
      if (!compiled.has(pipeline)) gpu.pipelines.delete(pipeline);
    options.onProgress?.({ shape, found, done: ++done, total: shapes.size + classes.size });
  };
  try {
    for (const [key, shape] of shapes) await keep(tiles, key, () => tuneShape(gpu, key, shape));
    const choices = tunedChoices({ shapes: tiles }, gpu.profile);
    for (const [key, own] of classes)
      await keep(methods, key, () => tuneMethod(gpu, key, own, choices));
  } catch (error) {
    // A lost device can cause any kind of error.
    gpu.assertUsable();
    throw error;
  }
  return tuningOf(gpu.profile, tiles, methods);
}

/**
 * Collects the convolutions of a network's plans, for all methods. Shapes by key: the largest shape
 * with each key. Classes with a choice of methods, by key: all direct shapes of the class,
 * including equal ones.
 */
export function convolutionsOf(
  { profile }: Pick<Gpu, 'profile'>,
  weights: Uint8Array | ArrayBuffer,
  { source, precision = 'f32', sizes }: TuneOptions,
): { shapes: ReadonlyMap<string, ConvShape>; classes: ReadonlyMap<string, readonly ConvShape[]> } {
  const { config } = readWeights(
    weights instanceof Uint8Array ? weights : new Uint8Array(weights),
    source,
  );
  const chosen = (sizes ?? usualSizes(config)).map(checkedSize);
  const usual = defaultChoices(profile);
  const shapes = new Map<string, ConvShape>();
  const classes = new Map<string, ConvShape[]>();
  // Plans with the usual methods, then with the others.
  for (const which of [0, -1]) {
    const choices: ConvChoices = {
      ...usual,
      method: (conv) => candidateMethods(conv, profile).at(which)!,
    };
    const planned = planWeights(config, choosePrecision(precision, profile), choices);
    for (const shape of chosen.flatMap((size) => plannedShapes(config, planned, size))) {
      const key = shapeKey(shape);
      const known = shapes.get(key);
      if (!known || known.sizes[2] * known.sizes[3] < shape.sizes[2] * shape.sizes[3])
        shapes.set(key, shape);
      const conv = classOf(shape);
      const own = classKey(conv, profile);
      if (candidateMethods(conv, profile).length > 1)
        classes.set(own, [...(classes.get(own) ?? []), shape]);
    }
  }
  return { shapes, classes };
}

/** The class of a convolution, from its direct shape. */
function classOf(shape: ConvShape): ConvClass {
  return { ...shape, precision: shape.types.weight };
}

function plannedShapes(
  config: ModelConfig,
  weights: PlannedWeights,
  { height, width }: TuneSize,
): ConvShape[] {
  const network = planNetwork(config, weights, featureMap('image', height, width, 4));
  const features = config.recognition ? planRecognitionFeatures(network, weights).dispatches : [];
  return [...network.dispatches, ...features].flatMap((dispatch) => convShapeOf(dispatch) ?? []);
}

function usualSizes({ detection: { shortSide } }: ModelConfig): TuneSize[] {
  return [1, 4 / 3, 16 / 9].map((ratio) => ({
    height: shortSide,
    width: Math.round(ratio * shortSide),
  }));
}

function checkedSize(size: TuneSize): TuneSize {
  for (const side of [size.height, size.width]) {
    if (!Number.isInteger(side) || side < 1 || side > 8192) {
      throw new PanppError(
        'argument',
        `a size to tune for is ${size.height}x${size.width}; its sides must be whole numbers from 1 to 8192`,
      );
    }
  }
  const aligned = (side: number) => Math.ceil(side / 32) * 32;
  return { height: aligned(size.height), width: aligned(size.width) };
}

async function tuneShape(gpu: Gpu, key: string, shape: ConvShape): Promise<TunedShape> {
  const usual = defaultTile(shape, gpu.profile);
  const others = candidateTiles(shape, gpu.profile).filter((tile) => !sameTile(tile, usual));
  const { winner, ...found } = await fastest(gpu, key, tileWays(gpu, shape), [usual, ...others]);
  return { ...(winner && { tile: winner }), ...found };
}

/**
 * Finds the fastest method of a class, summed over all its convolutions in the network.
 * @param shapes the direct shapes of these convolutions
 * @param choices the tiles to use for each method
 * @param methods candidates, the usual method first
 */
export async function tuneMethod(
  gpu: Gpu,
  key: string,
  shapes: readonly ConvShape[],
  choices: ConvChoices,
  methods = candidateMethods(classOf(shapes[0]), gpu.profile),
): Promise<TunedMethod> {
  const own = classOf(shapes[0]);
  const weight = randomize(new Float32Array(own.outChannels * own.inChannels * own.kernel ** 2));
  const conv = { ...own, weight, bias: new Float32Array(own.outChannels) };
  const pack = (packer: WeightPacker<ConvChoices>) =>
    new Map(methods.map((method) => [method, packConv(packer, method, conv, own.stride, method)]));
  const { packed, ready, dispose } = packWeights(gpu, own.precision, choices, pack);
  try {
    await ready;
    const { winner, ...found } = await fastest(gpu, key, methodWays(gpu, packed, shapes), methods);
    return { ...(winner && { method: winner }), ...found };
  } finally {
    dispose();
  }
}

/** Races the ways whose results match the first one's. */
async function fastest<T>(gpu: Gpu, key: string, ways: Ways<T>, [usual, ...others]: readonly T[]) {
  const trial = new Trial(gpu, ways);
  try {
    const faults: string[] = [];
    const sound: T[] = [];
    const ofUsual = await trial.faultOf(usual);
    if (ofUsual) throw new PanppError('shader', `${key} can't be measured: ${ofUsual}`);
    for (const way of others) {
      const fault = await trial.faultOf(way);
      if (fault) faults.push(fault);
      else sound.push(way);
    }
    await trial.setRepeats(usual);
    const { winner, ...times } = await race(usual, sound, (way) => trial.time(way));
    return {
      winner,
      best: rounded(times.best),
      usual: rounded(times.usual),
      ...(faults.length > 0 && { faults }),
    };
  } finally {
    trial.dispose();
  }
}

/** Rounds to 0.1 µs. */
function rounded(milliseconds: number): number {
  return Number(milliseconds.toFixed(4));
}
