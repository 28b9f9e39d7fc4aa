/**
 * Experimental: measures which convolution is fastest on an adapter. The result is plain data for
 * the option `tuning` of `loadModel`.
 *
 * @module panpp/tuning
 */
export type { ConvMethod } from '../layers/conv/method.js';
export type { ConvTile, TileKindName } from '../layers/conv/tiles/tile.js';
export { type TuneOptions, type TuneProgress, type TuneSize, tune } from './tune.js';
export type { TunedMethod, TunedShape, Tuning, TuningState } from './tuning.js';
