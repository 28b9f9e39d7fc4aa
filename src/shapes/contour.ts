// Outer border of a region by border following (Suzuki and Abe 1985), with the start, the direction
// and the points of OpenCV's findContours (RETR_EXTERNAL, CHAIN_APPROX_SIMPLE).

import type { Point } from './geometry.js';

// Freeman's chain code: east, then anticlockwise on the screen (y down).
const STEP_X = [1, 1, 0, -1, -1, -1, 0, 1];
const STEP_Y = [0, -1, -1, -1, 0, 1, 1, 1];
const WEST = 4;

type IsInside = (x: number, y: number) => boolean;

/**
 * Follows the outer border of an 8-connected region from its first pixel in raster order,
 * anticlockwise on the screen, and returns the pixels where the border turns. Pixels of
 * one-pixel-thin parts appear twice; a single pixel gives one point. The time is proportional to
 * the border's length.
 * @param isInside whether a pixel belongs to the region; also called for pixels outside the image.
 */
export function traceContour(isInside: IsInside, startX: number, startY: number): Point[] {
  const arrival = lastNeighbour(isInside, startX, startY);
  if (arrival === null) return [[startX, startY]];
  const lastX = startX + STEP_X[arrival];
  const lastY = startY + STEP_Y[arrival];

  const points: Point[] = [];
  let x = startX;
  let y = startY;
  let back = arrival; // direction to the previous pixel
  let heading = opposite(arrival);
  for (;;) {
    let code = back;
    let nextX: number;
    let nextY: number;
    do {
      code = (code + 1) & 7;
      nextX = x + STEP_X[code];
      nextY = y + STEP_Y[code];
    } while (!isInside(nextX, nextY));
    if (code !== heading) points.push([x, y]);
    heading = code;
    // A border may cross its first pixel more than once; it is closed when it returns there from
    // the last neighbour.
    if (nextX === startX && nextY === startY && x === lastX && y === lastY) return points;
    x = nextX;
    y = nextY;
    back = opposite(code);
  }
}

/**
 * Direction to the neighbour from which the border comes back to its first pixel: the first one
 * inside, clockwise from west.
 */
function lastNeighbour(isInside: IsInside, x: number, y: number): number | null {
  for (let turn = 1; turn < 8; turn++) {
    const code = (WEST - turn) & 7;
    if (isInside(x + STEP_X[code], y + STEP_Y[code])) return code;
  }
  return null;
}

function opposite(code: number): number {
  return code ^ 4;
}
