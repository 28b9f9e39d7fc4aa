// Results measured on an adapter, as plain data: the fastest tile for each convolution shape, and
// the fastest method for each class of convolutions. A tuning can be stored, shipped and passed to
// `loadModel`; it is used only on the same adapter and with the same shaders.
import { PanppError, shortened } from '../errors.js';
import type { GpuProfile } from '../gpu/context.js';
import {
  type ConvChoices,
  type ConvMethod,
  candidateMethods,
  classKey,
  defaultChoices,
} from '../layers/conv/method.js';
import { shapeKey } from '../layers/conv/shape.js';
import { candidateTiles, tileSources } from '../layers/conv/tiles/kinds.js';
import { type ConvTile, type TileDevice, sameTile } from '../layers/conv/tiles/tile.js';
import { winogradSources } from '../layers/conv/winograd.js';
import type { Source } from '../wgsl/source.js';
import { tokensOf } from '../wgsl/tokens.js';

/** Result for one shape. */
export interface TunedShape {
  /** The tile that beats the default one; missing if none does. */
  readonly tile?: ConvTile;
  /** Milliseconds per convolution with that tile, or with the default one if `tile` is missing. */
  readonly best: number;
  /** Milliseconds with the default tile. */
  readonly baseline: number;
  /**
   * Tiles that don't compile or give wrong results on this adapter, one line each. They are never
   * used; please report them.
   */
  readonly faults?: readonly string[];
}

/** Result for one class of convolutions. */
export interface TunedMethod {
  /** The method that beats the default one (Winograd); missing if none does. */
  readonly method?: ConvMethod;
  /**
   * Milliseconds for all convolutions of the class at the tuned sizes, with that method (or the
   * default one if `method` is missing) and their fastest tiles.
   */
  readonly best: number;
  /** Milliseconds with the default method. */
  readonly baseline: number;
  /**
   * Methods that don't compile or give wrong results on this adapter, one line each. They are never
   * used; please report them.
   */
  readonly faults?: readonly string[];
}

/** Result of `tune`, as plain data for JSON. */
export interface Tuning {
  /** Version of this format. */
  readonly format: 1;
  /** Adapter as in `GpuProfile`; the same holds for `vendor` and `architecture`. */
  readonly adapter: string;
  /** Vendor of the adapter. */
  readonly vendor: string;
  /** GPU architecture. */
  readonly architecture: string;
  /** Hash of the shaders that were measured. */
  readonly shaders: string;
  /**
   * By shape, for example `1x1/1 64>128 x36 1024px f32 f32 f32`: kernel and stride, channels,
   * batches, pixels rounded up to a power of two, precision of input, weights and output, and
   * `matrix` if subgroup matrices compute it.
   */
  readonly shapes: Readonly<Record<string, TunedShape>>;
  /**
   * By class, for example `3x3/1 64>128 f16`: kernel and stride, channels, precision, and `matrix`
   * if subgroup matrices compute it. Only classes with a choice of methods on this adapter, so
   * none on software adapters.
   */
  readonly methods?: Readonly<Record<string, TunedMethod>>;
}

/**
 * Whether a tuning is used: `used`; `none` if none was given; `other-adapter` or `other-shaders` if
 * it was measured on another adapter or with other shaders.
 */
export type TuningState = 'used' | 'none' | 'other-adapter' | 'other-shaders';

const format = 1;

/** Creates a tuning for an adapter and the current shaders. */
export function tuningOf(
  { adapter, vendor, architecture }: TuningProfile,
  shapes: Tuning['shapes'],
  methods: Tuning['methods'] = {},
): Tuning {
  return { format, adapter, vendor, architecture, shaders: shaderHash(), shapes, methods };
}

type TuningProfile = Pick<GpuProfile, 'adapter' | 'vendor' | 'architecture'>;

/** Whether a tuning can be used on an adapter. */
export function tuningState(tuning: Tuning | undefined, profile: TuningProfile): TuningState {
  if (!tuning) return 'none';
  const sameAdapter = (['adapter', 'vendor', 'architecture'] as const).every(
    (name) => tuning[name] === profile[name],
  );
  if (!sameAdapter) return 'other-adapter';
  return tuning.shaders === shaderHash() ? 'used' : 'other-shaders';
}

/**
 * Methods and tiles from a matching tuning; defaults for classes and shapes that it doesn't have.
 */
export function tunedChoices(
  { shapes, methods = {} }: Pick<Tuning, 'shapes' | 'methods'>,
  device: TileDevice,
): ConvChoices {
  const defaults = defaultChoices(device);
  // The data may come from anywhere: use only what this device supports.
  return {
    ...defaults,
    method: (conv) => {
      const tuned = methods[classKey(conv, device)]?.method;
      return (
        candidateMethods(conv, device).find((method) => method === tuned) ?? defaults.method(conv)
      );
    },
    tile: (shape) => {
      const tuned = shapes[shapeKey(shape)]?.tile;
      const supported =
        tuned && candidateTiles(shape, device).find((tile) => sameTile(tile, tuned));
      return supported ?? defaults.tile(shape);
    },
  };
}

/**
 * Merges two tunings of one adapter; for shapes and classes in both, the later tuning wins.
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
 * Checks that a value is a tuning.
 * @param source name used in error messages
 * @throws PanppError `argument` if it is not
 */
export function asTuning(value: unknown, source = 'tuning'): Tuning {
  const problem = problemOf(value);
  if (problem)
    throw new PanppError(
      'argument',
      `${source} is not a tuning: ${problem}; make one with panpp tune, or with tune()`,
    );
  return value as Tuning;
}

function problemOf(value: unknown): string | undefined {
  if (!isRecord(value)) return 'it is not an object';
  if (value.format !== format) return `its format is not ${format}`;
  const missing = ['adapter', 'vendor', 'architecture', 'shaders'].find(
    (name) => typeof value[name] !== 'string',
  );
  if (missing) return `its ${missing} is not a string`;
  const { shapes, methods = {} } = value;
  if (!isRecord(shapes)) return 'its shapes are missing';
  if (!isRecord(methods)) return 'its methods are not an object';
  const invalid = Object.entries({ ...shapes, ...methods }).find(([, entry]) => !isResult(entry));
  return invalid && `its entry for ${shortened(invalid[0])} is incomplete or invalid`;
}

// Checks entries of shapes and of classes together: their keys never collide.
function isResult(value: unknown): boolean {
  if (!isRecord(value) || typeof value.best !== 'number' || typeof value.baseline !== 'number')
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

/** The WGSL sources of all tiles and methods that are measured. */
export const tunedSources: readonly Source[] = [...tileSources, ...winogradSources];

/**
 * 32-bit FNV-1a hash of the shaders without comments and spaces, so that the minified browser build
 * has the same hash.
 */
export function shaderHash(sources = tunedSources): string {
  let hash = 0x811c9dc5;
  for (const { text: code } of sources) {
    for (const { text } of tokensOf(code))
      for (const character of text) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, '0');
}
