import { readFileSync } from 'node:fs';
import { zlibSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { PanppError } from '../../src/errors.js';
import { readMatVariable } from '../../src/evaluation/formats/matlab.js';
import { bundledPath } from '../support/reference.js';
import { type MatInput, MatWriter } from './mat-writer.js';

const read = (bytes: Uint8Array, name = 'a') => readMatVariable('a.mat', bytes, name).value;
const written = (value: MatInput, littleEndian = true) =>
  new MatWriter(littleEndian).add('a', value).bytes();

describe.each([
  ['little', true],
  ['big', false],
] as const)('a %s-endian file', (_, littleEndian) => {
  it('has numbers in every width', () => {
    for (const as of ['double', 'int16', 'uint8'] as const) {
      expect(read(written({ numbers: [1, 2, 200], as }, littleEndian))).toEqual({
        kind: 'numbers',
        shape: [1, 3],
        values: [1, 2, 200],
      });
    }
    expect(read(written({ numbers: [-3], as: 'int16' }, littleEndian))).toMatchObject({
      values: [-3],
    });
    expect(read(written({ numbers: [0.25, -1e9] }, littleEndian))).toMatchObject({
      values: [0.25, -1e9],
    });
    expect(read(written({ numbers: [] }, littleEndian))).toEqual({
      kind: 'numbers',
      shape: [1, 0],
      values: [],
    });
  });

  it('has texts in every encoding', () => {
    for (const as of ['uint16', 'utf8', 'utf16', 'uint8'] as const) {
      expect(read(written({ text: 'wörd', as }, littleEndian))).toEqual({
        kind: 'text',
        text: 'wörd',
      });
      expect(read(written({ text: '', as }, littleEndian))).toEqual({ kind: 'text', text: '' });
    }
    expect(read(written({ text: '字', as: 'utf8' }, littleEndian))).toEqual({
      kind: 'text',
      text: '字',
    });
    expect(read(written({ text: '字', as: 'uint16' }, littleEndian))).toEqual({
      kind: 'text',
      text: '字',
    });
  });

  it('has cells, compressed or not, after other variables', () => {
    const table: MatInput = {
      cells: [{ text: 'x' }, 'nothing', { numbers: [7] }, { text: '' }],
      shape: [2, 2],
    };
    for (const compressed of [false, true]) {
      const bytes = new MatWriter(littleEndian)
        .add('other', { rawClass: 2 }, { compressed }) // a structure, which is not looked into
        .add('a', table, { compressed })
        .bytes();
      expect(read(bytes)).toEqual({
        kind: 'cells',
        shape: [2, 2],
        cells: [
          { kind: 'text', text: 'x' },
          { kind: 'numbers', shape: [0, 0], values: [] },
          { kind: 'numbers', shape: [1, 1], values: [7] },
          { kind: 'text', text: '' },
        ],
      });
    }
  });
});

describe('invalid files are refused, in one line with the name of the file', () => {
  const nested = (depth: number): MatInput =>
    depth === 0 ? { numbers: [1] } : { cells: [nested(depth - 1)], shape: [1, 1] };

  it.each<[string, Uint8Array, RegExp]>([
    ['no bytes', new Uint8Array(0), /not a MATLAB level 5/],
    [
      'an HDF5 file',
      new TextEncoder().encode('MATLAB 7.3 MAT-file'.padEnd(200)),
      /not a MATLAB level 5.*-v7\.3/,
    ],
    ['no such variable', new MatWriter().add('b', { numbers: [1] }).bytes(), /no variable "a"/],
    ['complex numbers', written({ rawClass: 6, flags: 0x0800 }), /complex/],
    ['a structure', written({ rawClass: 2 }), /class 2/],
    ['a text of two rows', written({ text: 'abcd', shape: [2, 2] }), /more than one row/],
    ['more numbers than there are', written({ numbers: [1, 2], shape: [1, 3] }), /3 numbers has 2/],
    ['a shorter text than it says', written({ text: 'abcd', shape: [1, 6] }), /6 characters has 4/],
    [
      'a thousand million cells',
      written({ cells: [{ text: 'x' }], shape: [1000000, 1000] }),
      /cells is too short/,
    ],
    ['cells in cells without end', written(nested(30)), /nested/],
    ['a dimension below 0', written({ numbers: [1], shape: [-1, -1] }), /dimensions/],
    [
      'data that is not a compressed stream',
      new MatWriter().addCompressed(new Uint8Array(40).fill(7)).bytes(),
      /can't be unpacked/,
    ],
    [
      'an empty stream',
      new MatWriter().addCompressed(new Uint8Array(0)).bytes(),
      /can't be unpacked/,
    ],
    [
      'a zip bomb',
      new MatWriter().addCompressed(zlibSync(new Uint8Array(2 ** 27))).bytes(),
      /more than 16 MiB/,
    ],
  ])('%s', (_, bytes, message) => {
    let error: unknown;
    try {
      read(bytes);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(PanppError);
    expect((error as PanppError).code).toBe('evaluation');
    expect((error as PanppError).message).toMatch(message);
    expect((error as PanppError).message).toMatch(/^a\.mat: [^\n]+$/);
  });
});

describe('a damaged file', () => {
  const folder = bundledPath('eval/tt_rec/case3');
  const styles: Record<string, string> = JSON.parse(
    readFileSync(`${folder}/expected.json`, 'utf8'),
  ).mat_styles;
  // The first of each way of storing them.
  const files = [
    ...new Map(
      Object.entries(styles)
        .reverse()
        .map(([image, style]) => [style, image]),
    ),
  ];
  const attempt = (bytes: Uint8Array): 'read' | 'refused' => {
    try {
      readMatVariable('a.mat', bytes, 'polygt');
      return 'read';
    } catch (error) {
      if (error instanceof PanppError && error.code === 'evaluation') return 'refused';
      throw error;
    }
  };

  it('comes in all seven styles', () => expect(files).toHaveLength(7));

  it.each(files)('%s: cut short anywhere it is refused', (_, image) => {
    const bytes = readFileSync(`${folder}/gt/poly_gt_${image}.mat`);
    expect(attempt(bytes)).toBe('read');
    // Padding at the end is not missed.
    for (let length = 0; length < bytes.length - 8; length++) {
      expect(attempt(bytes.subarray(0, length)), `${length} bytes`).toBe('refused');
    }
  });

  it.each(files)('%s: with any byte changed it is read or refused, and quickly', (_, image) => {
    const bytes = new Uint8Array(readFileSync(`${folder}/gt/poly_gt_${image}.mat`));
    const begin = performance.now();
    let refused = 0;
    for (let at = 124; at < bytes.length; at++) {
      for (const change of [0xff, 0x80, 0x01]) {
        const damaged = bytes.slice();
        damaged[at] ^= change;
        if (attempt(damaged) === 'refused') refused++;
      }
    }
    expect(refused).toBeGreaterThan(0);
    expect(performance.now() - begin).toBeLessThan(60_000);
  });
});
