/**
 * Writes regions as files for other programs. Runs anywhere, without a GPU or a model.
 *
 * @module panpp/formats
 */
export { PanppError, type ErrorCode } from '../errors.js';
export type { Box, Point, Polygon } from '../shapes/geometry.js';
export { type CocoTextOptions, type ImageRegions, formatCocoText } from './coco-text.js';
export { type HocrOptions, formatHocr } from './hocr.js';
export type { FormatRegion, ImageReference } from './input.js';
export { formatLabelme } from './labelme.js';
export { type SvgOptions, formatSvg } from './svg.js';
