// Writes level 5 MAT-files in either byte order, so that forms can be read that the reference files
// don't have.
import { zlibSync } from 'fflate';

export type MatInput =
  | {
      readonly numbers: readonly number[];
      readonly as?: 'double' | 'int16' | 'uint8';
      readonly shape?: readonly number[];
    }
  | {
      readonly text: string;
      readonly as?: 'uint16' | 'utf8' | 'utf16' | 'uint8';
      readonly shape?: readonly number[];
    }
  | {
      readonly cells: readonly MatInput[];
      readonly shape: readonly [rows: number, columns: number];
    }
  | { readonly rawClass: number; readonly flags?: number }
  | 'nothing';

export class MatWriter {
  private readonly parts: Uint8Array[] = [];

  constructor(private readonly littleEndian = true) {
    const header = new Uint8Array(128).fill(0x20);
    header.set(new TextEncoder().encode(littleEndian ? '\0\x01IM' : '\x01\0MI'), 124);
    this.parts.push(header);
  }

  add(name: string, value: MatInput, { compressed = false } = {}): this {
    const matrix = this.matrix(name, value);
    if (compressed) this.addCompressed(zlibSync(matrix));
    else this.parts.push(matrix);
    return this;
  }

  addElement(type: number, data: Uint8Array): this {
    this.parts.push(this.element(type, data));
    return this;
  }

  /** A zlib stream has no padding after it. */
  addCompressed(stream: Uint8Array): this {
    this.parts.push(this.words(15, stream.length), stream);
    return this;
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.parts);
  }

  private words(...values: number[]): Uint8Array {
    const view = new DataView(new ArrayBuffer(4 * values.length));
    values.forEach((value, i) => view.setUint32(4 * i, value, this.littleEndian));
    return new Uint8Array(view.buffer);
  }

  private matrix(name: string, value: MatInput): Uint8Array {
    if (value === 'nothing') return this.words(14, 0);
    const content = this.content(value);
    const flags = 'rawClass' in value ? (value.flags ?? 0) : 0;
    return this.element(
      14,
      Buffer.concat([
        this.element(6, this.words(content.arrayClass | flags, 0)),
        this.element(5, this.words(...content.shape)),
        this.element(1, new TextEncoder().encode(name)),
        ...content.data,
      ]),
    );
  }

  private content(value: Exclude<MatInput, 'nothing'>): {
    arrayClass: number;
    shape: readonly number[];
    data: Uint8Array[];
  } {
    if ('rawClass' in value)
      return {
        arrayClass: value.rawClass,
        shape: [1, 1],
        data: [this.element(9, new Uint8Array(8))],
      };
    if ('cells' in value)
      return {
        arrayClass: 1,
        shape: value.shape,
        data: value.cells.map((cell) => this.matrix('', cell)),
      };
    if ('text' in value) {
      const units = Array.from(value.text, (_, i) => value.text.charCodeAt(i));
      const shape = value.shape ?? [value.text === '' ? 0 : 1, units.length];
      if (value.as === 'utf8')
        return {
          arrayClass: 4,
          shape,
          data: [this.element(16, new TextEncoder().encode(value.text))],
        };
      if (value.as === 'uint8')
        return { arrayClass: 4, shape, data: [this.element(2, Uint8Array.from(units))] };
      return {
        arrayClass: 4,
        shape,
        data: [this.element(value.as === 'utf16' ? 17 : 4, this.shorts(units))],
      };
    }
    const shape = value.shape ?? [1, value.numbers.length];
    if (value.as === 'int16')
      return { arrayClass: 10, shape, data: [this.element(3, this.shorts(value.numbers))] };
    if (value.as === 'uint8')
      return { arrayClass: 6, shape, data: [this.element(2, Uint8Array.from(value.numbers))] };
    const view = new DataView(new ArrayBuffer(8 * value.numbers.length));
    value.numbers.forEach((number, i) => view.setFloat64(8 * i, number, this.littleEndian));
    return { arrayClass: 6, shape, data: [this.element(9, new Uint8Array(view.buffer))] };
  }

  private shorts(values: readonly number[]): Uint8Array {
    const view = new DataView(new ArrayBuffer(2 * values.length));
    values.forEach((value, i) => view.setUint16(2 * i, value & 0xffff, this.littleEndian));
    return new Uint8Array(view.buffer);
  }

  /** Up to four bytes go into the tag itself, as MATLAB does it. */
  private element(type: number, data: Uint8Array): Uint8Array {
    const isSmall = data.length > 0 && data.length <= 4;
    const tag = isSmall ? this.words(data.length * 65536 + type) : this.words(type, data.length);
    const length = isSmall ? 8 : 8 + Math.ceil(data.length / 8) * 8;
    const bytes = new Uint8Array(length);
    bytes.set(tag);
    bytes.set(data, tag.length);
    return bytes;
  }
}
