// Reads one variable of a MATLAB level 5 MAT-file: cell arrays, numbers and strings, in every
// encoding that MATLAB and SciPy use. Source: "MAT-File Format", The MathWorks, chapter 1. Every
// length is checked against its container, so that a damaged file gives an error quickly.
import { Unzlib } from 'fflate';
import { PanppError, quoted } from '../../errors.js';
import { refuse } from './text.js';

/** An array; values and cells are in column-major order. A character array is one string. */
export type MatArray =
  | {
      readonly kind: 'numbers';
      readonly shape: readonly number[];
      readonly values: readonly number[];
    }
  | { readonly kind: 'text'; readonly text: string }
  | {
      readonly kind: 'cells';
      readonly shape: readonly number[];
      readonly cells: readonly MatArray[];
    };

/** Bytes, their byte order, and the file's name for messages. */
interface Source {
  readonly file: string;
  readonly view: DataView;
  readonly littleEndian: boolean;
}

/** A data element: its type and the range of its data; `next` is where the next element begins. */
interface Element {
  readonly type: number;
  readonly start: number;
  readonly end: number;
  readonly next: number;
}

const HEADER_BYTES = 128;
/** Limit for all compressed variables together; the benchmarks' variables take a few kilobytes. */
const MAX_INFLATED_BYTES = 2 ** 24;
const INFLATE_STEP = 2 ** 14;
const MAX_NESTING = 8;
/** MATLAB's own limit is 63 characters. */
const MAX_NAME_BYTES = 255;

// Types of data elements
const UINT8 = 2;
const UINT16 = 4;
const INT32 = 5;
const MATRIX = 14;
const COMPRESSED = 15;
const UTF8 = 16;
const UTF16 = 17;

// Classes of arrays
const CELL_CLASS = 1;
const CHAR_CLASS = 4;
const DOUBLE_CLASS = 6;
const UINT64_CLASS = 15;
const COMPLEX_FLAG = 0x0800;

type ReadNumber = (view: DataView, at: number, littleEndian: boolean) => number;

/** Numeric element types: the size of a number in bytes and how to read it. */
const NUMBERS: Readonly<Record<number, { size: number; read: ReadNumber }>> = {
  1: { size: 1, read: (view, at) => view.getInt8(at) },
  [UINT8]: { size: 1, read: (view, at) => view.getUint8(at) },
  3: { size: 2, read: (view, at, le) => view.getInt16(at, le) },
  [UINT16]: { size: 2, read: (view, at, le) => view.getUint16(at, le) },
  [INT32]: { size: 4, read: (view, at, le) => view.getInt32(at, le) },
  6: { size: 4, read: (view, at, le) => view.getUint32(at, le) },
  7: { size: 4, read: (view, at, le) => view.getFloat32(at, le) },
  9: { size: 8, read: (view, at, le) => view.getFloat64(at, le) },
  12: { size: 8, read: (view, at, le) => Number(view.getBigInt64(at, le)) },
  13: { size: 8, read: (view, at, le) => Number(view.getBigUint64(at, le)) },
};

/**
 * The first variable that has one of the names, and its name.
 * @throws PanppError `evaluation` if the file is not a level 5 MAT-file, is damaged, or has no such
 * variable.
 */
export function readMatVariable(
  file: string,
  bytes: Uint8Array,
  ...names: readonly string[]
): { name: string; value: MatArray } {
  const source = openSource(file, bytes);
  const end = source.view.byteLength;
  let room = MAX_INFLATED_BYTES;
  for (let at = HEADER_BYTES; at < end;) {
    const element = elementAt(source, at, end);
    at = element.next;
    const isCompressed = element.type === COMPRESSED;
    const inner = isCompressed ? inflated(source, element, room) : source;
    if (isCompressed) room -= inner.view.byteLength;
    const matrix = isCompressed ? elementAt(inner, 0, inner.view.byteLength) : element;
    if (matrix.type !== MATRIX) continue; // a file may hold other things between its variables
    const header = readHeader(inner, matrix);
    if (header && names.includes(header.name))
      return { name: header.name, value: readContent(inner, header, 0) };
  }
  return refuse(file, `has no variable ${names.map(quoted).join(' or ')}`);
}

