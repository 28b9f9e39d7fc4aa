// Reads and writes safetensors files, by the published description: 8 bytes of header length
// (little-endian), a JSON header {name: {dtype, shape, data_offsets}, "__metadata__": {text:
// text}}, then the tensors' raw little-endian values without gaps.
import { PanppError, quoted } from '../errors.js';
import { elementType } from './dtypes.js';
import type { ElementType } from './dtypes.js';
import { firstHalfOverflow, floatToHalf } from '../half.js';
import { failIn } from './problems.js';
import type { Fail } from './problems.js';
import { elementCount, isShape } from './tensor.js';
import type { NamedTensor } from './tensor.js';

const PREFIX = 8;
/** The format's own limit for the header, in bytes. */
const MAX_HEADER = 100_000_000;
const METADATA = '__metadata__';

const TYPE_NAMES: ReadonlyMap<string, string> = new Map([
  ['F64', 'float64'],
  ['F32', 'float32'],
  ['F16', 'float16'],
  ['BF16', 'bfloat16'],
  ['I64', 'int64'],
  ['I32', 'int32'],
  ['I16', 'int16'],
  ['I8', 'int8'],
  ['U64', 'uint64'],
  ['U32', 'uint32'],
  ['U16', 'uint16'],
  ['U8', 'uint8'],
  ['BOOL', 'bool'],
  ['C64', 'complex64'],
  ['F8_E4M3', 'float8_e4m3fn'],
  ['F8_E5M2', 'float8_e5m2'],
]);

/** What a safetensors file holds. */
export interface SafetensorsFile {
  /** Tensors by name, in the header's order. */
  readonly tensors: Map<string, NamedTensor>;
  /** The header's `__metadata__`; empty if absent. */
  readonly metadata: Record<string, string>;
}

interface Entry {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/**
 * Reads a safetensors file. Floats of every width come back as Float32Array, integers and booleans
 * as BigInt64Array; F32 and I64 tensors are views of `bytes` where their alignment allows, so
 * `bytes` must not change afterwards.
 *
 * @param fileName names the file in error messages.
 * @throws PanppError `checkpoint` for a file that is truncated, has a malformed header, or a tensor
 * of complex, 8-bit float or unsigned 64-bit values.
 */
export function readSafetensors(bytes: Uint8Array, fileName = 'safetensors file'): SafetensorsFile {
  const fail = failIn(fileName);
  const { header, data } = splitFile(bytes, fail);
  const metadata = readMetadata(header[METADATA], fail);
  const entries = Object.entries(header)
    .filter(([name]) => name !== METADATA)
    .map(([name, entry]) => readEntry(name, entry, fail));
  checkLayout(entries, data.length, fail);

  const tensors = new Map<string, NamedTensor>();
  for (const { name, type, shape, begin, end } of entries) {
    if (!type.widen) {
      return fail(
        `tensor ${quoted(name)} has ${type.name} values, which are not supported; save it as float32`,
      );
    }
    tensors.set(name, { shape, data: type.widen(data.subarray(begin, end)) });
  }
  return { tensors, metadata };
}

/** True if the bytes begin the way a safetensors file does. */
export function isSafetensors(bytes: Uint8Array): boolean {
  const isJson = bytes.length > PREFIX && bytes[PREFIX] === 0x7b; // {
  return isJson && bytes[5] === 0 && bytes[6] === 0 && bytes[7] === 0;
}

function splitFile(
  bytes: Uint8Array,
  fail: Fail,
): { header: Record<string, unknown>; data: Uint8Array } {
  if (bytes.length < PREFIX + 2)
    return fail(`too short for a safetensors file (${bytes.length} bytes)`);
  const headerLength = Number(
    new DataView(bytes.buffer, bytes.byteOffset, PREFIX).getBigUint64(0, true),
  );
  if (headerLength > MAX_HEADER)
    return fail('not a safetensors file: its header would be larger than 100 MB');
  const end = PREFIX + headerLength;
  if (end > bytes.length)
    return fail('the file is cut short inside its header; download or copy it again');
  let header: unknown;
  try {
    header = JSON.parse(
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(PREFIX, end)),
    );
  } catch {
    return fail('the safetensors header is not valid JSON');
  }
  if (!isRecord(header)) return fail('the safetensors header is not a JSON object');
  return { header, data: bytes.subarray(end) };
}

function readMetadata(value: unknown, fail: Fail): Record<string, string> {
  if (value === undefined) return {};
  if (!isRecord(value) || !Object.values(value).every((text) => typeof text === 'string')) {
    return fail('the safetensors metadata is not a table of texts');
  }
  return value as Record<string, string>;
}

