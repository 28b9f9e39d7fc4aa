// An image's file for the annotation tool labelme (github.com/labelmeai/labelme), whose LabelFile
// reads and writes these fields. labelme looks for the file beside the image, or in its `--output`
// folder, under the image's name with `.json`.
import { type FormatRegion, type ImageReference, outlineOf, roundedScore } from './input.js';

/** A labelme version that supports all these fields. */
const VERSION = '5.5.0';

/**
 * An image's regions for labelme: one polygon each, labelled with its text, or `text` if it has
 * none. Scores go into the description, as JSON, where labelme's own detectors put them.
 * @throws PanppError `argument` for coordinates that are not numbers
 */
export function formatLabelme(image: ImageReference, regions: readonly FormatRegion[]): string {
  const file = {
    version: VERSION,
    flags: {},
    shapes: regions.map(shapeOf),
    imagePath: image.path,
    imageData: null,
    imageHeight: image.height,
    imageWidth: image.width,
  };
  return `${JSON.stringify(file, undefined, 2)}\n`;
}

function shapeOf(region: FormatRegion, index: number) {
  const { score, text, textScore } = region;
  const description = {
    score: roundedScore(score),
    text,
    textScore: textScore === undefined ? undefined : roundedScore(textScore),
  };
  return {
    // An empty word can't be a label either.
    label: text || 'text',
    points: outlineOf(region, index),
    group_id: null,
    description: JSON.stringify(description),
    shape_type: 'polygon',
    flags: {},
    mask: null,
  };
}
