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
import { sameTile } from '../layers/conv/tiles/tile.js';
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
import { CandidateRunner } from './runner.js';
import { selectFastest } from './select.js';
import { type TuningTask, methodTask, randomize, tileTask } from './task.js';
import {
  type TunedMethod,
  type TunedShape,
  type Tuning,
  tunedChoices,
  tuningOf,
} from './tuning.js';

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
  return tuneConvolutions(gpu, convolutionsOf(gpu, weights, options), options);
}

/** The convolutions to measure. */
interface Convolutions {
  /** The largest shape with each key. */
  readonly shapes: ReadonlyMap<string, ConvShape>;
  /** For each class with a choice of methods, all its direct shapes, including equal ones. */
  readonly classes: ReadonlyMap<string, readonly ConvShape[]>;
}

/** Measures tiles for each shape, then methods for each class with the tiles just found. */
export async function tuneConvolutions(
  gpu: Gpu,
  { shapes, classes }: Convolutions,
  { onProgress, signal }: Pick<TuneOptions, 'onProgress' | 'signal'>,
): Promise<Tuning> {
  const compiled = new Set(gpu.pipelines.keys());
  const tiles: Record<string, TunedShape> = {};
  const methods: Record<string, TunedMethod> = {};
  let done = 0;
  const record = async <R extends TunedShape | TunedMethod>(
    results: Record<string, R>,
    shape: string,
    measure: () => Promise<R>,
  ) => {
    signal?.throwIfAborted();
    const found = (results[shape] = await measure());
    // Free the pipelines of the candidates.
    for (const pipeline of gpu.pipelines.keys())
      if (!compiled.has(pipeline)) gpu.pipelines.delete(pipeline);
    onProgress?.({ shape, found, done: ++done, total: shapes.size + classes.size });
  };
  try {
    for (const [key, shape] of shapes) await record(tiles, key, () => tuneShape(gpu, key, shape));
    const choices = tunedChoices({ shapes: tiles }, gpu.profile);
    for (const [key, members] of classes)
      await record(methods, key, () => tuneMethod(gpu, key, members, choices));
  } catch (error) {
    // A lost device can cause any kind of error.
    gpu.assertUsable();
    throw error;
  }
  return tuningOf(gpu.profile, tiles, methods);
}

/** Collects the convolutions of a network's plans, for all methods. */
export function convolutionsOf(
  { profile }: Pick<Gpu, 'profile'>,
  weights: Uint8Array | ArrayBuffer,
  { source, precision = 'f32', sizes }: TuneOptions,
): Convolutions {
  const { config } = readWeights(
    weights instanceof Uint8Array ? weights : new Uint8Array(weights),
    source,
  );
  const chosen = (sizes ?? defaultSizes(config)).map(checkedSize);
  const defaults = defaultChoices(profile);
  const shapes = new Map<string, ConvShape>();
  const classes = new Map<string, ConvShape[]>();
  // Plans with the default methods, then with the last candidates.
  for (const index of [0, -1]) {
    const choices: ConvChoices = {
      ...defaults,
      method: (conv) => candidateMethods(conv, profile).at(index)!,
    };
    const planned = planWeights(config, choosePrecision(precision, profile), choices);
    for (const shape of chosen.flatMap((size) => plannedShapes(config, planned, size))) {
      const key = shapeKey(shape);
      const known = shapes.get(key);
      if (!known || known.sizes[2] * known.sizes[3] < shape.sizes[2] * shape.sizes[3])
        shapes.set(key, shape);
      const conv = classOf(shape);
      const ownClass = classKey(conv, profile);
      if (candidateMethods(conv, profile).length > 1)
        classes.set(ownClass, [...(classes.get(ownClass) ?? []), shape]);
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

function defaultSizes({ detection: { shortSide } }: ModelConfig): TuneSize[] {
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
  const baseline = defaultTile(shape, gpu.profile);
  const candidates = candidateTiles(shape, gpu.profile).filter((tile) => !sameTile(tile, baseline));
  const task = tileTask(gpu, shape);
  const { winner, ...result } = await runTask(gpu, key, task, baseline, candidates);
  return { ...(winner && { tile: winner }), ...result };
}

/**
 * Finds the fastest method of a class, summed over all its convolutions in the network.
 * @param shapes the direct shapes of these convolutions
 * @param choices the tiles to use for each method
 * @param methods the default method, which is the baseline, and the candidates
 */
export async function tuneMethod(
  gpu: Gpu,
  key: string,
  shapes: readonly ConvShape[],
  choices: ConvChoices,
  methods = candidateMethods(classOf(shapes[0]), gpu.profile),
): Promise<TunedMethod> {
  const convClass = classOf(shapes[0]);
  const { outChannels, inChannels, kernel, stride, precision } = convClass;
  const weight = randomize(new Float32Array(outChannels * inChannels * kernel ** 2));
  const conv = { ...convClass, weight, bias: new Float32Array(outChannels) };
  const pack = (packer: WeightPacker<ConvChoices>) =>
    new Map(methods.map((method) => [method, packConv(packer, method, conv, stride, method)]));
  const { packed, ready, dispose } = packWeights(gpu, precision, choices, pack);
  try {
    await ready;
    const [baseline, ...candidates] = methods;
    const task = methodTask(gpu, packed, shapes);
    const { winner, ...result } = await runTask(gpu, key, task, baseline, candidates);
    return { ...(winner && { method: winner }), ...result };
  } finally {
    dispose();
  }
}

/** Checks the candidates of a task and measures those whose results match the baseline's. */
async function runTask<T>(
  gpu: Gpu,
  key: string,
  task: TuningTask<T>,
  baseline: T,
  candidates: readonly T[],
) {
  const runner = await CandidateRunner.create(gpu, task);
  try {
    const fault = await runner.check(baseline);
    if (fault) throw new PanppError('shader', `${key} can't be measured: ${fault}`);
    const faults: string[] = [];
    const valid: T[] = [];
    for (const candidate of candidates) {
      const fault = await runner.check(candidate);
      if (fault) faults.push(fault);
      else valid.push(candidate);
    }
    await runner.setRepeats(baseline);
    const selection = await selectFastest(baseline, valid, (candidate) =>
      runner.measure(candidate),
    );
    return {
      winner: selection.winner,
      best: rounded(selection.best),
      baseline: rounded(selection.baseline),
      ...(faults.length > 0 && { faults }),
    };
  } finally {
    runner.dispose();
  }
}

/** Rounds to 0.1 µs. */
function rounded(milliseconds: number): number {
  return Number(milliseconds.toFixed(4));
}
