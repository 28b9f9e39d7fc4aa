// Measures on the user's own adapter which tiles a network's convolutions are fastest in, and then by which method.
import { PanppError } from '../errors.js';
import type { Gpu } from '../gpu/context.js';
import { type ConvChoices, type ConvClass, candidateMethods, classKey, defaultChoices } from '../layers/conv-method.js';
import { type ConvShape, type TileChooser, type TileDevice, candidateTiles, defaultTile, shapeKey } from '../layers/conv-tile.js';
import { type PackedConv, packConv } from '../layers/conv.js';
import { featureMap } from '../layers/feature-map.js';
import { type WeightPacker, packWeights } from '../layers/pack.js';
import type { PrecisionChoice } from '../layers/precision.js';
import { type Pyramid, planPyramidConv } from '../layers/pyramid-conv.js';
import type { ModelConfig } from '../network/config.js';
import { fusedLevels, planNetwork } from '../network/plan.js';
import { type NetworkWeights, uploadWeights } from '../network/weights.js';
import { readWeights } from '../network/weights-file.js';
import { race } from './race.js';
import { Trial } from './trial.js';
import { type TunedMethod, type TunedShape, type Tuning, sameTile, tunedChoices, tuningOf } from './tuning.js';
import { methodWays, randomize, tileWays } from './ways.js';

/** The pixels that a network sees. */
export interface TuneSize {
  /** Rows; raised to a multiple of 32. */
  readonly height: number;
  /** Columns; raised likewise. */
  readonly width: number;
}

/** What `tune` says while it works. */
export interface TuneProgress {
  /** The shape that was just measured, as in `Tuning.shapes`, or the class, as in `Tuning.methods`. */
  readonly shape: string;
  /** What was found for it. */
  readonly found: TunedShape | TunedMethod;
  /** Shapes and classes measured so far. */
  readonly done: number;
  /** Shapes and classes in all. */
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
  /** Called after every shape and class. */
  readonly onProgress?: (progress: TuneProgress) => void;
  /** Rejects with the signal's reason before the next shape or class. */
  readonly signal?: AbortSignal;
}

/**
 * Measures the convolutions of a model on an adapter, for `loadModel(gpu, weights, { tuning })`. Takes from seconds to minutes, during which the
 * adapter should do nothing else. A tile or a method whose results are not the usual one's is reported (`faults`) and not used.
 * @param weights the bytes of a file that `panpp convert` made
 * @throws PanppError as `loadModel`; `argument` for sizes that are none
 */
export async function tune(gpu: Gpu, weights: Uint8Array | ArrayBuffer, options: TuneOptions = {}): Promise<Tuning> {
  gpu.assertUsable();
  const { uses, classes } = await convolutionsOf(gpu, weights, options);
  const compiled = new Set(gpu.pipelines.keys());
  const shapes: Record<string, TunedShape> = {};
  const methods: Record<string, TunedMethod> = {};
  let done = 0;
  const measure = async <F extends TunedShape | TunedMethod>(all: Record<string, F>, key: string, found: () => Promise<F>) => {
    options.signal?.throwIfAborted();
    all[key] = await found();
    // The pipelines of those that lost.
    for (const pipeline of gpu.pipelines.keys()) if (!compiled.has(pipeline)) gpu.pipelines.delete(pipeline);
    options.onProgress?.({ shape: key, found: all[key], done: ++done, total: uses.size + classes.size });
  };
  try {
    for (const [key, { shape }] of uses) await measure(shapes, key, () => tuneShape(gpu, shape));
    const choices = tunedChoices({ shapes }, gpu.profile);
    for (const [key, own] of classes) await measure(methods, key, () => tuneMethod(gpu, own, choices));
  } catch (error) {
    // A lost device comes as all sorts of errors.
    gpu.assertUsable();
    throw error;
  }
  return tuningOf(gpu.profile, shapes, methods);
}

/** Where a network needs a shape of convolution. */
interface ShapeUse {
  /** Of all that share a key, the largest. */
  readonly shape: ConvShape;
  /** Output pixels of all of them. */
  readonly pixels: number;
}

/**
 * The shapes that planning a network asks a tile for, by their keys, whatever the methods; and by their keys too the classes that have a choice of
 * methods, with their direct shapes.
 */
