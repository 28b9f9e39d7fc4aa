// The two source pixels and weights of each resized pixel: OpenCV 4's bilinear resize of 8-bit
// images (cv::resize, INTER_LINEAR), which uses fixed point and its own rounding. With these taps
// an integer resize gives OpenCV's bytes:
//   across (each row, 11 fractional bits):  t = s[index0] · weight0 + s[index1] · weight1
//   down (t0, t1: rows index0, index1):
//     (((weight0 · (t0 >> 4)) >> 16) + ((weight1 · (t1 >> 4)) >> 16) + 2) >> 2
// OpenCV uses its INTER_AREA path if both sides are exactly halved; the mean of 4 pixels that it
// computes there gives the same bytes.

/**
 * For each position along one resized axis: its two source positions and their weights (in
 * 2048ths).
 */
export interface ResizeTaps {
  readonly index0: Uint32Array;
  readonly index1: Uint32Array;
  readonly weight0: Int32Array;
  readonly weight1: Int32Array;
}

/** Fixed-point value of weight 1. */
const WEIGHT_ONE = 2048;

/**
 * Taps along a row, from `from` to `to` pixels. A sample outside the image uses only the border
 * pixel.
 */
export function horizontalTaps(from: number, to: number): ResizeTaps {
  return resizeTaps(from, to, (position) => position < 0 || position >= from - 1);
}

/**
 * Taps along a column, from `from` to `to` pixels. A sample outside the image keeps both weights
 * and uses the border row twice; in fixed point this may differ from the border row alone.
 */
export function verticalTaps(from: number, to: number): ResizeTaps {
  return resizeTaps(from, to, () => false);
}

function resizeTaps(
  from: number,
  to: number,
  takesBorderAlone: (position: number) => boolean,
): ResizeTaps {
  const taps = {
    index0: new Uint32Array(to),
    index1: new Uint32Array(to),
    weight0: new Int32Array(to),
    weight1: new Int32Array(to),
  };
  const clamp = (position: number) => Math.min(Math.max(position, 0), from - 1);
  // Not from / to: OpenCV inverts to / from, and the result can differ in the last bit.
  const scale = 1 / (to / from);
  for (let i = 0; i < to; i++) {
    const centre = Math.fround((i + 0.5) * scale - 0.5);
    const position = Math.floor(centre);
    const fraction = takesBorderAlone(position) ? 0 : Math.fround(centre - position);
    taps.index0[i] = clamp(position);
    taps.index1[i] = clamp(position + 1);
    taps.weight0[i] = roundHalfToEven(Math.fround(1 - fraction) * WEIGHT_ONE);
    taps.weight1[i] = roundHalfToEven(fraction * WEIGHT_ONE);
  }
  return taps;
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest === 0.5) return floor + (floor % 2);
  return rest < 0.5 ? floor : floor + 1;
}
