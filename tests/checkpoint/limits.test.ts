// Checkpoints that are built to fill the memory or to take long: refused before they do.
import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { PanppError } from '../../src/errors.js';
import { type CheckpointOptions, readCheckpoint } from '../../src/checkpoint/pytorch.js';
import {
  bytesOf,
  dict,
  FALSE,
  global,
  int,
  legacyCheckpoint,
  NO_HOOKS,
  pickle,
  sizes,
  storage,
  tensor,
  tuple,
  zipCheckpoint,
} from './pickle-writer.js';

const mostMilliseconds = 5000;
/** Far less than each file asks for; what is collected as garbage counts too. */
const mostBytes = 2 ** 27;

/** The message of the refusal, which takes little time and memory. */
function refusal(bytes: Uint8Array, options?: CheckpointOptions): string {
  const start = performance.now();
  const peak = process.resourceUsage().maxRSS;
  let problem: unknown;
  try {
    readCheckpoint(bytes, 'x.pth', options);
  } catch (error) {
    problem = error;
  }
  expect(performance.now() - start).toBeLessThan(mostMilliseconds);
  expect((process.resourceUsage().maxRSS - peak) * 1024).toBeLessThan(mostBytes);
  expect(problem).toBeInstanceOf(PanppError);
  expect(problem).toMatchObject({
    code: 'checkpoint',
    message: expect.stringMatching(/^x\.pth: /),
  });
  return (problem as PanppError).message;
}

const floats = (length: number, key = '0') => storage('torch.FloatStorage', key, length);
const minus = `J${'\xff'.repeat(4)}`;

function withSize(archive: Uint8Array, entry: string, size: number): Uint8Array {
  const text = Buffer.from(archive).toString('latin1');
  const view = new DataView(archive.buffer);
  view.setUint32(text.lastIndexOf(entry) - 46 + 24, size, true);
  return archive;
}

describe('zip checkpoints', () => {
  const zeros = (length: number) => ({ 'm/data/0': new Uint8Array(length) });
  const model = (length: number) =>
    bytesOf(pickle(dict({ w: tensor(floats(length), 0, [length], [1]) })));

  it('of a few kilobytes that hold megabytes, or say that they hold gigabytes', () => {
    const bomb = zipSync({ 'm/data.pkl': model(2 ** 20), ...zeros(2 ** 22) }, { level: 9 });
    expect(bomb.length).toBeLessThan(8192);
    expect(refusal(bomb)).toMatch(/zip entries are larger than its size allows/);
    const claims = withSize(bomb, 'm/data/0', 0xfffffff0);
    expect(refusal(claims)).toMatch(/zip entries are larger than its size allows/);
    expect(refusal(claims, { maxBytes: Infinity })).toMatch(
      /can't be read \(claims 4294967280 bytes, and \d+ packed ones can't hold these\)/,
    );
  });

  it('are read with another limit', () => {
    const packed = zipSync({ 'm/data.pkl': model(2 ** 20), ...zeros(2 ** 22) }, { level: 9 });
    expect(readCheckpoint(packed, 'x', { maxBytes: 2 ** 23 }).get('w')!.data).toHaveLength(2 ** 20);
    expect(refusal(packed, { maxBytes: 2 ** 21 })).toMatch(/larger than its size allows/);
    const plain = zipCheckpoint(dict({ w: tensor(floats(2), 0, [2], [1]) }), {
      'data/0': new Uint8Array(8),
    });
    expect(readCheckpoint(plain, 'x').size).toBe(1);
    expect(refusal(plain, { maxPickleSteps: 10 })).toMatch(/raise maxPickleSteps/);
    for (const odd of [{ maxBytes: NaN }, { maxBytes: -1 }, { maxPickleSteps: 0 }])
      expect(() => readCheckpoint(plain, 'x', odd)).toThrow(
        expect.objectContaining({ code: 'argument' }),
      );
  });

  it('whose entry goes on for megabytes after the size that it gives', () => {
    // 32 MiB of zeros, packed in 32 kB; it claims a size that such a file may have.
    const packed = zipSync({ 'm/data.pkl': model(4), ...zeros(2 ** 25) }, { level: 9 });
    expect(refusal(withSize(packed, 'm/data/0', 16))).toMatch(/holds more than its 16 bytes/);
  });
});

