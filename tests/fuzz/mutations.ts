// Damages valid files: edits of bytes, and of numbers in texts. An edit is four integers, so that
// fast-check can shrink a list of them; every list can be applied to every file.
import fc from 'fast-check';

/** What is done to the bytes; `a`, `b` and `c` say where, how much and with what. */
type Edit = readonly [kind: number, a: number, b: number, c: number];

const most = 0x7fffffff;
const integer = fc.noBias(fc.nat(most));

const edits: fc.Arbitrary<readonly Edit[]> = fc.array(
  fc.tuple(fc.noBias(fc.nat(999)), integer, integer, integer),
  { minLength: 0, maxLength: 5 },
);

/** Values that readers trip over, by width in bytes. */
const extremes = [0n, 1n, 0x7fn, 0x80n, 0xffn, 0x7fffn, 0xffffn, 0x7fffffffn, 0x80000000n].concat([
  0xffffffffn,
  0xfffffff0n,
  1n << 32n,
  1n << 53n,
  1n << 60n,
  (1n << 63n) - 1n,
  1n << 63n,
  (1n << 64n) - 1n,
]);

const numbers = [
  '0',
  '-1',
  '1',
  '65536',
  '2147483648',
  '4294967296',
  '9007199254740991',
  '9007199254740993',
  '1152921504606846976',
  '18446744073709551615',
  '1e308',
  '-1e308',
  '1e999',
  '1e-320',
  '0.1',
  'NaN',
  '',
  '00',
  '1'.repeat(400),
];

/** Texts that begin, end or separate something in the formats that are read. */
const tokens = [
  ...',;:#"\'[]{}()<>\\ \t\r\n\0.-+',
  ',####',
  '###',
  'null',
  '[[',
  '</segs>',
  '\u2028',
  '\ufeff',
  '  '.repeat(40),
  "u'a' ".repeat(30),
  '[['.repeat(50),
  '"'.repeat(50),
].map((text) => new TextEncoder().encode(text));

/** A seed file, damaged by up to five edits; none at all is a valid input too. */
export function damaged(seeds: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  return fc
    .tuple(fc.noBias(fc.nat(seeds.length - 1)), edits)
    .map(([seed, list]) =>
      list.reduce((bytes, edit) => edited(bytes, edit, seeds), Uint8Array.from(seeds[seed])),
    );
}

/** As `damaged`, of texts. */
export function damagedText(seeds: readonly string[]): fc.Arbitrary<string> {
  const bytes = seeds.map((text) => new TextEncoder().encode(text));
  return damaged(bytes).map((text) => new TextDecoder().decode(text));
}

const kinds: readonly ((
  bytes: Uint8Array<ArrayBuffer>,
  edit: Edit,
  seeds: readonly Uint8Array[],
) => Uint8Array<ArrayBuffer>)[] = [
  flip,
  set,
  insert,
  remove,
  duplicate,
  cut,
  number,
  digits,
  splice,
];

function edited(
  bytes: Uint8Array<ArrayBuffer>,
  edit: Edit,
  seeds: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  return kinds[edit[0] % kinds.length](bytes, edit, seeds);
}

/** A place in the bytes; the end counts as one. */
function placeIn(bytes: Uint8Array, value: number): number {
  return value % (bytes.length + 1);
}

function flip(bytes: Uint8Array<ArrayBuffer>, [, a, b]: Edit): Uint8Array<ArrayBuffer> {
  if (bytes.length > 0) bytes[a % bytes.length] ^= 1 << (b % 8);
  return bytes;
}

function set(bytes: Uint8Array<ArrayBuffer>, [, a, b]: Edit): Uint8Array<ArrayBuffer> {
  if (bytes.length > 0) bytes[a % bytes.length] = b;
  return bytes;
}

function insert(bytes: Uint8Array<ArrayBuffer>, [, a, b, c]: Edit): Uint8Array<ArrayBuffer> {
  const at = placeIn(bytes, a);
  const more = b % 2 === 0 ? tokens[c % tokens.length] : new Uint8Array(1 + (b % 9)).fill(c);
  return joined(bytes.subarray(0, at), more, bytes.subarray(at));
}

function remove(bytes: Uint8Array<ArrayBuffer>, [, a, b]: Edit): Uint8Array<ArrayBuffer> {
  const at = placeIn(bytes, a);
  return joined(bytes.subarray(0, at), bytes.subarray(at + lengthOf(b, bytes)));
}

function duplicate(bytes: Uint8Array<ArrayBuffer>, [, a, b, c]: Edit): Uint8Array<ArrayBuffer> {
  const from = placeIn(bytes, a);
  const to = placeIn(bytes, c);
  const part = bytes.subarray(from, from + lengthOf(b, bytes));
  return joined(bytes.subarray(0, to), part, bytes.subarray(to));
}

function cut(bytes: Uint8Array<ArrayBuffer>, [, a]: Edit): Uint8Array<ArrayBuffer> {
  return bytes.slice(0, placeIn(bytes, a));
}

/** Overwrites 1, 2, 4 or 8 bytes with an extreme number. */
function number(bytes: Uint8Array<ArrayBuffer>, [, a, b, c]: Edit): Uint8Array<ArrayBuffer> {
  const width = [1, 2, 4, 8][b % 4];
  const at = placeIn(bytes, a);
  const value = extremes[c % extremes.length];
  for (let i = 0; i < width && at + i < bytes.length; i++) {
    const place = b & 4 ? width - 1 - i : i;
    bytes[at + i] = Number((value >> BigInt(8 * place)) & 0xffn);
  }
  return bytes;
}

const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;

/** Replaces the decimal number at or after a place. */
function digits(bytes: Uint8Array<ArrayBuffer>, [, a, , c]: Edit): Uint8Array<ArrayBuffer> {
  let from = placeIn(bytes, a);
  while (from < bytes.length && !isDigit(bytes[from])) from++;
  if (from === bytes.length) return bytes;
  let to = from;
  while (from > 0 && isDigit(bytes[from - 1])) from--;
  while (to < bytes.length && isDigit(bytes[to])) to++;
  const text = new TextEncoder().encode(numbers[c % numbers.length]);
  return joined(bytes.subarray(0, from), text, bytes.subarray(to));
}

/** Goes on with another seed from a place on. */
function splice(
  bytes: Uint8Array<ArrayBuffer>,
  [, a, b, c]: Edit,
  seeds: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const other = seeds[b % seeds.length];
  return joined(bytes.subarray(0, placeIn(bytes, a)), other.subarray(placeIn(other, c)));
}

/** Mostly a few bytes, sometimes a large part. */
function lengthOf(value: number, bytes: Uint8Array): number {
  return value % 4 === 0 ? value % (bytes.length + 1) : 1 + (value % 16);
}

function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  // A copy, because small Buffers are views of a shared pool.
  return Uint8Array.from(Buffer.concat(parts));
}
