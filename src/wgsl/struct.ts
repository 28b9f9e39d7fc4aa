// Memory layout of WGSL structs, derived from their declarations, so that the host uses member
// names instead of byte offsets.
// Source: WGSL specification, Alignment and Size.
import { PanppError } from '../errors.js';
import type { Members } from './declarations.js';

/** Values by member name; a vector is a list. */
export type Values = Readonly<Record<string, number | readonly number[]>>;

/** Memory layout of a type, in bytes. */
interface TypeLayout {
  readonly size: number;
  readonly align: number;
  /** Bytes from one array element to the next. */
  readonly stride?: number;
  /** The component type, `u32`, `i32` or `f32`, of a scalar or vector. */
  readonly scalar?: string;
}

/** A member's layout and offset. */
export interface Field extends TypeLayout {
  readonly type: string;
  /** Offset in bytes. */
  readonly offset: number;
}

export class StructLayout implements TypeLayout {
  readonly fields = new Map<string, Field>();
  /** Bytes of one value; also the stride in an array. */
  readonly size: number;
  readonly align: number;

  /**
   * @param constants values of the constants that array lengths name
   * @throws PanppError `shader` for an unknown struct or a member type that is not supported
   */
  constructor(
    readonly name: string,
    structs: ReadonlyMap<string, Members>,
    constants: Readonly<Record<string, number>> = {},
  ) {
    let [end, align] = [0, 4];
    for (const [member, type] of structs.get(name) ?? refuse(`there is no struct ${name}`)) {
      const own = layoutOf(type, structs, constants);
      const offset = roundUp(end, own.align);
      this.fields.set(member, { ...own, type, offset });
      end = offset + own.size;
      align = Math.max(align, own.align);
    }
    this.align = align;
    this.size = roundUp(end, align);
  }

  /**
   * The layout of a member.
   * @param of name used in errors
   * @throws PanppError `shader` for an unknown member
   */
  field(member: string, of = this.name): Field {
    return (
      this.fields.get(member) ??
      refuse(`${of} has no member ${member}; it has ${[...this.fields.keys()].join(', ')}`)
    );
  }

  /** A member's offset in 32-bit words. */
  word(member: string): number {
    return this.field(member).offset / 4;
  }

  /**
   * Packs a value into bytes.
   * @param of name used in errors
   * @throws PanppError `shader` for a member that is unknown, missing or of the wrong type
   */
  pack(values: Values, of = this.name): Uint8Array<ArrayBuffer> {
    return this.packAll([values], of);
  }

  /** As `pack`, for several values, one after another. */
  packAll(all: readonly Values[], of = this.name): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(all.length * this.size);
    const view = new DataView(bytes.buffer);
    all.forEach((values, index) => {
      for (const member in values) this.field(member, of);
      for (const [member, { type, offset, size, scalar }] of this.fields) {
        const given = values[member];
        const numbers = (Array.isArray(given) ? given : [given]) as readonly number[];
        if (4 * numbers.length !== size || !numbers.every((value) => fits(value, scalar))) {
          refuse(
            `${of}.${member} is ${type} and can't be ${given === undefined ? 'left out' : String(given)}`,
          );
        }
        numbers.forEach((value, at) => {
          const place = index * this.size + offset + 4 * at;
          if (scalar === 'f32') view.setFloat32(place, value, true);
          else view.setUint32(place, value, true);
        });
      }
    });
    return bytes;
  }
}

function fits(value: unknown, scalar?: string): boolean {
  if (typeof value !== 'number') return false;
  return scalar === 'f32' || (scalar === 'u32' ? value >>> 0 : scalar && value | 0) === value;
}

function layoutOf(
  type: string,
  structs: ReadonlyMap<string, Members>,
  constants: Readonly<Record<string, number>>,
): TypeLayout {
  if (structs.has(type)) return new StructLayout(type, structs, constants);
  const [, wrapper, inner, length] = /^(array|atomic)<(.+?)(?:,(\w+),?)?>$/.exec(type) ?? [];
  if (wrapper) {
    const { size, align, scalar } = layoutOf(inner, structs, constants);
    if (wrapper === 'atomic') return { size, align, scalar };
    const stride = roundUp(size, align);
    // A runtime-sized array, which can only be the last member, adds nothing to the size.
    return {
      size: stride * (length ? (constants[length] ?? Number.parseInt(length, 10)) : 0),
      align,
      stride,
    };
  }
  const [, single, count, letter] =
    /^(?:([uif])32|vec([234])([uif]))$/.exec(type) ?? refuse(`the layout of ${type} is not known`);
  const values = Number(count ?? 1);
  return {
    size: 4 * values,
    align: 4 * (values === 3 ? 4 : values),
    scalar: `${single ?? letter}32`,
  };
}

/** Rounds `value` up to a multiple of `multiple`. */
export function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}

function refuse(what: string): never {
  throw new PanppError('shader', what);
}