describe('tensors', () => {
  const file = (value: string) => zipCheckpoint(value, { 'data/0': new Uint8Array(64) });
  const one = (shape: number[], stride: number[], from = floats(16)) =>
    file(dict({ w: tensor(from, 0, shape, stride) }));

  it('whose sizes multiply to more than a number holds', () => {
    const huge = Array.from({ length: 64 }, () => 2 ** 31 - 1);
    expect(refusal(one(huge, huge))).toMatch(/reaches past the end of its storage/);
    expect(
      refusal(
        one(
          huge,
          huge.map(() => 0),
        ),
      ),
    ).toMatch(/far larger in memory than in the file/);
    expect(refusal(one([2 ** 31 - 1, 2 ** 31 - 1], [0, 0]), { maxBytes: Infinity })).toMatch(
      /tensor "w" has \d+ values, more than an array can hold/,
    );
    expect(refusal(one([2 ** 53 - 1, 4], [4, 1]))).toMatch(/past the end of its storage/);
    expect(refusal(one([4], [1], floats(2 ** 53 - 1)))).toMatch(/is cut short: its storage "0"/);
  });

  it('with negative strides, offsets and sizes', () => {
    const parts = (offset: string, shape: string, stride: string) =>
      file(
        dict({
          w: `${global('torch._utils._rebuild_tensor_v2')}${tuple(floats(16), offset, shape, stride, FALSE, NO_HOOKS)}R`,
        }),
      );
    for (const bytes of [
      parts(int(15), sizes(4), tuple(minus)),
      parts(minus, sizes(4), sizes(1)),
      parts(int(0), tuple(minus), sizes(1)),
    ])
      expect(refusal(bytes)).toMatch(/tensor "w" has an invalid description/);
  });

  it('that read one storage as many types', () => {
    const count = 2 ** 20;
    const types = ['uint8', 'int8', 'bool', 'int16', 'int32', 'float16', 'bfloat16'];
    const as = (type: string, bytes: number) =>
      `${global('torch._utils._rebuild_tensor_v3')}${tuple(
        storage('torch.storage.UntypedStorage', '0', count),
        int(0),
        sizes(count / bytes),
        sizes(1),
        FALSE,
        NO_HOOKS,
        global(`torch.${type}`),
      )}R`;
    const entries = types.map((type) => [
      type,
      as(type, /8|bool/.test(type) && type !== 'bfloat16' ? 1 : type.endsWith('32') ? 4 : 2),
    ]);
    const data = { 'data/0': new Uint8Array(count) };
    const bytes = zipCheckpoint(dict(Object.fromEntries(entries)), data);
    expect(readCheckpoint(bytes, 'x').size).toBe(types.length);
    expect(refusal(bytes, { maxBytes: 16 * count })).toMatch(/far larger in memory/);
  });
});

describe('pickles', () => {
  const laughs = (depth: number) =>
    // Each list holds the one before it ten times: 10^depth values, if they were ever counted.
    `]q\x00${Array.from({ length: depth }, (_, i) => `](${`h${String.fromCharCode(i)}`.repeat(10)}eq${String.fromCharCode(i + 1)}`).join('')}`;

  it('that hold themselves, or ten of ten of ten …', () => {
    const itself = '}q\x00(X\x05\0\0\0modelh\x00u';
    expect(refusal(zipCheckpoint(itself))).toMatch(/no tensors found/);
    expect(refusal(zipCheckpoint(dict({ state_dict: laughs(100) })))).toMatch(/no tensors found/);
    expect(refusal(zipCheckpoint(laughs(100)))).toMatch(/not a dict of tensors/);
  });

  it('of a megabyte that make as many objects', () => {
    for (const opcode of ['}', ']', '\x8f', ')', '(']) {
      const bomb = legacyCheckpoint(`(${opcode.repeat(1_200_000)}`, []);
      const start = performance.now();
      expect(() => readCheckpoint(bomb)).toThrow(/longer than any checkpoint needs/);
      expect(performance.now() - start).toBeLessThan(mostMilliseconds);
    }
    // The largest of them; 300 bytes for each of a million dicts.
    expect(process.resourceUsage().maxRSS * 1024).toBeLessThan(2 ** 30);
  });
});

describe('safetensors', () => {
  const file = (length: bigint, header: string) => {
    const bytes = new Uint8Array(8 + header.length);
    new DataView(bytes.buffer).setBigUint64(0, length, true);
    bytes.set(new TextEncoder().encode(header), 8);
    return bytes;
  };
  const whole = (header: object) => {
    const text = JSON.stringify(header);
    return file(BigInt(text.length), text);
  };

  it('with a header of 2^60 bytes, and of more than a file may have', () => {
    expect(refusal(file(2n ** 60n, '{}'))).toMatch(/neither a PyTorch checkpoint/);
    expect(refusal(file(2n ** 39n, '{}'))).toMatch(/header would be larger than 100 MB/);
    expect(refusal(file(99_000_000n, '{}'))).toMatch(/cut short inside its header/);
  });

  it('with tensors of 2^60 bytes, or sizes that multiply to more than a number holds', () => {
    const w = (shape: number[], end: number) =>
      whole({ w: { dtype: 'F32', shape, data_offsets: [0, end] } });
    expect(refusal(w([2 ** 50], 2 ** 52))).toMatch(
      /4503599627370496 bytes of its tensors are missing/,
    );
    expect(refusal(w([2 ** 53 - 1, 2 ** 53 - 1], 16))).toMatch(/but its data_offsets span 16/);
    expect(
      refusal(
        w(
          Array.from({ length: 64 }, () => 2 ** 53 - 1),
          16,
        ),
      ),
    ).toMatch(/needs Infinity bytes/);
    expect(refusal(w([-4], 16))).toMatch(/no valid shape/);
  });

  it('with a header nested a million deep', () => {
    const deep = `{"a":${'['.repeat(1e6)}${']'.repeat(1e6)}}`;
    expect(refusal(file(BigInt(deep.length), deep))).toMatch(
      /entry "a" is not a tensor description|not valid JSON/,
    );
  });
});
