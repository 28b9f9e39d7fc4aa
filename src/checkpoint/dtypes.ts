// The element types of checkpoints, by PyTorch's names: their size in a file and how to widen them.
// Files are little-endian, like every machine with WebGPU, so typed arrays read them directly.
import { bfloat16ToFloat, halfToFloat } from '../half.js';
import type { TensorData } from './tensor.js';

export interface ElementType {
  /** PyTorch's name, such as `float16`. */
  readonly name: string;
  /** Size of an element in a file. */
  readonly bytes: number;
  /**
   * Widens the bytes of whole elements; returns a view of the same memory if nothing changes.
   * Absent for unsupported types.
   */
  readonly widen?: (raw: Uint8Array) => TensorData;
}

interface ElementArray<T> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): T;
}

/** A typed view of raw bytes; the bytes are copied only where they are not aligned for it. */
function view<T>(array: ElementArray<T>, raw: Uint8Array): T {
  const aligned = raw.byteOffset % array.BYTES_PER_ELEMENT === 0 ? raw : new Uint8Array(raw);
  return new array(aligned.buffer, aligned.byteOffset, raw.byteLength / array.BYTES_PER_ELEMENT);
}

function widenIntegers(values: ArrayLike<number>): BigInt64Array {
  const wide = new BigInt64Array(values.length);
  for (let i = 0; i < values.length; i += 1) wide[i] = BigInt(values[i]);
  return wide;
}

function widenBooleans(values: Uint8Array): BigInt64Array {
  const wide = new BigInt64Array(values.length);
  for (let i = 0; i < values.length; i += 1) wide[i] = values[i] === 0 ? 0n : 1n;
  return wide;
}

const ELEMENT_TYPES: readonly ElementType[] = [
  { name: 'float64', bytes: 8, widen: (raw) => new Float32Array(view(Float64Array, raw)) },
  { name: 'float32', bytes: 4, widen: (raw) => view(Float32Array, raw) },
  { name: 'float16', bytes: 2, widen: (raw) => halfToFloat(view(Uint16Array, raw)) },
  { name: 'bfloat16', bytes: 2, widen: (raw) => bfloat16ToFloat(view(Uint16Array, raw)) },
  { name: 'int64', bytes: 8, widen: (raw) => view(BigInt64Array, raw) },
  { name: 'int32', bytes: 4, widen: (raw) => widenIntegers(view(Int32Array, raw)) },
  { name: 'int16', bytes: 2, widen: (raw) => widenIntegers(view(Int16Array, raw)) },
  { name: 'int8', bytes: 1, widen: (raw) => widenIntegers(view(Int8Array, raw)) },
  { name: 'uint32', bytes: 4, widen: (raw) => widenIntegers(view(Uint32Array, raw)) },
  { name: 'uint16', bytes: 2, widen: (raw) => widenIntegers(view(Uint16Array, raw)) },
  { name: 'uint8', bytes: 1, widen: (raw) => widenIntegers(raw) },
  { name: 'bool', bytes: 1, widen: widenBooleans },
  // Types that our networks don't use. Their sizes are needed to find the storages after them.
  { name: 'uint64', bytes: 8 },
  { name: 'complex32', bytes: 4 },
  { name: 'complex64', bytes: 8 },
  { name: 'complex128', bytes: 16 },
  { name: 'qint8', bytes: 1 },
  { name: 'quint8', bytes: 1 },
  { name: 'qint32', bytes: 4 },
  { name: 'quint4x2', bytes: 1 },
  { name: 'quint2x4', bytes: 1 },
  { name: 'float8_e4m3fn', bytes: 1 },
  { name: 'float8_e5m2', bytes: 1 },
  { name: 'float8_e4m3fnuz', bytes: 1 },
  { name: 'float8_e5m2fnuz', bytes: 1 },
];

const byName = new Map(ELEMENT_TYPES.map((type) => [type.name, type]));

/** Every element type's name. */
export const elementTypeNames: readonly string[] = [...byName.keys()];

/** The element type of a PyTorch name; undefined for an unknown name. */
export function elementType(name: string): ElementType | undefined {
  return byName.get(name);
}
