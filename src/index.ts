// WebGPU is not among the types that TypeScript brings; `preserve` puts this line into the declarations that are shipped.
/// <reference types="@webgpu/types" preserve="true" />
/**
 * panpp's public API that runs anywhere WebGPU does. What only Node has is in `panpp/node`.
 *
 * @module panpp
 */
export { PanppError, type ErrorCode } from './errors.js';
export { type Gpu, type GpuProfile, type GpuRequest, type SubgroupMatrix, requestGpu } from './gpu/context.js';
export type { PixelImage } from './images/image.js';
export { type ImageSource, imageFrom } from './browser/image-source.js';
export { type LoadProgress, type LoadWeightsOptions, loadWeights } from './browser/load-weights.js';
export {
  type CallOptions,
  type BatchDetection,
  type Detection,
  type DetectionTimings,
  type DetectOptions,
  type ForwardOptions,
  type LoadOptions,
  type Model,
  type Recognition,
  type RecognizeOptions,
  type SpotOptions,
  type Spotting,
  type SpottingTimings,
  loadModel,
} from './detection/model.js';
export type { StreamOptions, Streamed } from './detection/stream.js';
export type { CorrectionOptions, ReadOptions, SpottedRegion, TextCharacter, TextReading } from './recognition/spot.js';
export { type CorrectionSettings, Lexicon, correctWord, defaultCorrection, parseLexicon } from './recognition/lexicon.js';
export type { Precision, PrecisionChoice } from './layers/precision.js';
export type { ConvMethod } from './layers/conv/method.js';
export type { ConvTile, TileKindName } from './layers/conv/tiles/tile.js';
export { type TuneOptions, type TuneProgress, type TuneSize, tune } from './tuning/tune.js';
export type { TunedMethod, TunedShape, Tuning, TuningState } from './tuning/tuning.js';
export type { OutputTensor } from './detection/forward.js';
export { type MapInput, type MapSettings, regionsFromMap } from './detection/regions-from-map.js';
export { aggregatePixels } from './aggregation/aggregate.js';
export type { AggregationInput, AggregationMode, AggregationResult } from './aggregation/input.js';
export type { Region } from './shapes/regions.js';
export type { RegionSettings } from './shapes/settings.js';
export type { Box, Point, Polygon } from './shapes/geometry.js';
export { simplifyPolygon } from './shapes/simplify.js';
export {
  type BackboneConfig,
  type DetectionSettings,
  type ModelConfig,
  type NeckConfig,
  type RecognitionConfig,
  detectionPresets,
  resnet18,
  resnet50,
  resnet101,
  vocabularies,
} from './network/config.js';
export { type DrawOptions, type LabelMask, drawMask, drawRegions } from './images/draw.js';