function readEntry(name: string, value: unknown, fail: Fail): Entry {
  if (!isRecord(value))
    return fail(`the header's entry ${quoted(name)} is not a tensor description`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string') return fail(`tensor ${quoted(name)} has no data type`);
  const type = elementType(TYPE_NAMES.get(dtype) ?? '');
  if (!type) return fail(`tensor ${quoted(name)} has the unknown data type ${quoted(dtype)}`);
  if (!isShape(shape)) return fail(`tensor ${quoted(name)} has no valid shape`);
  if (!isShape(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    return fail(`tensor ${quoted(name)} has no valid data_offsets`);
  }
  const [begin, end] = offsets;
  const length = shape.includes(0) ? 0 : elementCount(shape) * type.bytes;
  if (end - begin !== length) {
    const needed = `of shape [${shape.join(', ')}] needs ${length} bytes`;
    return fail(`tensor ${quoted(name)} ${needed}, but its data_offsets span ${end - begin}`);
  }
  return { name, type, shape, begin, end };
}

/**
 * The tensors must cover the data exactly once: a gap or an overlap means a damaged or crafted
 * file.
 */
function checkLayout(entries: readonly Entry[], dataLength: number, fail: Fail): void {
  let covered = 0;
  for (const { name, begin, end } of [...entries].sort(
    (a, b) => a.begin - b.begin || a.end - b.end,
  )) {
    if (begin !== covered) {
      fail(
        `tensor ${quoted(name)} ${begin < covered ? 'overlaps another one' : 'leaves a gap before it'}`,
      );
    }
    covered = end;
  }
  if (covered > dataLength) {
    fail(
      `the file is cut short: ${covered - dataLength} bytes of its tensors are missing; download or copy it again`,
    );
  }
  if (covered < dataLength)
    fail(`the file has ${dataLength - covered} bytes that belong to no tensor`);
}

/** Options for writing tensors. */
export interface SafetensorsOptions {
  /** Which tensors are rounded to half precision (F16); the others stay F32. Default: none. */
  readonly half?: boolean | ((name: string) => boolean);
  /** Entries for the header's `__metadata__`. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * Writes float tensors as a safetensors file. The same tensors in the same order give the same
 * bytes. The header is padded so that the data begins at a multiple of 8, and F32 data comes before
 * F16 data, so a reader can view every tensor without copying.
 *
 * @throws PanppError `checkpoint` for a finite value that half precision can't hold; `argument` for
 * a name that is given twice or is the reserved `__metadata__`, and for data that does not fit its
 * shape.
 */
export function writeSafetensors(
  tensors: Iterable<
    readonly [
      name: string,
      tensor: { readonly shape: readonly number[]; readonly data: Float32Array },
    ]
  >,
  { half = false, metadata = {} }: SafetensorsOptions = {},
): Uint8Array<ArrayBuffer> {
  const isHalf = typeof half === 'function' ? half : () => half;
  const named = new Map<string, { shape: readonly number[]; dtype: string; raw: Uint8Array }>();
  for (const [name, { shape, data }] of tensors) {
    if (name === METADATA || named.has(name)) {
      throw new PanppError(
        'argument',
        `the tensor name ${quoted(name)} is ${name === METADATA ? 'reserved' : 'given twice'}`,
      );
    }
    if (!isShape(shape) || elementCount(shape) !== data.length) {
      throw new PanppError(
        'argument',
        `tensor ${quoted(name)} of shape [${shape.join(', ')}] can't have ${data.length} values`,
      );
    }
    const asHalf = isHalf(name);
    const values = asHalf ? halves(name, data) : data;
    const raw = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    named.set(name, { shape, dtype: asHalf ? 'F16' : 'F32', raw });
  }

  const offsets = new Map<string, number>();
  let dataLength = 0;
  for (const dtype of ['F32', 'F16']) {
    for (const [name, tensor] of named) {
      if (tensor.dtype !== dtype) continue;
      offsets.set(name, dataLength);
      dataLength += tensor.raw.length;
    }
  }

  // Built as text: an object would put names that look like numbers first.
  const fields =
    Object.keys(metadata).length > 0
      ? [`${JSON.stringify(METADATA)}:${JSON.stringify(metadata)}`]
      : [];
  for (const [name, { shape, dtype, raw }] of named) {
    const begin = offsets.get(name)!;
    fields.push(
      `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, begin + raw.length] })}`,
    );
  }
  const header = new TextEncoder().encode(`{${fields.join(',')}}`);
  const headerLength = Math.ceil(header.length / 8) * 8;
  const file = new Uint8Array(PREFIX + headerLength + dataLength);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerLength), true);
  file.set(header, PREFIX);
  file.fill(0x20, PREFIX + header.length, PREFIX + headerLength);
  for (const [name, { raw }] of named) file.set(raw, PREFIX + headerLength + offsets.get(name)!);
  return file;
}

function halves(name: string, data: Float32Array): Uint16Array {
  const overflow = firstHalfOverflow(data);
  if (overflow >= 0) {
    throw new PanppError(
      'checkpoint',
      `tensor ${quoted(name)} holds ${data[overflow]}, past half precision's range of 65504; keep it in float32`,
    );
  }
  return floatToHalf(data);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
