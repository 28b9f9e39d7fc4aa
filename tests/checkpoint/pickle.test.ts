import { describe, expect, it } from 'vitest';
import { PanppError } from '../../src/errors.js';
import { PickleGlobal, readPickle } from '../../src/checkpoint/pickle.js';
import { bytesOf, call, dict, global, int, le, pickle, str, tuple } from './pickle-writer.js';

const globals = new Map([
  ['some.list', new PickleGlobal('some.list', (args) => ['made', ...args])],
  ['some.constant', new PickleGlobal('some.constant')],
]);
const host = {
  fileName: 'x.pth',
  globals,
  persistentLoad: (id: unknown) => ({ id }),
  maxSteps: 1_000_000,
};

function read(...pieces: string[]): unknown {
  return readPickle(bytesOf(...pieces), host).value;
}

function problem(...pieces: string[]): string {
  try {
    read(...pieces);
  } catch (error) {
    expect(error).toBeInstanceOf(PanppError);
    const { code, message } = error as PanppError;
    expect(code).toBe('checkpoint');
    expect(message).toMatch(/^x\.pth: /);
    expect(message).not.toContain('\n');
    return message;
  }
  throw new Error('nothing was thrown');
}

describe('readPickle', () => {
  it('reads plain values', () => {
    const cases: [string, unknown][] = [
      ['N.', null],
      ['\x80\x02\x88.', true],
      ['\x89.', false],
      ['I01\n.', true],
      ['I00\n.', false],
      ['K\xff.', 255],
      ['M\xff\xff.', 65535],
      ['J\xff\xff\xff\xff.', -1],
      ['I-12\n.', -12],
      ['L123456789012345678901L\n.', 123456789012345678901n],
      ['\x8a\x00.', 0],
      ['\x8a\x01\x80.', -128],
      ['\x8a\x02\xff\x00.', 255],
      ['\x8a\x07\xff\xff\xff\xff\xff\xff\x1f.', Number.MAX_SAFE_INTEGER],
      ['\x8a\x07\x00\x00\x00\x00\x00\x00\x20.', 2n ** 53n],
      ['\x8b\x02\x00\x00\x00\x00\x80.', -32768],
      ['G\x3f\xf8\x00\x00\x00\x00\x00\x00.', 1.5],
      ['G\x7f\xf0\x00\x00\x00\x00\x00\x00.', Infinity],
      ['X\x02\x00\x00\x00\xc3\xa9.', 'é'],
      ['X\x03\x00\x00\x00\xef\xbb\xbf.', '\ufeff'],
      ['\x8c\x04\xf0\x9f\x98\x80.', '😀'],
      ['\x8d\x01\x00\x00\x00\x00\x00\x00\x00a.', 'a'],
      ['U\x01a.', 'a'],
      ['T\x01\x00\x00\x00a.', 'a'],
      ['C\x02\xff\x00.', Uint8Array.of(255, 0)],
      ['B\x01\x00\x00\x00\xff.', Uint8Array.of(255)],
      ['\x8e\x01\x00\x00\x00\x00\x00\x00\x00\xff.', Uint8Array.of(255)],
      ['\x96\x01\x00\x00\x00\x00\x00\x00\x00\xff.', Uint8Array.of(255)],
    ];
    for (const [bytes, value] of cases) expect(read(bytes), JSON.stringify(bytes)).toEqual(value);
  });

  it('reads containers', () => {
    const cases: [string, unknown][] = [
      [').', []],
      ['K\x01\x85.', [1]],
      ['K\x01K\x02\x86.', [1, 2]],
      ['K\x01K\x02K\x03\x87.', [1, 2, 3]],
      ['(K\x01K\x02t.', [1, 2]],
      ['(K\x01l.', [1]],
      [']K\x01a(K\x02K\x03e.', [1, 2, 3]],
      [
        '}K\x01K\x02s(K\x03K\x04K\x05K\x06u.',
        new Map([
          [1, 2],
          [3, 4],
          [5, 6],
        ]),
      ],
      ['\x8f(K\x01K\x02\x90.', new Set([1, 2])],
      ['(K\x01K\x01\x91.', new Set([1])],
      ['\x80\x04\x95\x03\x00\x00\x00\x00\x00\x00\x00K\x07.', 7],
    ];
    for (const [bytes, value] of cases) expect(read(bytes), JSON.stringify(bytes)).toEqual(value);
  });

  it('keeps what is memoized the same object, even inside itself', () => {
    const [a, b] = read(']q\x05h\x05\x86.') as unknown[];
    expect(a).toBe(b);
    const [c, d] = read(']\x94]\x94h\x00\x86.') as unknown[];
    expect([c, d]).toEqual([[], []]);
    expect(c).not.toBe(d);
    const [e, f] = read(']r\x00\x01\x00\x00j\x00\x01\x00\x00\x86.') as unknown[];
    expect(e).toBe(f);
    const cycle = read(']q\x00h\x00a.') as unknown[];
    expect(cycle[0]).toBe(cycle);
  });

  it('pops values and marks', () => {
    expect(read('K\x01K\x020.')).toBe(1);
    expect(read('K\x01(0.')).toBe(1);
    expect(read('K\x01(K\x02K\x031.')).toBe(1);
    expect(read('K\x012\x86.')).toEqual([1, 1]);
  });

  it('makes what the host knows, in every way of calling', () => {
    expect(read(call('some.list', int(1), int(2)), '.')).toEqual(['made', 1, 2]);
    expect(read(global('some.list'), tuple(int(1)), '\x81.')).toEqual(['made', 1]);
    expect(read(global('some.list'), tuple(int(1)), '}\x92.')).toEqual(['made', 1]);
    expect(read(str('some'), str('constant'), '\x93.')).toBe(globals.get('some.constant'));
    expect(read('}', dict({ _metadata: int(1) }), 'b.')).toEqual(new Map());
    expect(read(int(3), 'Q.')).toEqual({ id: 3 });
  });

  it('says where it ended', () => {
    const bytes = bytesOf(pickle(int(1)), pickle(int(2)));
    const first = readPickle(bytes, host);
    expect(first).toEqual({ value: 1, end: 5 });
    expect(readPickle(bytes, host, first.end)).toEqual({ value: 2, end: 10 });
  });

  it('refuses other globals by name, whichever opcode names them', () => {
    const refused = /refers to os\.system, which no model's weights need; nothing was executed/;
    expect(problem('cos\nsystem\n(X\x02\x00\x00\x00lstR.')).toMatch(refused);
    expect(problem(str('os'), str('system'), '\x93.')).toMatch(refused);
    expect(problem('c__builtin__\neval\n.')).toMatch(/refers to builtins\.eval/);
    expect(problem('cos\nsys"\ttem\n.')).toMatch(/refers to os\.sys\\"\\ttem/);
    expect(problem('c', 'a'.repeat(10_000), '\nb\n.').length).toBeLessThan(400);
    expect(problem("(S'ls'\nios\nsystem\n.")).toMatch(/unknown opcode 0x53/); // protocol 0, which torch.save can't use
  });

  it('refuses damaged programs', () => {
    const cases: [string, RegExp][] = [
      ['', /ends inside a value/],
      ['\x80', /ends inside a value/],
      ['K\x01', /ends inside a value/],
      ['X\xff\xff\xff\xffab', /ends inside a value/],
      ['\x8d\xff\xff\xff\xff\xff\xff\xff\xff', /ends inside a value/],
      ['\x96\x00\x00\x00\x00\x00\x00\x00\x80', /ends inside a value/],
      ['\x8b\xff\xff\xff\x7f', /integer of 2147483647 bytes/],
      ['\x8b\xff\xff\xff\xff', /integer of 4294967295 bytes/],
      ['cos', /ends inside a line/],
      ['I1x\n.', /"1x" for an integer/],
      [`L${'9'.repeat(2000)}L\n.`, /for an integer/],
      ['X\x01\x00\x00\x00\xff.', /not UTF-8/],
      ['.', /empty stack/],
      ['0.', /empty stack/],
      ['\x85.', /empty stack/],
      ['K\x01(\x85.', /empty stack/],
      ['q\x00.', /empty stack/],
      ['K\x01t.', /closes a group/],
      ['1.', /closes a group/],
      ['h\x07.', /recalls the value 7/],
      ['j\xff\xff\xff\xff.', /recalls the value 4294967295/],
      ['K\x01K\x02a.', /not a list/],
      ['K\x01K\x02K\x03s.', /not a dict/],
      ['](K\x01K\x02u.', /not a dict/],
      ['}(K\x01u.', /without a value/],
      ['K\x01(K\x02\x90.', /not a set/],
      ['K\x01)R.', /is not callable/],
      [`${global('some.constant')})R.`, /is not callable/],
      [`${global('some.list')}K\x01R.`, /is not callable/],
      ['K\x01K\x02\x93.', /something other than text/],
      ['\x82\x01.', /unknown opcode 0x82/],
      ['\x97.', /unknown opcode 0x97/],
    ];
    for (const [bytes, message] of cases)
      expect(problem(bytes), JSON.stringify(bytes)).toMatch(message);
  });

  it('bounds the work of hostile programs', () => {
    const many = 1_000_001;
    const bombs = [
      'N'.repeat(many),
      '('.repeat(many),
      ')\x94'.repeat(many),
      '}0'.repeat(many),
      ']'.repeat(many),
      // One long list, copied over and over by calls.
      `](${'N'.repeat(100_000)}eq\x00${`${global('some.list')}h\x00\x85R0`.repeat(10_000)}`,
    ];
    for (const bomb of bombs)
      expect(problem(bomb, '.')).toMatch(/longer than any checkpoint needs/);
  });

  it('reads deep nesting without recursion', () => {
    const depth = 300_000;
    let value = read(']'.repeat(depth), 'a'.repeat(depth - 1), '.');
    for (let i = 1; i < depth; i += 1) [value] = value as unknown[];
    expect(value).toEqual([]);
    expect(read('N', '\x85'.repeat(depth), '.')).toHaveLength(1);
  });

  it('takes sparse memo indices', () => {
    expect(read(int(5), `r${le(2 ** 32 - 1, 4)}0j${le(2 ** 32 - 1, 4)}.`)).toBe(5);
  });
});
