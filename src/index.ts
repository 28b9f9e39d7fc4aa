/**
 * panpp's public API for every platform with WebGPU. Node-only functions are in `panpp/node`.
 *
 * @module panpp
 */
export { PanppError, type ErrorCode } from './errors.js';
export {
  type Gpu,
  type GpuProfile,
  type GpuRequest,
  type SubgroupMatrix,
  requestGpu,
} from './gpu/context.js';
export type { PixelImage } from './images/image.js';
export { type ImageSource, imageFrom } from './images/source.js';
export { type LoadProgress, type LoadWeightsOptions, loadWeights } from './model/load-weights.js';
export { type LoadOptions, loadModel } from './model/load.js';
export type { Model } from './model/model.js';
export type {
  BatchDetection,
  CallOptions,
  Detection,
  DetectionTimings,
  DetectOptions,
  ForwardOptions,
  Recognition,
  RecognizeOptions,
  SpotOptions,
  Spotting,
  SpottingTimings,
} from './model/options.js';
export type { SpottedRegion } from './model/spotting-pass.js';
export type { ImageStream, StreamOptions, Streamed } from './model/stream.js';
export type { OutputTensor } from './model/forward.js';
export type {
  CorrectionOptions,
  ReadOptions,
  TextCharacter,
  TextReading,
} from './recognition/reading.js';
export {
  type CorrectionSettings,
  Lexicon,
  correctWord,
  defaultCorrection,
  parseLexicon,
} from './recognition/lexicon.js';
export type { Precision, PrecisionChoice } from './layers/precision.js';
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
