// The annotations of a whole run in COCO-Text v2 format (bgshih.github.io/cocotext,
// cocotext.v2.json): images and annotations by number, the polygon as `mask`, its bounding `bbox`
// as [x, y, width, height], and its `area`. The format's readers (the COCO_Text API, docTR, MMOCR,
// keras-ocr) use all of these fields.
import { checkOptions } from '../options.js';
import type { Polygon } from '../shapes/geometry.js';
import {
  type FormatRegion,
  type ImageReference,
  hundredths,
  outlineOf,
  roundedScore,
} from './input.js';

/** An image with its regions. */
export interface ImageRegions {
  /** Its path and size. */
  readonly image: ImageReference;
  /** Its regions, in the order written. */
  readonly regions: readonly FormatRegion[];
}

/** Metadata of a COCO-Text file. */
export interface CocoTextOptions {
  /** Value of `info.version`. */
  readonly version?: string;
}

/**
 * The regions of many images. Images and regions are numbered from 1, in their order; `file_name`
 * is the image's path.
 *
 * The format has no value for "unknown", and readers skip text that is not legible, printed and
 * English; so `language` and `class` are always `english` and `machine printed`, and a region is
 * `illegible` only if recognition gave no text. `utf8_string` is empty without recognition. All
 * images are in the set `val`, which every reader supports. `score`, and `text_score` for text, are
 * additions to the format.
 * @throws PanppError `argument` for coordinates that are not numbers
 */
export function formatCocoText(
  images: readonly ImageRegions[],
  options: CocoTextOptions = {},
): string {
  checkOptions('formatCocoText', options, ['version']);
  const { version } = options;
  const anns: Record<number, Annotation> = {};
  const imgs: Record<number, ReturnType<typeof imageOf>> = {};
  const imgToAnns: Record<number, readonly number[]> = {};
  let count = 0;
  images.forEach(({ image, regions }, index) => {
    const imageId = index + 1;
    imgs[imageId] = imageOf(image, imageId);
    imgToAnns[imageId] = regions.map((region, i) => {
      const id = ++count;
      anns[id] = annotationOf(region, outlineOf(region, i), imageId, id);
      return id;
    });
  });
  const info = {
    description: 'Text regions found by panpp; class and language are not detected',
    ...(version !== undefined && { version }),
  };
  return `${JSON.stringify({ cats: {}, anns, imgs, imgToAnns, info })}\n`;
}

function imageOf({ path, width, height }: ImageReference, id: number) {
  return { id, set: 'val', width, height, file_name: path };
}

type Annotation = ReturnType<typeof annotationOf>;

function annotationOf(
  { score, text, textScore }: FormatRegion,
  outline: Polygon,
  imageId: number,
  id: number,
) {
  return {
    mask: outline.flat(),
    class: 'machine printed',
    bbox: boundsOf(outline),
    image_id: imageId,
    id,
    language: 'english',
    area: areaOf(outline),
    utf8_string: text ?? '',
    legibility: text === '' ? 'illegible' : 'legible',
    score: roundedScore(score),
    ...(textScore !== undefined && { text_score: roundedScore(textScore) }),
  };
}

function boundsOf(outline: Polygon): [x: number, y: number, width: number, height: number] {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of outline) {
    left = Math.min(left, x);
    top = Math.min(top, y);
    right = Math.max(right, x);
    bottom = Math.max(bottom, y);
  }
  return [left, top, hundredths(right - left), hundredths(bottom - top)];
}

/** Half the absolute shoelace sum. */
function areaOf(outline: Polygon): number {
  const twice = outline.reduce((sum, [x, y], i) => {
    const [nextX, nextY] = outline[(i + 1) % outline.length];
    return sum + x * nextY - y * nextX;
  }, 0);
  return hundredths(Math.abs(twice) / 2);
}
