import { describe, expect, it } from 'vitest';
import { PanppError } from '../../src/errors.js';
import { readSafetensors, writeSafetensors } from '../../src/checkpoint/safetensors.js';
import { referenceBytes } from '../support/reference.js';
import { raw } from './pickle-writer.js';

/** A file of the given header text and data. */
function file(
  header: string | object,
  data: Uint8Array = new Uint8Array(0),
  headerLength?: number,
): Uint8Array {
  const text = new TextEncoder().encode(
    typeof header === 'string' ? header : JSON.stringify(header),
  );
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerLength ?? text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

function one(dtype: string, values: ArrayBufferView, shape: number[]): Uint8Array {
  return file({ w: { dtype, shape, data_offsets: [0, values.byteLength] } }, raw(values));
}

function problem(attempt: () => unknown): string {
  try {
    attempt();
  } catch (error) {
    expect(error).toBeInstanceOf(PanppError);
    const { code, message } = error as PanppError;
    expect(code).toBe('checkpoint');
    expect(message).not.toContain('\n');
    return message;
  }
  throw new Error('nothing was thrown');
}

describe('readSafetensors', () => {
  it('widens every type', () => {
    const cases: [string, ArrayBufferView, number[] | bigint[]][] = [
      ['F64', Float64Array.of(1.5, 1 / 3), [1.5, Math.fround(1 / 3)]],
      ['F32', Float32Array.of(1.5, -0), [1.5, -0]],
      ['F16', Uint16Array.of(0x3c00, 0x8001), [1, -(2 ** -24)]],
      ['BF16', Uint16Array.of(0x3f80, 0xff80), [1, -Infinity]],
      ['I64', BigInt64Array.of(-(2n ** 63n), 5n), [-(2n ** 63n), 5n]],
      ['I32', Int32Array.of(-(2 ** 31), 5), [-(2n ** 31n), 5n]],
      ['I16', Int16Array.of(-32768, 5), [-32768n, 5n]],
      ['I8', Int8Array.of(-128, 5), [-128n, 5n]],
      ['U32', Uint32Array.of(2 ** 32 - 1, 5), [2n ** 32n - 1n, 5n]],
      ['U16', Uint16Array.of(65535, 5), [65535n, 5n]],
      ['U8', Uint8Array.of(255, 5), [255n, 5n]],
      ['BOOL', Uint8Array.of(1, 0), [1n, 0n]],
    ];
    for (const [dtype, values, expected] of cases) {
      const tensor = readSafetensors(one(dtype, values, [2, 1])).tensors.get('w')!;
      expect(tensor.shape, dtype).toEqual([2, 1]);
      expect([...tensor.data], dtype).toEqual(expected);
    }
  });

  it('reads scalars, empty tensors and metadata, at every alignment', () => {
    for (let pad = 0; pad < 8; pad += 1) {
      const header = {
        __metadata__: { by: 'hand' + ' '.repeat(pad) },
        scalar: { dtype: 'F32', shape: [], data_offsets: [0, 4] },
        empty: { dtype: 'F32', shape: [0, 3], data_offsets: [4, 4] },
        whole: { dtype: 'I64', shape: [1], data_offsets: [4, 12] },
      };
      const data = new Uint8Array([...raw(Float32Array.of(2.5)), ...raw(BigInt64Array.of(7n))]);
      const { tensors, metadata } = readSafetensors(file(header, data));
      expect(metadata.by.trim()).toBe('hand');
      expect(tensors.get('scalar')).toEqual({ shape: [], data: Float32Array.of(2.5) });
      expect(tensors.get('empty')).toEqual({ shape: [0, 3], data: new Float32Array(0) });
      expect(tensors.get('whole')).toEqual({ shape: [1], data: BigInt64Array.of(7n) });
    }
  });

  it('takes aligned floats as they lie, without a copy', () => {
    const bytes = writeSafetensors([['w', { shape: [3], data: Float32Array.of(1, 2, 3) }]]);
    expect(readSafetensors(bytes).tensors.get('w')!.data.buffer).toBe(bytes.buffer);
  });

  it("reads the reference's tensors", () => {
    const { tensors } = readSafetensors(referenceBytes('checkpoints/expected.safetensors'));
    expect(tensors.size).toBe(30);
    expect([...tensors.get('dtypes/i8')!.data]).toHaveLength(5);
    expect(tensors.get('plain/conv.weight')!.shape).toEqual([4, 3, 3, 3]);
  });

  it('names what is wrong with a header', () => {
    const w = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
    const data = new Uint8Array(8);
    const deep = `{"w":{"dtype":${'['.repeat(200_000)}${']'.repeat(200_000)}}}`;
    const cases: [Uint8Array, RegExp][] = [
      [new Uint8Array(0), /too short for a safetensors file \(0 bytes\)/],
      [file('{}', data, 99), /cut short inside its header/],
      [file('{}', data, 2 ** 52), /larger than 100 MB/],
      [file('{"w"', data), /not valid JSON/],
      [file('{"\xff', data, 3), /not valid JSON/],
      [file('[1]', data), /not a JSON object/],
      [file(deep), /no data type|not valid JSON/],
      [file({ __metadata__: { a: 1 } }), /metadata is not a table of texts/],
      [file({ __metadata__: 'a' }), /metadata is not a table of texts/],
      [file({ w: 3 }), /entry "w" is not a tensor description/],
      [file({ w: { ...w, dtype: 'F31' } }, data), /tensor "w" has the unknown data type "F31"/],
      [file({ w: { ...w, dtype: 7 } }, data), /tensor "w" has no data type/],
      [file({ w: { ...w, dtype: 'C64', shape: [1] } }, data), /tensor "w" has complex64 values/],
      [file({ w: { ...w, dtype: 'U64', shape: [1] } }, data), /tensor "w" has uint64 values/],
      [file({ w: { ...w, shape: [-2] } }, data), /"w" has no valid shape/],
      [file({ w: { ...w, shape: [1.5] } }, data), /"w" has no valid shape/],
      [file({ w: { ...w, shape: Array(65).fill(1) } }, data), /"w" has no valid shape/],
      [file({ w: { ...w, shape: '2' } }, data), /"w" has no valid shape/],
      [
        file({ w: { ...w, shape: [3] } }, data),
        /"w" of shape \[3\] needs 12 bytes, but its data_offsets span 8/,
      ],
      [file({ w: { ...w, shape: [2 ** 40, 2 ** 40] } }, data), /"w" of shape .* needs/],
      [file({ w: { ...w, data_offsets: [8, 0] } }, data), /"w" has no valid data_offsets/],
      [file({ w: { ...w, data_offsets: [0] } }, data), /"w" has no valid data_offsets/],
      [file({ w: { ...w, data_offsets: [0, 8, 8] } }, data), /"w" has no valid data_offsets/],
      [file({ w }, data.subarray(0, 7)), /cut short: 1 bytes of its tensors are missing/],
      [file({ w }, new Uint8Array(9)), /has 1 bytes that belong to no tensor/],
      [
        file({ w: { ...w, data_offsets: [8, 16] } }, new Uint8Array(16)),
        /"w" leaves a gap before it/,
      ],
      [
        file({ w, v: { ...w, data_offsets: [4, 12] } }, new Uint8Array(12)),
        /"v" overlaps another one/,
      ],
      [file({ 'a\nb': 3 }), /entry "a\\nb" is not/],
    ];
    for (const [bytes, message] of cases)
      expect(problem(() => readSafetensors(bytes, 'x.safetensors'))).toMatch(message);
    expect(problem(() => readSafetensors(file('{"w"'), 'x.safetensors'))).toMatch(
      /^x\.safetensors: /,
    );
  });

  it('ends with its error wherever the file is cut and whichever byte is wrong', () => {
    const good = referenceBytes('checkpoints/expected.safetensors');
    for (let length = 0; length < good.length; length += 1)
      problem(() => readSafetensors(good.subarray(0, length)));
    for (let at = 0; at < good.length; at += 1) {
      const bad = new Uint8Array(good);
      bad[at] ^= 1 << (at % 8);
      try {
        readSafetensors(bad);
      } catch (error) {
        expect(error).toBeInstanceOf(PanppError);
      }
    }
  });
});

describe('writeSafetensors', () => {
  const tensors: [string, { shape: number[]; data: Float32Array }][] = [
    ['half.odd', { shape: [3], data: Float32Array.of(1, -2.5, 1 / 3) }],
    ['10', { shape: [2, 2], data: Float32Array.of(1e-30, 2, NaN, -Infinity) }],
    ['empty', { shape: [0, 4], data: new Float32Array(0) }],
    ['2', { shape: [], data: Float32Array.of(7) }],
  ];
  const half = (name: string) => name.startsWith('half');

  it('writes the bytes of the format', () => {
    const header =
      '{"__metadata__":{"a":"b"},"w":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}';
    const bytes = writeSafetensors([['w', { shape: [1], data: Float32Array.of(-2) }]], {
      half: true,
      metadata: { a: 'b' },
    });
    const padded = header.padEnd(Math.ceil(header.length / 8) * 8);
    const text = new TextDecoder('latin1').decode(bytes);
    expect(text).toBe(`${String.fromCharCode(padded.length)}${'\0'.repeat(7)}${padded}\x00\xc0`);
  });

  it('gives back what it wrote, half precision rounded', () => {
    const bytes = writeSafetensors(tensors, {
      half,
      metadata: { model: 'pan++', note: 'é "x"\n' },
    });
    const read = readSafetensors(bytes);
    expect(read.metadata).toEqual({ model: 'pan++', note: 'é "x"\n' });
    expect(new Set(read.tensors.keys())).toEqual(new Set(tensors.map(([name]) => name)));
    expect([...read.tensors.get('half.odd')!.data]).toEqual([1, -2.5, 0.333251953125]);
    for (const [name, { shape, data }] of tensors.slice(1))
      expect(read.tensors.get(name)).toEqual({ shape, data });
    // A view, so it is aligned, though a half tensor of odd length was given before it.
    expect(read.tensors.get('10')!.data.buffer).toBe(bytes.buffer);
  });

  it('is deterministic and pads the header to 8 bytes', () => {
    for (const name of ['a', 'ab', 'abc', 'abcd', 'abcde', 'abcdef', 'abcdefg', 'abcdefgh']) {
      const write = () => writeSafetensors([[name, { shape: [1], data: Float32Array.of(1) }]]);
      expect(write()).toEqual(write());
      expect(write()[0] % 8).toBe(0);
      expect(readSafetensors(write()).tensors.get(name)!.data).toEqual(Float32Array.of(1));
    }
    expect(readSafetensors(writeSafetensors([]))).toEqual({ tensors: new Map(), metadata: {} });
  });

  it('refuses a finite value that half precision lacks, by name', () => {
    const big: [string, { shape: number[]; data: Float32Array }][] = [
      ['big', { shape: [2], data: Float32Array.of(1, 65520) }],
    ];
    expect(problem(() => writeSafetensors(big, { half: true }))).toMatch(
      /tensor "big" holds 65520, past half/,
    );
    expect(readSafetensors(writeSafetensors(big)).tensors.get('big')!.data[1]).toBe(65520);
    const infinite = Float32Array.of(Infinity, 65504, 65519);
    const bytes = writeSafetensors([['w', { shape: [3], data: infinite }]], { half: true });
    expect([...readSafetensors(bytes).tensors.get('w')!.data]).toEqual([Infinity, 65504, 65504]);
  });

  it('refuses names twice, the reserved name, and data that does not fit', () => {
    const w = { shape: [1], data: Float32Array.of(1) };
    const attempt = (list: [string, typeof w][]) => () => writeSafetensors(list);
    expect(
      attempt([
        ['w', w],
        ['w', w],
      ]),
    ).toThrow(expect.objectContaining({ code: 'argument' }));
    expect(attempt([['__metadata__', w]])).toThrow(/"__metadata__" is reserved/);
    expect(attempt([['w', { ...w, shape: [2] }]])).toThrow(/of shape \[2\] can't have 1 values/);
  });
});
