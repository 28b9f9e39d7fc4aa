// What was measured on an adapter, as plain data: which tile is fastest for which shape of
// convolution, and which method for which class of them. It can be stored, shipped and given to
// `loadModel`; it is used on the adapter and with the shaders that it was measured with, and
// nowhere else.
import { PanppError } from '../errors.js';
import type { GpuProfile } from '../gpu/context.js';
import {
  type ConvChoices,
  type ConvMethod,
  candidateMethods,
  classKey,
  defaultChoices,
} from '../layers/conv/method.js';
import { shapeKey } from '../layers/conv/shape.js';
import { candidateTiles, tileName, tileSources } from '../layers/conv/tiles/kinds.js';
import type { ConvTile, TileDevice } from '../layers/conv/tiles/tile.js';
import { winogradSources } from '../layers/conv/winograd.js';
import type { Source } from '../wgsl/assemble.js';
import { tokensOf } from '../wgsl/tokens.js';

/** What was found for one shape. */
export interface TunedShape {
  /** The tile that beats the default one; none if that stays. */
  readonly tile?: ConvTile;
  /** Milliseconds of one convolution in that tile, or in the default one if that stays. */
  readonly best: number;
  /** Milliseconds in the default tile. */
  readonly usual: number;
  /**
   * Tiles that don't compile or give other values on this adapter, a line each. They are never
   * used; please report them.
   */
  readonly faults?: readonly string[];
}

/** What was found for one class of convolutions. */
export interface TunedMethod {
  /** The method that beats the usual one, which is Winograd's; none if that stays. */
  readonly method?: ConvMethod;
  /**
   * Milliseconds of all the class's convolutions at the sizes tuned, by that method, or by the
   * usual one if that stays; in their fastest tiles.
   */
  readonly best: number;
  /** Milliseconds by the usual method. */
  readonly usual: number;
  /**
   * Methods that don't compile or give other values on this adapter, a line each. They are never
   * used; please report them.
   */
  readonly faults?: readonly string[];
}

/** What `tune` finds out, as plain data for JSON. */
export interface Tuning {
  /** Version of this format. */
  readonly format: 1;
  /** As in `GpuProfile`; so are the next two. */
  readonly adapter: string;
  /** Who made the adapter. */
  readonly vendor: string;
  /** The family of GPUs. */
  readonly architecture: string;
  /** Hash of the shaders that were measured. */
  readonly shaders: string;
  /**
   * By shape, for example `1x1/1 64>128 x36 1024px f32 f32 f32`: kernel and stride, channels,
   * batches, pixels up to the next power of two, how input, weights and output are stored.
   */
  readonly shapes: Readonly<Record<string, TunedShape>>;
  /**
   * By class, for example `3x3/1 64>128 f16`: kernel and stride, channels, how values are stored;
   * `matrix` follows where there were subgroup matrices. Only classes that the adapter leaves a
   * choice for, so none on those that compute on a CPU.
   */
  readonly methods?: Readonly<Record<string, TunedMethod>>;
}

/**
 * Whether a tuning is used: it was given and fits; none was given; it was measured on another
 * adapter, or with other shaders.
 */
export type TuningState = 'used' | 'none' | 'other-adapter' | 'other-shaders';

const format = 1;

/** A tuning for an adapter, of the shaders as they are now. */
export function tuningOf(
  { adapter, vendor, architecture }: TuningProfile,
  shapes: Tuning['shapes'],
  methods: Tuning['methods'] = {},
): Tuning {
  return { format, adapter, vendor, architecture, shaders: shaderHash(), shapes, methods };
}

type TuningProfile = Pick<GpuProfile, 'adapter' | 'vendor' | 'architecture'>;

/** Whether a tuning fits an adapter. */
export function tuningState(tuning: Tuning | undefined, profile: TuningProfile): TuningState {
  if (!tuning) return 'none';
  const ofAdapter = (['adapter', 'vendor', 'architecture'] as const).every(
    (name) => tuning[name] === profile[name],
  );
  if (!ofAdapter) return 'other-adapter';
  return tuning.shaders === shaderHash() ? 'used' : 'other-shaders';
}

/**
 * Methods and tiles as a tuning that fits has them; the default ones for classes and shapes that it
 * does not know.
 */
export function tunedChoices(
  { shapes, methods = {} }: Pick<Tuning, 'shapes' | 'methods'>,
  device: TileDevice,
): ConvChoices {
  const usual = defaultChoices(device);
  // Only what this device can compute it by, wherever the data comes from.
  return {
    method: (conv) => {
      const tuned = methods[classKey(conv, device)]?.method;
      return (
        candidateMethods(conv, device).find((method) => method === tuned) ?? usual.method(conv)
      );
    },
    tile: (shape) => {
      const tuned = shapes[shapeKey(shape)]?.tile;
      const known = tuned && candidateTiles(shape, device).find((tile) => sameTile(tile, tuned));
      return known ?? usual.tile(shape);
    },
  };
}

export function sameTile(a: ConvTile, b: ConvTile): boolean {
  return tileName(a) === tileName(b);
}

/**
 * Two tunings of one adapter as one; where both know a shape or a class, the later one's word
 * counts.
 */
export function mergedTuning(earlier: Tuning | undefined, later: Tuning): Tuning {
  if (tuningState(earlier, later) !== 'used') return later;
  return {
    ...later,
    shapes: { ...earlier!.shapes, ...later.shapes },
    methods: { ...earlier!.methods, ...later.methods },
  };
}

/**
 * Data that came from elsewhere, as a tuning.
 * @param source named in errors
 * @throws PanppError `argument` if it is none
 */
export function asTuning(value: unknown, source = 'tuning'): Tuning {
  const fault = faultOf(value);
  if (fault)
    throw new PanppError(
      'argument',
      `${source} is no tuning: ${fault}; make one with panpp tune, or with tune()`,
    );
  return value as Tuning;
}

function faultOf(value: unknown): string | undefined {
  if (!isRecord(value)) return 'it is no object';
  if (value.format !== format)
    return `its format is ${String(value.format)} where ${format} is expected`;
  const missing = ['adapter', 'vendor', 'architecture', 'shaders'].find(
    (name) => typeof value[name] !== 'string',
  );
  if (missing) return `its ${missing} is no text`;
  const { shapes, methods = {} } = value;
  if (!isRecord(shapes)) return 'its shapes are missing';
  if (!isRecord(methods)) return 'its methods are no object';
  const odd = Object.entries({ ...shapes, ...methods }).find(([, found]) => !isFound(found));
  return odd && `its entry for ${odd[0]} is not complete`;
}

// A shape's entry or a class's: keys of the two are never alike.
function isFound(value: unknown): boolean {
  if (!isRecord(value) || typeof value.best !== 'number' || typeof value.usual !== 'number')
    return false;
  const { tile, faults = [] } = value;
  return (
    (tile === undefined || (isRecord(tile) && typeof tile.kind === 'string')) &&
    Array.isArray(faults) &&
    faults.every((line) => typeof line === 'string')
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The WGSL that convolutions are measured in, in every way. */
export const tunedSources: readonly Source[] = [...tileSources, ...winogradSources];

/**
 * FNV-1a, 32 bits, of the shaders without comments and spaces, so that a browser's minified file
 * has the same.
 */
export function shaderHash(sources = tunedSources): string {
  let hash = 0x811c9dc5;
  for (const { text: code } of sources) {
    for (const { text } of tokensOf(code))
      for (const character of text) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, '0');
}
