/**
 * Regions as the files that other programs read. Runs anywhere, and needs no GPU and no model.
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
