// The annotations of a whole run in the form of COCO-Text v2 (bgshih.github.io/cocotext,
// cocotext.v2.json): images and annotations by their numbers, polygons as `mask`, `bbox` as [x, y,
// width, height] around it, and `area` its area. Its readers (the COCO_Text API, docTR, MMOCR,
// keras-ocr) look at every one of these fields.
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
  /** Where it is, and its size. */
  readonly image: ImageReference;
  /** What was found in it, in the order that it is written in. */
  readonly regions: readonly FormatRegion[];
}

/** What the file tells of its making. */
/** What a COCO-Text file says of itself. */
export interface CocoTextOptions {
  /** What goes into `info.version`. */
  readonly version?: string;
}

/**
 * The regions of many images. Both are numbered from 1, in their order; `file_name` is the image's
 * path.
 *
 * The format knows no "unknown", and readers leave out what is not legible, printed and English; so
 * `language` and `class` are always `english` and `machine printed`, and only a region where
 * reading gave no text is `illegible`. `utf8_string` is empty where nobody read. All images are of
 * the set `val`, which every reader can ask for. `score`, and `text_score` for text, are additions.
 * @throws PanppError `argument` for coordinates that are no numbers
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