function openSource(file: string, bytes: Uint8Array): Source {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // The header ends with a version and the letters MI as a 16-bit number of the writer's byte
  // order.
  const order =
    view.byteLength < HEADER_BYTES
      ? ''
      : String.fromCharCode(view.getUint8(126), view.getUint8(127));
  if (order !== 'IM' && order !== 'MI') {
    refuse(file, 'not a MATLAB level 5 MAT-file; save it with -v7 or -v6, not -v7.3 or -v4');
  }
  return { file, view, littleEndian: order === 'IM' };
}

function elementAt(source: Source, at: number, limit: number): Element {
  const { view, littleEndian } = source;
  if (at + 8 > limit) refuse(source.file, 'cut short or damaged: a data element ends too early');
  const first = view.getUint32(at, littleEndian);
  const smallLength = first >>> 16;
  if (smallLength > 0) {
    if (smallLength > 4)
      refuse(source.file, 'damaged: a small data element is larger than 4 bytes');
    return { type: first & 0xffff, start: at + 4, end: at + 4 + smallLength, next: at + 8 };
  }
  const start = at + 8;
  const end = start + view.getUint32(at + 4, littleEndian);
  if (end > limit)
    refuse(source.file, 'cut short or damaged: a data element is longer than what is left');
  const padded = first === COMPRESSED ? end : start + Math.ceil((end - start) / 8) * 8;
  return { type: first, start, end, next: Math.min(padded, limit) };
}

