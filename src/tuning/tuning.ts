// What was measured on an adapter, as plain data: which tile is fastest for which shape of convolution. It can be stored, shipped and
// given to `loadModel`; it is used on the adapter and with the shaders that it was measured with, and nowhere else.
import { PanppError } from '../errors.js';
import type { GpuProfile } from '../gpu/context.js';
import { type ConvTile, type TileChooser, type TileDevice, candidateTiles, defaultTile, shapeKey, tileName, tileSources } from '../layers/conv-tile.js';

/** What was found for one shape. */
export interface TunedShape {
  /** The tile that beats the default one; none if that stays. */
  readonly tile?: ConvTile;
  /** Milliseconds of one convolution in that tile, or in the default one if that stays. */
  readonly best: number;
  /** Milliseconds in the default tile. */
  readonly usual: number;
  /** Tiles that don't compile or give other values on this adapter, a line each. They are never used; please report them. */
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
   * By shape, for example `1x1/1 64>128 x36 1024px f32 f32 f32`: kernel and stride, channels, batches, pixels up to the next power of two, how
   * input, weights and output are stored.
   */
  readonly shapes: Readonly<Record<string, TunedShape>>;
}

/** Whether a tuning is used: it was given and fits; none was given; it was measured on another adapter, or with other shaders. */
export type TuningState = 'used' | 'none' | 'other-adapter' | 'other-shaders';

const format = 1;

/** A tuning for an adapter, of the shaders as they are now. */
export function tuningOf({ adapter, vendor, architecture }: TuningProfile, shapes: Tuning['shapes']): Tuning {
  return { format, adapter, vendor, architecture, shaders: shaderHash(), shapes };
}

type TuningProfile = Pick<GpuProfile, 'adapter' | 'vendor' | 'architecture'>;

/** Whether a tuning fits an adapter. */
export function tuningState(tuning: Tuning | undefined, profile: TuningProfile): TuningState {
  if (!tuning) return 'none';
  const ofAdapter = (['adapter', 'vendor', 'architecture'] as const).every((name) => tuning[name] === profile[name]);
  if (!ofAdapter) return 'other-adapter';
  return tuning.shaders === shaderHash() ? 'used' : 'other-shaders';
}

/** Tiles as a tuning that fits has them; the default ones for shapes that it does not know. */
export function tunedTiles({ shapes }: Tuning, device: TileDevice): TileChooser {
  return (shape) => {
    const tuned = shapes[shapeKey(shape)]?.tile;
    // Only tiles that this shape can be computed in, wherever the data comes from.
    const known = tuned && candidateTiles(shape, device).find((tile) => sameTile(tile, tuned));
    return known ?? defaultTile(shape, device);
  };
}

export function sameTile(a: ConvTile, b: ConvTile): boolean {
  return tileName(a) === tileName(b);
}

/** Two tunings of one adapter as one; where both know a shape, the later one's word counts. */
export function mergedTuning(earlier: Tuning | undefined, later: Tuning): Tuning {
  return earlier && tuningState(earlier, later) === 'used' ? { ...later, shapes: { ...earlier.shapes, ...later.shapes } } : later;
}

/**
 * Data that came from elsewhere, as a tuning.
 * @param source named in errors
 * @throws PanppError `argument` if it is none
 */
export function asTuning(value: unknown, source = 'tuning'): Tuning {
  const fault = faultOf(value);
  if (fault) throw new PanppError('argument', `${source} is no tuning: ${fault}; make one with panpp tune, or with tune()`);
  return value as Tuning;
}

function faultOf(value: unknown): string | undefined {
  if (!isRecord(value)) return 'it is no object';
  if (value.format !== format) return `its format is ${String(value.format)} where ${format} is expected`;
  const missing = ['adapter', 'vendor', 'architecture', 'shaders'].find((name) => typeof value[name] !== 'string');
  if (missing) return `its ${missing} is no text`;
  if (!isRecord(value.shapes)) return 'its shapes are missing';
  const odd = Object.entries(value.shapes).find(([, shape]) => !isTunedShape(shape));
  return odd && `its entry for ${odd[0]} is not complete`;
}

function isTunedShape(value: unknown): boolean {
  if (!isRecord(value) || typeof value.best !== 'number' || typeof value.usual !== 'number') return false;
  const { tile, faults = [] } = value;
  return (tile === undefined || (isRecord(tile) && typeof tile.kind === 'string')) && Array.isArray(faults) && faults.every((line) => typeof line === 'string');
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** FNV-1a, 32 bits, of the shaders without comments and spaces, which a browser's build leaves out. */
export function shaderHash(sources: readonly string[] = tileSources): string {
  let hash = 0x811c9dc5;
  for (const character of sources.join('').replace(/\/\/.*/g, '').replace(/\s+/g, '')) {
    hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, '0');
}
