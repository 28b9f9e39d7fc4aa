/**
 * Values of a tensor: floats of every width widened to Float32Array, integers and booleans to
 * BigInt64Array.
 */
export type TensorData = Float32Array | BigInt64Array;

/** A tensor, row-major. */
export interface NamedTensor {
  /** Sizes, outermost first; empty for a scalar. */
  readonly shape: readonly number[];
  /** As many values as the shape's product. */
  readonly data: TensorData;
}

/** Number of elements of a shape; 1 for a scalar's empty shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/**
 * True for a valid shape in a file (at most 64 sizes, PyTorch's own limit). The tensor may still be
 * too large for the memory.
 */
export function isShape(value: unknown): value is number[] {
  return (
    Array.isArray(value) &&
    value.length <= 64 &&
    value.every((size) => Number.isSafeInteger(size) && size >= 0)
  );
}
