// Input and result of pixel aggregation, on the GPU and on the CPU.
import { PanppError } from '../errors.js';
import { checkInteger, checkNumber } from '../options.js';

/**
 * Which kernels check the instance vectors of the pixels they grow into. `reference`: only those
 * that the authors' code flags (two kernels of one text component whose areas differ by a factor of
 * more than 1024). `always`: every kernel.
 */
export type AggregationMode = 'reference' | 'always';

/** Input of pixel aggregation; all maps have `height` × `width` values, row by row. */
export interface AggregationInput {
  /** Text logits; a pixel is text if its logit is above 0. */
  readonly text: Float32Array;
  /** Kernel logits; a text pixel belongs to a kernel if its logit is above 0. */
  readonly kernel: Float32Array;
  /**
   * Instance vectors, four planes one after the other; read only inside text. Values must stay
   * below 2³¹ / (`height` · `width`), or sums would overflow.
   */
  readonly embedding: Float32Array;
  /** Height of the map in pixels. */
  readonly height: number;
  /** Width of the map in pixels. */
  readonly width: number;
  /** Kernels with fewer map pixels are dropped; a model's setting divided by scale². */
  readonly minKernelArea: number;
  /** Which kernels check instance vectors. */
  readonly mode: AggregationMode;
  /** Maximum Euclidean distance between an instance vector and the mean of a checking kernel. */
  readonly distance: number;
}

/** The planes of a head's map: text logit, kernel logit, four of the instance vector. */
export function planesOf(
  map: Float32Array,
  height: number,
  width: number,
): Pick<AggregationInput, 'text' | 'kernel' | 'embedding' | 'height' | 'width'> {
  const pixels = height * width;
  return {
    text: map.subarray(0, pixels),
    kernel: map.subarray(pixels, 2 * pixels),
    embedding: map.subarray(2 * pixels),
    height,
    width,
  };
}

/**
 * What a network's map may have: NaN or infinity, or instance vectors of text that are too large to
 * be summed.
 */
export type MapFault = 'infinite' | 'vectors';

/** Result of pixel aggregation. */
export interface AggregationResult {
  /**
   * The label map, `height` × `width`; 0 is background. Labels are kernel numbers and may have
   * gaps.
   */
  readonly labels: Int32Array;
  /** Number of kernels found, including dropped ones. */
  readonly kernelCount: number;
}

function fail(what: string): never {
  throw new PanppError('argument', `pixel aggregation: ${what}`);
}

/**
 * @throws PanppError `argument` that names what does not fit, or the position of the first invalid
 * value
 */
export function checkAggregationInput(input: AggregationInput): void {
  const { text, kernel, embedding, height, width } = input;
  checkInteger('height', height, 1);
  checkInteger('width', width, 1);
  const planes = { text: [text, 1], kernel: [kernel, 1], embedding: [embedding, 4] } as const;
  for (const [name, [data, count]] of Object.entries(planes)) {
    const needed = count * height * width;
    if (data.length !== needed)
      fail(`${name} has ${data.length} values and a map of ${height} × ${width} needs ${needed}`);
  }
  checkAggregationSettings(input);
  const odd = text.findIndex((_, pixel) => !isSound(input, pixel));
  if (odd >= 0)
    fail(
      `the map has NaN, or an infinite or too large instance vector, at row ${Math.floor(odd / width)}, column ${odd % width}`,
    );
}

// A logit may be infinite. Outside text only the text logit is read.
function isSound(input: AggregationInput, pixel: number): boolean {
  const { text, kernel } = input;
  if (!(text[pixel] > 0)) return !Number.isNaN(text[pixel]);
  return !Number.isNaN(kernel[pixel]) && isSummable(input, pixel);
}

/**
 * Whether a pixel's instance vector can be summed over all of the map's pixels: sums over a
 * kernel's pixels are kept in fixed point, with 32 integer bits.
 */
export function isSummable(
  { text, embedding }: Pick<AggregationInput, 'text' | 'embedding'>,
  pixel: number,
): boolean {
  return [0, 1, 2, 3].every(
    (axis) => Math.abs(embedding[axis * text.length + pixel]) * text.length < 2 ** 31,
  );
}

/** @throws PanppError `argument` that names the setting that is out of its range */
export function checkAggregationSettings({
  minKernelArea,
  mode,
  distance,
}: Pick<AggregationInput, 'minKernelArea' | 'mode' | 'distance'>): void {
  checkNumber('minKernelArea', minKernelArea, 0, 2 ** 31 - 1);
  checkNumber('distance', distance, 0, Infinity);
  if (mode !== 'reference' && mode !== 'always')
    fail(`mode is ${String(mode)}; it must be reference or always`);
}
