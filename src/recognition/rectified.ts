// A second reading of regions, rectified: each word is sampled from the image along its centreline,
// level and of one height. The paper reads a region in its axis-aligned box, from features of the whole
// image; that suits level words of medium size, which are most of what a reader is trained on.
// Rectification as in Shi et al. 2016, "Robust Scene Text Recognition with Automatic
// Rectification", but from the region's shape instead of a learnt transformation.
import { addTimes } from '../gpu/timeline.js';
import { type PixelSource, channelsOf } from '../images/upload.js';
import { lineHeight } from '../layers/rectify.js';
import type { Size } from '../images/size.js';
import type { Point } from '../shapes/geometry.js';
import type { PagePass } from './page-pass.js';
import { type PlacedStrip, pagesOf } from './pages.js';
import type { LocatedWord } from './reading.js';
import { type Roi, type Rois, pointOfPosition } from './roi.js';
import { pointOfStrip, stripsOf } from './strips.js';

/** Runs `work` with a pass for pages of so many lines. */
export type WithPagePass = <T>(lines: number, work: (pass: PagePass) => Promise<T>) => Promise<T>;

/** Readings of regions, none, one or two for each, and GPU timings in milliseconds. */
export interface RectifiedReadings {
  readonly readings: readonly (readonly LocatedWord[])[];
  readonly timings: Readonly<Record<string, number>>;
}

/**
 * Reads regions of an image, rectified: each once, steep text from both ends.
 * @param size of the resized image, which the regions refer to
 * @param signal checked before each page
 */
export async function readRectified(
  image: PixelSource,
  { rois, maskScale }: Rois,
  size: Size,
  withPass: WithPagePass,
  signal?: AbortSignal,
): Promise<RectifiedReadings> {
  const readings = rois.map((): LocatedWord[] => []);
  const timings: Record<string, number> = {};
  const strips = stripsOf(rois, maskScale, size, image);
  for (const page of pagesOf(strips, channelsOf(image))) {
    const read = await withPass(page.lines, (pass) => {
      // Once more after the pass was made: the owner of an aborted call's texture may destroy it.
      signal?.throwIfAborted();
      return pass.read(image, page);
    });
    page.strips.forEach((placed, index) =>
      readings[placed.strip.region].push({
        word: read.words[index],
        locate: (position) => pointInImage(placed, read.rois[index], position, read.size),
      }),
    );
    addTimes(timings, read.timings);
  }
  return { readings, timings };
}

function pointInImage(
  { strip, left, line }: PlacedStrip,
  roi: Roi,
  position: number,
  page: Size,
): Point {
  const [onPageX, onPageY] = pointOfPosition(roi, position, page, page);
  const [x, y] = pointOfStrip(strip, onPageX - left, onPageY - line * lineHeight);
  // A strip at the image's edge may reach beyond it.
  const { left: first, top, right, bottom } = strip.box;
  return [Math.min(Math.max(x, first), right - 1), Math.min(Math.max(y, top), bottom - 1)];
}