/** @param room limit for the unpacked size in bytes */
function inflated(source: Source, element: Element, room: number): Source {
  const { file, view } = source;
  const data = new Uint8Array(
    view.buffer,
    view.byteOffset + element.start,
    element.end - element.start,
  );
  const parts: Uint8Array[] = [];
  let length = 0;
  const stream = new Unzlib((part) => {
    length += part.length;
    if (length > room)
      refuse(file, `its variables unpack to more than ${MAX_INFLATED_BYTES / 2 ** 20} MiB`);
    parts.push(part);
  });
  try {
    // In steps, so that the limit above applies before much memory is used.
    for (let at = 0; at === 0 || at < data.length; at += INFLATE_STEP) {
      stream.push(data.subarray(at, at + INFLATE_STEP), at + INFLATE_STEP >= data.length);
    }
  } catch (error) {
    if (error instanceof PanppError) throw error;
    const reason = error instanceof Error ? error.message : 'unreadable';
    refuse(file, `cut short or damaged: a compressed variable can't be unpacked (${reason})`);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  if (adler32(bytes) !== new DataView(data.buffer, data.byteOffset).getUint32(data.length - 4)) {
    refuse(file, 'damaged: a compressed variable fails its checksum');
  }
  return { file, view: new DataView(bytes.buffer), littleEndian: source.littleEndian };
}

/** The checksum at the end of a zlib stream (RFC 1950), which fflate does not check. */
function adler32(bytes: Uint8Array): number {
  let low = 1;
  let high = 0;
  for (const byte of bytes) {
    low = (low + byte) % 65521;
    high = (high + low) % 65521;
  }
  return high * 65536 + low;
}

interface ArrayHeader {
  readonly arrayClass: number;
  readonly isComplex: boolean;
  readonly shape: readonly number[];
  readonly count: number;
  readonly name: string;
  /** Where the content begins. */
  readonly start: number;
  readonly end: number;
}

/**
 * The header of an array; undefined for an array of 0 bytes, which is how an empty cell is written.
 */
function readHeader(source: Source, matrix: Element): ArrayHeader | undefined {
  if (matrix.start === matrix.end) return undefined;
  const flags = elementAt(source, matrix.start, matrix.end);
  if (flags.end - flags.start < 4) refuse(source.file, 'damaged: an array has no flags');
  const word = source.view.getUint32(flags.start, source.littleEndian);
  const dimensions = elementAt(source, flags.next, matrix.end);
  const shape = readNumbers(source, dimensions);
  const name = elementAt(source, dimensions.next, matrix.end);
  if (name.end - name.start > MAX_NAME_BYTES)
    refuse(source.file, `damaged: a variable's name has ${name.end - name.start} bytes`);
  if (dimensions.type !== INT32 || shape.length < 2 || shape.some((size) => size < 0)) {
    refuse(source.file, 'damaged: an array has no proper dimensions');
  }
  return {
    arrayClass: word & 0xff,
    isComplex: (word & COMPLEX_FLAG) !== 0,
    shape,
    count: shape.reduce((product, size) => product * size, 1),
    name: textOf(readNumbers(source, name)),
    start: name.next,
    end: matrix.end,
  };
}

function readContent(source: Source, header: ArrayHeader, depth: number): MatArray {
  const { arrayClass, isComplex, shape, count, start, end } = header;
  if (arrayClass === CELL_CLASS)
    return { kind: 'cells', shape, cells: readCells(source, header, depth) };
  const isNumeric = arrayClass >= DOUBLE_CLASS && arrayClass <= UINT64_CLASS;
  if ((!isNumeric && arrayClass !== CHAR_CLASS) || isComplex) {
    refuse(
      source.file,
      `an array is ${isComplex ? 'complex' : `of class ${arrayClass}`}; cells, numbers and texts are read`,
    );
  }
  if (count === 0)
    return isNumeric ? { kind: 'numbers', shape, values: [] } : { kind: 'text', text: '' };
  const data = elementAt(source, start, end);
  if (!isNumeric) return { kind: 'text', text: readText(source, data, shape) };
  const values = readNumbers(source, data);
  if (values.length !== count)
    refuse(source.file, `damaged: an array of ${count} numbers has ${values.length}`);
  return { kind: 'numbers', shape, values };
}

function readCells(source: Source, { count, start, end }: ArrayHeader, depth: number): MatArray[] {
  if (depth === MAX_NESTING)
    refuse(source.file, `damaged: cells are nested more than ${MAX_NESTING} deep`);
  if (count > (end - start) / 8)
    refuse(source.file, `cut short or damaged: an array of ${count} cells is too short`);
  const cells: MatArray[] = [];
  for (let at = start; cells.length < count;) {
    const cell = elementAt(source, at, end);
    if (cell.type !== MATRIX) refuse(source.file, 'damaged: a cell holds no array');
    const header = readHeader(source, cell);
    cells.push(
      header
        ? readContent(source, header, depth + 1)
        : { kind: 'numbers', shape: [0, 0], values: [] },
    );
    at = cell.next;
  }
  return cells;
}

function readNumbers(source: Source, { type, start, end }: Element): number[] {
  const format = NUMBERS[type];
  if (!format) return refuse(source.file, `damaged: numbers are stored as unknown type ${type}`);
  if ((end - start) % format.size !== 0) refuse(source.file, 'damaged: numbers of an odd length');
  const values: number[] = [];
  for (let at = start; at < end; at += format.size)
    values.push(format.read(source.view, at, source.littleEndian));
  return values;
}

function readText(source: Source, element: Element, shape: readonly number[]): string {
  const { file, view } = source;
  const { type, start, end } = element;
  if (shape.length > 2 || shape[0] !== 1) refuse(file, 'a character array has more than one row');
  if (type === UTF8) {
    const bytes = new Uint8Array(view.buffer, view.byteOffset + start, end - start);
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  }
  if (type !== UINT8 && type !== UINT16 && type !== UTF16)
    refuse(file, `a text is stored as unknown type ${type}`);
  const units = readNumbers(source, type === UTF16 ? { ...element, type: UINT16 } : element);
  if (units.length !== shape[1])
    refuse(file, `damaged: a text of ${shape[1]} characters has ${units.length}`);
  return textOf(units);
}

function textOf(units: readonly number[]): string {
  return units.map((unit) => String.fromCharCode(unit)).join('');
}
