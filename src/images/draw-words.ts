// Draws words beside their regions, in letters that need no font.
import type { Box, Point, Polygon } from '../shapes/geometry.js';
import {
  type Canvas,
  type Colour,
  HALO,
  type Segment,
  blend,
  coverage,
  distancesTo,
} from './canvas.js';
import {
  ASCENT,
  DESCENT,
  type Letter,
  fontSizeOf,
  glyphLines,
  lettersOf,
  placeWord,
} from './lettering.js';

const LETTER: Colour = [255, 255, 255];

/** A letter as opacities of pixels, 0 to 255, row by row. */
interface Stamp {
  readonly width: number;
  readonly height: number;
  /** The pixel in which the baseline begins. */
  readonly left: number;
  readonly bottom: number;
  readonly rim: Uint8Array;
  readonly core: Uint8Array;
}

/** Letters begin at quarters of a pixel; finer steps can't be seen. */
const STEPS = 4;

/** Writes the words of all regions; those without `text` get none. */
export function drawWords(
  canvas: Canvas,
  regions: readonly { readonly polygon: Polygon; readonly text?: string }[],
): void {
  const fontSize = fontSizeOf(canvas);
  // Letters recur, and a stamp is much faster than its lines.
  const stamps = new Map<string, Stamp>();
  for (const { polygon, text } of regions) {
    if (!text) continue;
    const { width, letters } = lettersOf(text, fontSize);
    const { x, baseline, anchor } = placeWord(boundsOf(polygon), canvas, fontSize, width);
    const left = anchor === 'start' ? x : x - width;
    const placed = letters.map((letter) => {
      const steps = Math.round((left + letter.start) * STEPS);
      const column = Math.floor(steps / STEPS);
      const shift = steps / STEPS - column;
      const key = `${shift} ${letter.glyph}`;
      const stamp = stamps.get(key) ?? stampOf(letter, fontSize, shift);
      stamps.set(key, stamp);
      return { stamp, column };
    });
    // Letters stand on the lower border of a row.
    const row = Math.round(baseline) - 1;
    // All rims first, so that none covers the letter before.
    for (const { stamp, column } of placed) print(canvas, stamp, stamp.rim, column, row, HALO);
    for (const { stamp, column } of placed) print(canvas, stamp, stamp.core, column, row, LETTER);
  }
}

/** The box around a polygon's pixels. */
function boundsOf(polygon: Polygon): Box {
  const xs = polygon.map(([x]) => x);
  const ys = polygon.map(([, y]) => y);
  return {
    left: Math.min(...xs),
    top: Math.min(...ys),
    right: Math.max(...xs) + 1,
    bottom: Math.max(...ys) + 1,
  };
}

/** @param shift of the letter to the right, in pixels, below 1 */
function stampOf({ glyph, width: advance }: Letter, fontSize: number, shift: number): Stamp {
  const core = Math.max(1.2, fontSize / 10) / 2;
  const rim = core + Math.max(1, fontSize / 10);
  const left = Math.ceil(rim) + 1;
  const bottom = left + Math.ceil(fontSize * ASCENT);
  const width = left + Math.ceil(advance) + left;
  const height = bottom + Math.ceil(fontSize * DESCENT) + left;
  const stamp = {
    width,
    height,
    left,
    bottom,
    rim: new Uint8Array(width * height),
    core: new Uint8Array(width * height),
  };
  const segments = glyphLines(glyph, fontSize).flatMap((line) => {
    const points = line.map(([x, y]): Point => [left + shift - 0.5 + x, bottom + y]);
    return points.slice(1).map((to, i): Segment => [points[i], to]);
  });
  for (const [at, distance] of distancesTo(segments, stamp, rim + 0.5)) {
    stamp.rim[at] = Math.round(255 * coverage(rim - distance));
    stamp.core[at] = Math.round(255 * coverage(core - distance));
  }
  return stamp;
}

/** @param column the pixel in which the letter's baseline begins */
function print(
  canvas: Canvas,
  { width, height, left, bottom }: Stamp,
  opacities: Uint8Array,
  column: number,
  row: number,
  colour: Colour,
): void {
  const [x0, y0] = [column - left, row - bottom];
  const [right, end] = [Math.min(canvas.width, x0 + width), Math.min(canvas.height, y0 + height)];
  for (let y = Math.max(0, y0); y < end; y++) {
    for (let x = Math.max(0, x0); x < right; x++) {
      const opacity = opacities[(y - y0) * width + x - x0];
      if (opacity > 0) blend(canvas, x, y, colour, opacity / 255);
    }
  }
}