export async function convolutionsOf(
  gpu: Gpu,
  weights: Uint8Array | ArrayBuffer,
  { source, precision, sizes }: TuneOptions,
  device: TileDevice = gpu.profile,
): Promise<{ uses: ReadonlyMap<string, ShapeUse>; classes: ReadonlyMap<string, readonly ShapeUse[]> }> {
  const { config, tensors } = readWeights(weights instanceof Uint8Array ? weights : new Uint8Array(weights), source);
  const chosen = (sizes ?? usualSizes(config)).map(checkedSize);
  let uses = new Map<string, ShapeUse>();
  const choices = defaultChoices(device);
  const tile: TileChooser = (asked) => {
    const key = shapeKey(asked);
    const { shape, pixels } = uses.get(key) ?? { shape: shapeAlone(asked), pixels: 0 };
    uses.set(key, { shape: pixelsOf(shape) < pixelsOf(asked) ? shapeAlone(asked) : shape, pixels: pixels + pixelsOf(asked) });
    return choices.tile(asked);
  };
  const network = uploadWeights(gpu, tensors, config, precision, { ...choices, tile });
  try {
    await network.ready;
    const usesOf = (planned: NetworkWeights) => {
      uses = new Map();
      for (const size of chosen) planConvolutions(config, planned, size);
      return uses;
    };
    const usual = usesOf(network);
    const other = usesOf(otherwise(network, device));
    const classes = new Map<string, ShapeUse[]>();
    for (const use of other.values()) {
      const conv = classOf(use.shape);
      const key = classKey(conv, device);
      if (candidateMethods(conv, device).length > 1) classes.set(key, [...(classes.get(key) ?? []), use]);
    }
    return { uses: new Map([...usual, ...other]), classes };
  } finally {
    network.dispose();
  }
}

// Planning gives the whole plan of a convolution.
function shapeAlone({ kernel, stride, inChannels, outChannels, batches, sizes, types }: ConvShape): ConvShape {
  return { kernel, stride, inChannels, outChannels, batches, sizes, types };
}

function pixelsOf({ sizes }: ConvShape): number {
  return sizes[2] * sizes[3];
}

/** The class of a convolution from its direct shape. */
function classOf({ kernel, stride, inChannels, outChannels, types }: ConvShape): ConvClass {
  return { kernel, stride, inChannels, outChannels, precision: types.weight };
}

/** Weights to plan by the methods that are not the usual ones. Planning does not ask what they were packed for. */
function otherwise(weights: NetworkWeights, device: TileDevice): NetworkWeights {
  const other = (conv: PackedConv): PackedConv => ({ ...conv, method: candidateMethods(conv, device).at(-1)! });
  return {
    ...weights,
    conv: (name) => other(weights.conv(name)),
    pyramidConv: (name) => weights.pyramidConv(name).map(other) as unknown as Pyramid<PackedConv>,
  };
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
  const others = candidateTiles(shape, gpu.profile).filter((tile) => !sameTile(tile, usual));
  const trial = new Trial(gpu, tileWays(gpu, shape));
  const { winner, ...found } = await fastest(shapeKey(shape), [usual, ...others], [{ trial, times: 1 }]);
  return { ...(winner && { tile: winner }), ...found };
}

/**
 * Finds the fastest method of a class, over all that the network has of it.
 * @param uses its direct shapes, one at least
 * @param choices the tiles that every method gets
 * @param methods the usual one first
 */
export async function tuneMethod(
  gpu: Gpu,
  uses: readonly ShapeUse[],
  choices: ConvChoices,
  methods = candidateMethods(classOf(uses[0].shape), gpu.profile),
): Promise<TunedMethod> {
  const own = classOf(uses[0].shape);
  const { kernel, stride, inChannels, outChannels, precision } = own;
  const weight = randomize(new Float32Array(outChannels * inChannels * kernel ** 2));
  const conv = { weight, bias: new Float32Array(outChannels), outChannels, inChannels, kernel };
  const pack = (packer: WeightPacker) => new Map(methods.map((method) => [method, packConv(packer, method, conv, stride, method)]));
  const { packed, ready, dispose } = packWeights(gpu, precision, pack, choices);
  try {
    await ready;
    const trials = uses.map(({ shape, pixels }) => ({
      trial: new Trial(gpu, methodWays(gpu, packed, shape.sizes)),
      times: pixels / pixelsOf(shape),
    }));
    const { winner, ...found } = await fastest(classKey(own, gpu.profile), methods, trials);
    return { ...(winner && { method: winner }), ...found };
  } finally {
    dispose();
  }
}

/** Races those that give the usual one's values, by the sum of several trials, each so many times. Ends the trials. */
async function fastest<T>(key: string, [usual, ...others]: readonly T[], trials: readonly { readonly trial: Trial<T>; readonly times: number }[]) {
  const firstFault = async (way: T) => {
    let fault: string | undefined;
    for (const { trial } of trials) fault ??= await trial.faultOf(way);
    return fault;
  };
  try {
    const ofUsual = await firstFault(usual);
    if (ofUsual) throw new PanppError('shader', `${key} can't be measured: ${ofUsual}`);
    const faults: string[] = [];
    const sound: T[] = [];
    for (const way of others) {
      const fault = await firstFault(way);
      if (fault) faults.push(fault);
      else sound.push(way);
    }
    for (const { trial } of trials) await trial.setRepeats(usual);
    const { winner, ...found } = await race(usual, sound, async (way) => {
      let sum = 0;
      for (const { trial, times } of trials) sum += times * (await trial.time(way));
      return sum;
    });
    return { winner, best: rounded(found.best), usual: rounded(found.usual), ...(faults.length > 0 && { faults }) };
  } finally {
    for (const { trial } of trials) trial.dispose();
  }
}

/** To a tenth of a microsecond. */
function rounded(milliseconds: number): number {
  return Number(milliseconds.toFixed(4));
}
