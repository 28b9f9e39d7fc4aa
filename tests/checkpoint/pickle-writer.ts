// Writes pickles that PyTorch 1.13 does not: other versions' and hostile ones. A piece is bytes as
// a latin-1 text.
import { zipSync } from 'fflate';

export type Piece = string;

export function bytesOf(...pieces: Piece[]): Uint8Array {
  return Uint8Array.from(pieces.join(''), (char) => char.charCodeAt(0));
}

/** Little-endian integer of 1, 2, 4 or 8 bytes. */
export function le(value: number, size: number): Piece {
  let text = '';
  for (let i = 0, rest = value; i < size; i += 1, rest = Math.floor(rest / 256))
    text += String.fromCharCode(rest % 256);
  return text;
}

export function str(text: string): Piece {
  const utf8 = String.fromCharCode(...new TextEncoder().encode(text));
  return `X${le(utf8.length, 4)}${utf8}`;
}

/** A non-negative integer of any size. */
export function int(value: number): Piece {
  if (value < 2 ** 8) return `K${le(value, 1)}`;
  if (value < 2 ** 31) return `J${le(value, 4)}`;
  return `\x8a\x08${le(value, 8)}`;
}

export function tuple(...items: Piece[]): Piece {
  return `(${items.join('')}t`;
}

export function dict(entries: Record<string, Piece>): Piece {
  return `}(${Object.entries(entries)
    .map(([key, value]) => str(key) + value)
    .join('')}u`;
}

export function global(name: string): Piece {
  const dot = name.lastIndexOf('.');
  return `c${name.slice(0, dot)}\n${name.slice(dot + 1)}\n`;
}

export function call(name: string, ...args: Piece[]): Piece {
  return `${global(name)}${tuple(...args)}R`;
}

export function storage(type: string, key: string, length: number, ...more: Piece[]): Piece {
  return `${tuple(str('storage'), global(type), str(key), str('cpu'), int(length), ...more)}Q`;
}

export const FALSE = '\x89';
export const NONE = 'N';
export const NO_HOOKS = `${global('collections.OrderedDict')})R`;

export function sizes(...values: number[]): Piece {
  return tuple(...values.map(int));
}

/** A tensor as `_rebuild_tensor_v2` makes it. */
export function tensor(
  from: Piece,
  offset: number,
  shape: number[],
  stride: number[],
  ...more: Piece[]
): Piece {
  const parts = [from, int(offset), sizes(...shape), sizes(...stride), FALSE, NO_HOOKS, ...more];
  return call('torch._utils._rebuild_tensor_v2', ...parts);
}

/** A whole pickle of protocol 2. */
export function pickle(value: Piece): Piece {
  return `\x80\x02${value}.`;
}

/** A checkpoint in zip form. */
export function zipCheckpoint(value: Piece, entries: Record<string, Uint8Array> = {}): Uint8Array {
  const files: Record<string, Uint8Array> = {
    'archive/data.pkl': bytesOf(pickle(value)),
    'archive/version': bytesOf('3\n'),
  };
  for (const [name, bytes] of Object.entries(entries)) files[`archive/${name}`] = bytes;
  return zipSync(files, { level: 0 });
}

/** A checkpoint in legacy form; storages are [key, element count, values]. */
export function legacyCheckpoint(
  value: Piece,
  storages: [key: string, count: number, values: Uint8Array][],
): Uint8Array {
  const keys = `](${storages.map(([key]) => str(key)).join('')}e`;
  const magic = '\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19';
  const head = [magic, 'M\xe9\x03', dict({ little_endian: '\x88' }), value, keys]
    .map(pickle)
    .join('');
  const tail = storages
    .map(([, count, values]) => le(count, 8) + String.fromCharCode(...values))
    .join('');
  return bytesOf(head, tail);
}

/** The bytes of a typed array. */
export function raw(values: ArrayBufferView): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
