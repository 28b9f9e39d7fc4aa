import { zipSync } from 'fflate';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PanppError } from '../../src/errors.js';
import { openCheckpoint, readCheckpoint } from '../../src/checkpoint/pytorch.js';
import { readSafetensors, writeSafetensors } from '../../src/checkpoint/safetensors.js';
import { shardNames } from '../../src/checkpoint/shards.js';
import type { NamedTensor } from '../../src/checkpoint/tensor.js';
import { withoutWrappers } from '../../src/checkpoint/wrappers.js';
import { referenceBytes, sharedPath } from '../support/reference.js';
import {
  bytesOf,
  call,
  dict,
  FALSE,
  global,
  int,
  legacyCheckpoint,
  NO_HOOKS,
  NONE,
  pickle,
  raw,
  sizes,
  storage,
  str,
  tensor,
  tuple,
  zipCheckpoint,
} from './pickle-writer.js';

const CASES = ['plain', 'views', 'dtypes', 'training', 'parameters'];
const GOOD = [
  ...CASES.flatMap((name) => [`${name}.zip.pth`, `${name}.legacy.pth`]),
  'protocol4.zip.pth',
  'variant-training.p2.zip.pth',
  'variant-training.p5.zip.pth',
  'variant-training.p1.legacy.pth',
  'variant-layouts.zip.pth',
  'variant-layouts.p3.legacy.pth',
];

function checkpointBytes(name: string): Uint8Array {
  return referenceBytes(`checkpoints/${name}`);
}

function expectedTensors(file: string, prefix: string): Map<string, NamedTensor> {
  const { tensors } = readSafetensors(checkpointBytes(file));
  const matching = [...tensors].filter(([name]) => name.startsWith(`${prefix}/`));
  return new Map(matching.map(([name, tensor]) => [name.slice(prefix.length + 1), tensor]));
}

/**
 * The same names in any order, shapes and bits. The reference's list writes a scalar's shape [] as
 * [1].
 */
function expectSameBits(
  actual: Map<string, NamedTensor>,
  expected: Map<string, NamedTensor>,
): void {
  expect([...actual.keys()].sort()).toEqual([...expected.keys()].sort());
  expect(actual.size).toBeGreaterThan(0);
  for (const [name, { shape, data }] of expected) {
    const tensor = actual.get(name)!;
    if (tensor.shape.length === 0)
      expect(shape.length === 0 || (shape.length === 1 && shape[0] === 1), name).toBe(true);
    else expect(tensor.shape, name).toEqual(shape);
    expect(tensor.data.constructor, name).toBe(data.constructor);
    expect(Buffer.from(raw(tensor.data)).equals(raw(data)), `the bits of ${name}`).toBe(true);
  }
}

function problem(bytes: Uint8Array, fileName = 'x.pth'): string {
  try {
    readCheckpoint(bytes, fileName);
  } catch (error) {
    if (!(error instanceof PanppError)) throw error;
    expect(error.code).toBe('checkpoint');
    expect(error.message.startsWith(`${fileName}: `)).toBe(true);
    expect(error.message).not.toMatch(/[\n\r]/);
    expect(error.message.length).toBeLessThan(500);
    return error.message;
  }
  throw new Error('nothing was thrown');
}

const FOUR = { 'data/0': raw(Float32Array.of(1, 2, 3, 4)) };
const floats = (length = 4, key = '0') => storage('torch.FloatStorage', key, length);
const weight = tensor(floats(), 0, [2, 2], [2, 1]);

describe("readCheckpoint: the reference's files", () => {
  for (const name of CASES) {
    for (const form of ['zip', 'legacy']) {
      it(`${name}.${form}.pth`, () => {
        const actual = readCheckpoint(checkpointBytes(`${name}.${form}.pth`));
        expectSameBits(actual, expectedTensors('expected.safetensors', name));
      });
    }
  }

  it('protocol4.zip.pth holds the tensors of plain', () => {
    const actual = readCheckpoint(checkpointBytes('protocol4.zip.pth'));
    expectSameBits(actual, expectedTensors('expected.safetensors', 'plain'));
  });

  it('gives a scalar the empty shape, as PyTorch has it', () => {
    const tensors = readCheckpoint(checkpointBytes('plain.zip.pth'));
    expect(tensors.get('scalar')!.shape).toEqual([]);
    expect(tensors.get('bn.num_batches_tracked')!.data).toHaveLength(1);
    expect(tensors.get('empty')).toEqual({ shape: [0, 3], data: new Float32Array(0) });
  });

  it('expected.safetensors itself', () => {
    const bytes = checkpointBytes('expected.safetensors');
    expect(readCheckpoint(bytes)).toEqual(readSafetensors(bytes).tensors);
  });

  const bad: [string, RegExp][] = [
    ['bad-empty.pth', /: the file is empty; download or copy it again$/],
    ['bad-garbage.pth', /: neither a PyTorch checkpoint \(zip or legacy\) nor a safetensors file$/],
    ['bad-html.pth', /: this is an HTML page, not a checkpoint: the download link probably failed/],
    [
      'bad-truncated.pth',
      /: cut short or damaged: its zip archive can't be read \(invalid zip data\)/,
    ],
    [
      'bad-code.pth',
      /: its pickle refers to posix\.system, which no model's weights need; nothing was executed/,
    ],
  ];
  for (const [name, message] of bad) {
    it(`${name} is refused`, () => {
      expect(problem(checkpointBytes(name), name)).toMatch(message);
      expect(existsSync('checkpoint-code-was-executed')).toBe(false);
    });
  }
});

describe('readCheckpoint: what PyTorch 1.13 saves', () => {
  for (const name of GOOD.filter((file) => file.startsWith('variant'))) {
    it(name, () => {
      expectSameBits(
        readCheckpoint(checkpointBytes(name)),
        expectedTensors('variants.expected.safetensors', name),
      );
    });
  }

  const bad: [string, RegExp][] = [
    ['variant-bad-module.pth', /refers to torch\.nn\.modules\.container\.Sequential/],
    ['variant-bad-quantized.pth', /tensor "weight" can't be read: it is quantized/],
    [
      'variant-bad-complex.legacy.pth',
      /tensor "weight" has complex64 values, which are not supported/,
    ],
    ['variant-bad-sparse.pth', /tensor "weight" can't be read: it is sparse/],
    ['variant-bad-numpy.pth', /tensor "weight" can't be read: it is a NumPy array/],
    ['variant-bad-list.pth', /not a dict of tensors/],
    ['variant-bad-script.pth', /a TorchScript archive/],
  ];
  for (const [name, message] of bad) {
    it(`${name} is refused`, () => expect(problem(checkpointBytes(name), name)).toMatch(message));
  }
});

describe('readCheckpoint: other versions of PyTorch', () => {
  it('reads types without a storage class of their own (_rebuild_tensor_v3)', () => {
    const untyped = (key: string) => storage('torch.storage.UntypedStorage', key, 4);
    const v3 = (key: string, offset: number, dtype: string) =>
      call(
        'torch._utils._rebuild_tensor_v3',
        untyped(key),
        int(offset),
        sizes(1),
        sizes(1),
        FALSE,
        NO_HOOKS,
        global(dtype),
      );
    const entries = {
      'data/0': raw(Uint16Array.of(1, 65535)),
      'data/1': raw(Uint32Array.of(2 ** 32 - 1)),
      byteorder: bytesOf('little'),
    };
    const tensors = readCheckpoint(
      zipCheckpoint(
        dict({ a: v3('0', 1, 'torch.uint16'), b: v3('1', 0, 'torch.uint32') }),
        entries,
      ),
    );
    expect(tensors.get('a')).toEqual({ shape: [1], data: BigInt64Array.of(65535n) });
    expect(tensors.get('b')).toEqual({ shape: [1], data: BigInt64Array.of(2n ** 32n - 1n) });
    const bad = (offset: number, dtype: string) =>
      problem(zipCheckpoint(dict({ a: v3('0', offset, dtype) }), entries));
    expect(bad(0, 'torch.float8_e4m3fn')).toMatch(/tensor "a" has float8_e4m3fn values/);
    expect(bad(0, 'torch.uint64')).toMatch(/tensor "a" has uint64 values/);
    expect(bad(2, 'torch.uint16')).toMatch(/tensor "a" reaches past the end/);
    expect(bad(0, 'torch.FloatStorage')).toMatch(/tensor "a" has an unknown data type/);
  });

  it('swaps the bytes of a big-endian file', () => {
    const bigEndian = (size: number, set: (view: DataView) => void) => {
      const view = new DataView(new ArrayBuffer(size));
      set(view);
      return raw(view);
    };
    const entries = {
      byteorder: bytesOf('big'),
      'data/0': bigEndian(8, (v) => (v.setFloat32(0, 1.5), v.setFloat32(4, -2))),
      'data/1': bigEndian(8, (v) => v.setBigInt64(0, -7n)),
      'data/2': bigEndian(2, (v) => v.setUint16(0, 0x3c00)),
      'data/3': Uint8Array.of(1),
    };
    const scalar = (type: string, key: string) =>
      tensor(storage(`torch.${type}Storage`, key, 1), 0, [], []);
    const saved = dict({
      f: tensor(floats(2), 0, [2], [1]),
      l: scalar('Long', '1'),
      h: scalar('Half', '2'),
      b: scalar('Bool', '3'),
    });
    const tensors = readCheckpoint(zipCheckpoint(saved, entries));
    expect([...tensors.values()].map(({ data }) => [...data])).toEqual([
      [1.5, -2],
      [-7n],
      [1],
      [1n],
    ]);
  });

  it('reads tensor subclasses, parameters with attributes, and the first _rebuild_tensor', () => {
    const parts = [floats(), int(1), sizes(3), sizes(1)];
    const old = call('torch._utils._rebuild_tensor', ...parts);
    const saved = dict({
      old,
      parameter: call('torch.nn.parameter.Parameter', old, '\x88'),
      attributes: call(
        'torch._utils._rebuild_parameter_with_state',
        old,
        FALSE,
        NO_HOOKS,
        dict({ tag: int(1) }),
      ),
      subclass: call(
        'torch._tensor._rebuild_from_type_v2',
        global('torch._utils._rebuild_tensor_v2'),
        global('torch.nn.parameter.Parameter'),
        tuple(...parts, FALSE, NO_HOOKS),
        '}',
      ),
    });
    const tensors = readCheckpoint(zipCheckpoint(saved, FOUR));
    expect([...tensors.keys()]).toEqual(['old', 'parameter', 'attributes', 'subclass']);
    for (const { data } of tensors.values()) expect([...data]).toEqual([2, 3, 4]);
  });

  it('refuses lazily negated and meta tensors by name', () => {
    const negated = tensor(floats(), 0, [4], [1], dict({ neg: '\x88' }));
    expect(problem(zipCheckpoint(dict({ w: negated }), FOUR))).toMatch(
      /tensor "w" can't be read: it is a lazily negated/,
    );
    const meta = call(
      'torch._utils._rebuild_meta_tensor_no_storage',
      global('torch.float32'),
      sizes(2),
      sizes(1),
      FALSE,
    );
    expect(problem(zipCheckpoint(dict({ w: meta })))).toMatch(
      /tensor "w" can't be read: it is a meta tensor/,
    );
  });

  it("reads Python 2's OrderedDict of pairs and the storage views of before 0.4", () => {
    const view = storage('torch.FloatStorage', '5', 4, tuple(str('6'), int(1), int(3)));
    const pairs = call('collections.OrderedDict', `](](${str('w')}${tensor(view, 1, [2], [1])}ee`);
    const tensors = readCheckpoint(legacyCheckpoint(pairs, [['5', 4, FOUR['data/0']]]));
    expect(tensors).toEqual(new Map([['w', { shape: [2], data: Float32Array.of(3, 4) }]]));
    const shorter = storage('torch.FloatStorage', '5', 4, tuple(str('6'), int(1), int(2)));
    const past = legacyCheckpoint(dict({ w: tensor(shorter, 1, [2], [1]) }), [
      ['5', 4, FOUR['data/0']],
    ]);
    expect(problem(past)).toMatch(/"w" reaches past the end/);
  });

  it('reads an archive that was packed again with compression', () => {
    const values = new Float32Array(1000).map((_, i) => i % 10);
    const files = {
      'm/data.pkl': bytesOf(pickle(dict({ w: tensor(floats(1000), 0, [1000], [1]) }))),
      'm/data/0': raw(values),
    };
    expect(readCheckpoint(zipSync(files, { level: 9 })).get('w')!.data).toEqual(values);
  });
});

describe('readCheckpoint: where the tensors are', () => {
  const tensors = dict({ w: weight });
  const other = dict({ other: weight, more: weight });

  it('under state_dict first, then under the other usual names, else at the top', () => {
    const names = (saved: string) => [...readCheckpoint(zipCheckpoint(saved, FOUR)).keys()];
    expect(names(dict({ model: other, state_dict: tensors, optimizer: other }))).toEqual(['w']);
    expect(names(dict({ epoch: int(1), model_state_dict: tensors }))).toEqual(['w']);
    expect(names(dict({ model: dict({ state_dict: tensors }) }))).toEqual(['w']);
    expect(names(dict({ net: tensors }))).toEqual(['w']);
    expect(names(dict({ w: weight, epoch: int(3), nothing: NONE }))).toEqual(['w']);
  });

  it('lists what it found if there are none', () => {
    const message = (saved: string) => problem(zipCheckpoint(saved, FOUR));
    expect(message(dict({ epoch: int(1), encoder: tensors }))).toMatch(
      /no tensors found under "epoch", "encoder"; save/,
    );
    expect(message('}')).toMatch(/no tensors found; save/);
    expect(message(dict({ state_dict: '}' }))).toMatch(/no tensors found/);
    expect(message(`}${int(1)}${weight}s`)).toMatch(/no tensors found/);
    expect(message(weight)).toMatch(/not a dict of tensors/);
    expect(message(NONE)).toMatch(/not a dict of tensors/);
  });

  it('ends on a dict that holds itself', () => {
    expect(problem(zipCheckpoint(`}q\x00${str('state_dict')}h\x00s`))).toMatch(/no tensors found/);
  });

  it('keeps names as saved', () => {
    const saved = readCheckpoint(checkpointBytes('training.zip.pth'));
    expect([...saved.keys()].every((name) => name.startsWith('module.'))).toBe(true);
  });
});

describe('readCheckpoint: entries besides the weights', () => {
  const FOUND = [
    'found-training.p2.zip.pth',
    'found-training.p4.zip.pth',
    'found-training.p2.legacy.pth',
  ];
  it.each(FOUND)('%s: objects of all kinds are left alone', (name) => {
    const bytes = checkpointBytes(name);
    const { tensors, emaKey } = openCheckpoint(bytes, name);
    expectSameBits(tensors, expectedTensors('found.expected.safetensors', `${name}/state_dict`));
    expect(emaKey).toBe('ema');
    expect([...withoutWrappers(tensors).keys()]).toContain('conv.weight');
  });

  it.each(FOUND)('%s: the moving average, with the running statistics that it lacks', (name) => {
    const average = readCheckpoint(checkpointBytes(name), name, { ema: true });
    const expected = expectedTensors('found.expected.safetensors', `${name}/ema`);
    const own = expectedTensors('found.expected.safetensors', `${name}/state_dict`);
    for (const [key, tensor] of own) if (/running|batches/.test(key)) expected.set(key, tensor);
    expectSameBits(average, expected);
    expect(
      [...withoutWrappers(average).keys()].filter((key) => key !== 'n_averaged').sort(),
    ).toEqual([...withoutWrappers(own).keys()].sort());
  });

  const saved = (beside: string) =>
    zipCheckpoint(`}(${str('state_dict')}${dict({ w: weight })}${str('x')}${beside}u`, FOUR);
  const object = (name: string) => `${global(name)})\x81`;
  it.each([
    [
      'OmegaConf',
      `${object('omegaconf.dictconfig.DictConfig')}${dict({ _content: dict({ a: object('omegaconf.nodes.AnyNode') }) })}b`,
    ],
    ['a dict of its own class', `${object('addict.addict.Dict')}(${str('k')}${int(1)}u`],
    ['a list of its own class', `${object('mmengine.utils.List')}(${int(1)}${int(2)}e${int(3)}a`],
    ['a set of its own class', `${object('some.Set')}(${int(1)}\x90`],
    [
      'what a call of a call makes',
      `${call('functools.partial', global('torch.optim.sgd.SGD'))}${tuple(int(1))}R`,
    ],
    ['a method', call('builtins.getattr', object('some.History'), str('mean'))],
    ['keywords', `${global('pathlib.Path')})}\x92`],
  ])('%s', (_, beside) => {
    expect([...readCheckpoint(saved(beside)).keys()]).toEqual(['w']);
  });

  it('reads a state dict within dicts of other classes', () => {
    const inner = `${object('easydict.EasyDict')}(${str('w')}${weight}u`;
    expect([
      ...readCheckpoint(
        zipCheckpoint(`${object('addict.Dict')}(${str('state_dict')}${inner}u`, FOUR),
      ).keys(),
    ]).toEqual(['w']);
    expect([
      ...readCheckpoint(
        zipCheckpoint(
          `${call('collections.defaultdict', global('builtins.list'))}(${str('w')}${weight}u`,
          FOUR,
        ),
      ).keys(),
    ]).toEqual(['w']);
  });

  it.each([
    'posix.system',
    'os.system',
    'subprocess.Popen',
    'builtins.eval',
    'builtins.exec',
    'builtins.__import__',
    'runpy._run_code',
  ])('but %s is refused wherever it is', (name) => {
    expect(problem(saved(call(name, str('ls'))))).toContain(
      `refers to ${name}, which no model's weights need; nothing was executed`,
    );
  });

  it('names the class where a whole model was saved', () => {
    expect(problem(zipCheckpoint(dict({ model: object('models.pan.PAN') })))).toMatch(
      /refers to models\.pan\.PAN, .*save model\.state_dict\(\) alone/,
    );
    expect(problem(zipCheckpoint(object('models.pan.PAN')))).toMatch(/refers to models\.pan\.PAN/);
    const legacy = `${tuple(str('module'), global('models.pan.PAN'), str('pan.py'), str('…'))}Q)\x81`;
    expect(problem(legacyCheckpoint(legacy, []))).toMatch(/refers to models\.pan\.PAN/);
  });

  it('finds moving averages by their common names, and reports if there is none', () => {
    const w = (value: number) => dict({ w: tensor(floats(), value, [1], [1]) });
    const ema = (root: string) => {
      const bytes = zipCheckpoint(root, FOUR);
      return [
        openCheckpoint(bytes, 'x.pth').emaKey,
        readCheckpoint(bytes, 'x.pth', { ema: true }).get('w')!.data[0],
      ];
    };
    expect(ema(dict({ state_dict: w(0), ema_state_dict: w(3) }))).toEqual(['ema_state_dict', 4]);
    expect(ema(dict({ state_dict: w(0), state_dict_ema: w(3) }))).toEqual(['state_dict_ema', 4]);
    expect(ema(dict({ model: w(0), ema: dict({ module: w(3), updates: int(1) }) }))).toEqual([
      'ema',
      4,
    ]);
    expect(ema(dict({ model: dict({ state_dict: w(0), model_ema: w(3) }) }))).toEqual([
      'model_ema',
      4,
    ]);
    const none = zipCheckpoint(dict({ state_dict: w(0), ema: NONE }), FOUR);
    expect(() => readCheckpoint(none, 'x.pth', { ema: true })).toThrow(
      /^x\.pth: holds no moving average of its weights/,
    );
  });
});

describe('withoutWrappers', () => {
  const tensors = (...names: string[]) =>
    new Map(names.map((name, i) => [name, { shape: [1], data: Float32Array.of(i) }]));
  it.each([
    'module.',
    '_orig_mod.',
    'model.',
    'net.',
    'module.module.',
    'module._orig_mod.',
    '_orig_mod.module.model.',
    'model.net._orig_mod.',
    '',
  ])('takes %j off', (prefix) => {
    expect([
      ...withoutWrappers(
        tensors(`${prefix}backbone.conv1.weight`, `${prefix}det_head.bn1.bias`),
      ).keys(),
    ]).toEqual(['backbone.conv1.weight', 'det_head.bn1.bias']);
  });

  it('takes wrappers of parts off, and from some names only', () => {
    const mixed = tensors(
      'backbone._orig_mod.conv1.weight',
      'module.fpem1.module.dwconv3_1.weight',
      'det_head.conv2.bias',
      'model',
    );
    expect([...withoutWrappers(mixed).keys()]).toEqual([
      'backbone.conv1.weight',
      'fpem1.dwconv3_1.weight',
      'det_head.conv2.bias',
      'model',
    ]);
  });

  it('refuses two tensors of one name', () => {
    expect(() => withoutWrappers(tensors('module.w', 'w'), 'x.pth')).toThrow(
      'x.pth: "module.w" and "w" both become "w" of the model; save one model\'s state_dict() alone',
    );
  });
});

describe('an index of several files', () => {
  const file = (...names: string[]) =>
    writeSafetensors(
      names.map((name) => [name, { shape: [1], data: Float32Array.of(names.length) }]),
    );
  const index = (map: Record<string, string>) =>
    new TextEncoder().encode(JSON.stringify({ metadata: { total_size: 8 }, weight_map: map }));
  const map = { a: 'model-1.safetensors', b: 'model-2.safetensors', c: 'model-2.safetensors' };
  const read = (bytes: Uint8Array, shards: Record<string, Uint8Array>) =>
    readCheckpoint(bytes, 'model.safetensors.index.json', {
      shards: new Map(Object.entries(shards)),
    });

  it('gives all tensors', () => {
    expect(shardNames(index(map), 'i')).toEqual(['model-1.safetensors', 'model-2.safetensors']);
    const tensors = read(index(map), {
      'model-1.safetensors': file('a'),
      'model-2.safetensors': file('b', 'c'),
    });
    expect([...tensors].map(([name, { data }]) => [name, Number(data[0])])).toEqual([
      ['a', 1],
      ['b', 2],
      ['c', 2],
    ]);
    const pytorch = read(index({ w: 'pytorch_model-1.bin' }), {
      'pytorch_model-1.bin': zipCheckpoint(dict({ w: weight }), FOUR),
    });
    expect([...pytorch.get('w')!.data]).toEqual([1, 2, 3, 4]);
  });

  it('names what is missing, not listed or elsewhere', () => {
    const fails = (bytes: Uint8Array, shards: Record<string, Uint8Array>, message: RegExp) =>
      expect(() => read(bytes, shards)).toThrow(
        expect.objectContaining({ code: 'checkpoint', message: expect.stringMatching(message) }),
      );
    fails(
      index(map),
      { 'model-1.safetensors': file('a') },
      /^model\.safetensors\.index\.json: "model-2\.safetensors", which it refers to, is missing/,
    );
    fails(
      index(map),
      { 'model-1.safetensors': file('a', 'x'), 'model-2.safetensors': file('b', 'c') },
      /tensor "x" of "model-1\.safetensors" is not listed/,
    );
    fails(
      index(map),
      { 'model-1.safetensors': file('a'), 'model-2.safetensors': file('b') },
      /tensor "c" is not in "model-2\.safetensors"/,
    );
    fails(
      index({ a: '../secret' }),
      {},
      /refers to "\.\.\/secret", which is not the name of a file beside it/,
    );
    fails(new TextEncoder().encode('{"weight_map":{}}'), {}, /neither a PyTorch checkpoint/);
  });
});

describe('readCheckpoint: damaged and hostile files', () => {
  // Variants have most of their bytes in common.
  const stepOf = (name: string) => (name.startsWith('variant') ? 7 : 1);
  for (const name of GOOD) {
    const where = stepOf(name) === 1 ? 'any byte' : `every ${stepOf(name)}th byte`;
    it(`${name} cut at ${where} is refused`, () => {
      const good = checkpointBytes(name);
      for (let length = 0; length < good.length; length += stepOf(name))
        problem(good.subarray(0, length));
    });

    it(`${name} with ${where} wrong, one at a time, is read or refused`, () => {
      const bad = new Uint8Array(checkpointBytes(name));
      let refused = 0;
      for (let at = 0; at < bad.length; at += stepOf(name)) {
        for (const mask of [1 << (at % 8), 0xff]) {
          bad[at] ^= mask;
          try {
            expect(readCheckpoint(bad)).toBeInstanceOf(Map);
          } catch (error) {
            if (!(error instanceof PanppError)) throw error;
            refused += 1;
          }
          bad[at] ^= mask;
        }
      }
      expect(refused).toBeGreaterThan(0);
    });
  }

  it('names the tensor whose values are missing or short', () => {
    const saved = dict({ 'a.weight': weight });
    expect(problem(zipCheckpoint(saved))).toMatch(
      /tensor "a\.weight" has no values: the file lacks its storage "0"/,
    );
    const short = { 'data/0': FOUR['data/0'].subarray(0, 15) };
    expect(problem(zipCheckpoint(saved, short))).toMatch(
      /tensor "a\.weight" is cut short: its storage "0" has 15 of 16 bytes/,
    );
  });

  it('refuses malformed tensors and storages', () => {
    const cases: [string, RegExp][] = [
      [tensor(floats(), 1, [2, 2], [2, 1]), /reaches past the end of its storage/],
      [tensor(floats(), 0, [2, 2], [3, 1]), /reaches past the end/],
      [tensor(floats(), 2 ** 52, [1], [1]), /reaches past the end/],
      [tensor(floats(), 0, [2 ** 52, 2 ** 52], [2 ** 52, 1]), /reaches past the end/],
      [tensor(floats(2 ** 50), 0, [1], [1]), /is cut short/],
      [tensor(floats(), 0, [2, 2], [1]), /an invalid description/],
      [tensor(floats(), 0, Array(65).fill(1), Array(65).fill(1)), /an invalid description/],
      [tensor(NONE, 0, [1], [1]), /an invalid description/],
      [
        call('torch._utils._rebuild_tensor_v2', floats(), 'J\xff\xff\xff\xff', sizes(1), sizes(1)),
        /an invalid description/,
      ],
      [
        call(
          'torch._utils._rebuild_tensor_v2',
          floats(),
          int(0),
          tuple('J\xff\xff\xff\xff'),
          sizes(1),
        ),
        /an invalid description/,
      ],
      [
        call('torch._utils._rebuild_tensor_v2', floats(), int(0), tuple(str('1')), sizes(1)),
        /an invalid description/,
      ],
      [call('torch._utils._rebuild_tensor_v2'), /an invalid description/],
      [tensor(storage('torch.float32', '0', 4), 0, [1], [1]), /malformed storage/],
      [tensor(storage('torch.FloatStorage', '', 4), 0, [1], [1]), /malformed storage/],
      [tensor(`${tuple(str('module'))}Q`, 0, [1], [1]), /malformed storage/],
      [tensor(`${int(1)}Q`, 0, [1], [1]), /malformed storage/],
      [
        tensor(storage('torch.FloatStorage', '0', 4, tuple(str('1'), int(3), int(2))), 0, [1], [1]),
        /malformed storage view/,
      ],
    ];
    for (const [value, message] of cases) {
      expect(problem(zipCheckpoint(dict({ w: value }), FOUR))).toMatch(message);
    }
  });

  it('expands views, but not past what a file of their size can mean', () => {
    const expanded = (length: number) =>
      zipCheckpoint(dict({ w: tensor(floats(), 1, [length], [0]) }), FOUR);
    expect([...readCheckpoint(expanded(3)).get('w')!.data]).toEqual([2, 2, 2]);
    expect(problem(expanded(2 ** 40))).toMatch(/"w" is far larger in memory than in the file/);
    const half = tensor(floats(), 0, [2 ** 19], [0]);
    const many = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`w${i}`, half]));
    expect(problem(zipCheckpoint(dict(many), FOUR))).toMatch(/"w4" is far larger in memory/);
  });

  it('does not follow a subclass that is made of itself', () => {
    const make = `${global('torch._tensor._rebuild_from_type_v2')}q\x05`;
    const args = `]q\x06(${make}Nh\x06e0`; // [make, None, the list itself]
    expect(problem(zipCheckpoint(`${args}${dict({ w: 'h\x05h\x06R' })}`))).toMatch(
      /no tensors found under "w"/,
    );
  });

  it('refuses zip archives that are not checkpoints or are crafted', () => {
    const stored = (files: Record<string, Uint8Array>) => zipSync(files, { level: 0 });
    const data = bytesOf(pickle(dict({ w: weight })));
    expect(problem(stored({ 'word/document.xml': data }))).toMatch(
      /a zip archive with no data\.pkl/,
    );
    expect(problem(stored({}))).toMatch(/neither a PyTorch checkpoint/);
    expect(problem(stored({ 'a/data.pkl': data, 'b/data.pkl': data }))).toMatch(
      /more than one data\.pkl/,
    );

    // The same name twice: the second entry's name is patched over the first one's.
    const twice = zipCheckpoint(dict({ w: weight }), { ...FOUR, 'data/1': FOUR['data/0'] });
    const text = Buffer.from(twice)
      .toString('latin1')
      .replaceAll('archive/data/1', 'archive/data/0');
    expect(problem(bytesOf(text))).toMatch(/zip directory has "archive\/data\/0" twice/);

    // A bomb: a megabyte of zeros takes a kilobyte.
    const zeros = new Float32Array(2 ** 20);
    const bomb = {
      'm/data.pkl': bytesOf(pickle(dict({ w: tensor(floats(2 ** 20), 0, [2 ** 20], [1]) }))),
      'm/data/0': raw(zeros),
    };
    expect(problem(zipSync(bomb, { level: 9 }))).toMatch(/larger than its size allows/);

    // Directory entries without end: the zip64 record claims four billion of them.
    const endless = new Uint8Array(200);
    endless.set(bytesOf('PK\x03\x04'));
    endless.set(bytesOf(`PK\x06\x06${'\xff'.repeat(52)}`), 40);
    endless.set(bytesOf(`PK\x06\x07\0\0\0\0\x28${'\0'.repeat(11)}`), 158);
    endless.set(bytesOf(`PK\x05\x06${'\x01\0'.repeat(4)}${'\0'.repeat(10)}`), 178);
    expect(problem(endless)).toMatch(/zip archive can't be read \(invalid zip data\)/);
  });

  it('distinguishes the kinds of wrong files', () => {
    const cases: [string, RegExp][] = [
      ['\n\n  <HTML><body>Quota exceeded', /this is an HTML page/],
      ['\xef\xbb\xbf<!DOCTYPE html>', /this is an HTML page/],
      ['<?xml version="1.0"?><Error><Code>AccessDenied', /this is an HTML page/],
      ['version https://git-lfs.github.com/spec/v1\noid sha256:00', /this is a Git LFS pointer/],
      [`${'model'.padEnd(257, '\0')}ustar\x0000${'\0'.repeat(300)}`, /this is a tar archive/],
      [pickle(dict({ w: int(1) })), /a pickle, but not a checkpoint written by torch\.save/],
      [pickle(`${global('os.system')}${tuple(str('ls'))}R`), /refers to os\.system/],
      [pickle(`${global('nt.system')}${tuple(str('dir'))}R`), /refers to nt\.system/],
      ['PK', /neither a PyTorch checkpoint/],
      ['PK\x03\x04', /zip archive can't be read/],
      ['\x89PNG\r\n\x1a\n', /neither a PyTorch checkpoint/],
    ];
    for (const [bytes, message] of cases) expect(problem(bytesOf(bytes))).toMatch(message);
  });

  it('refuses legacy files whose parts do not agree', () => {
    const saved = dict({ w: weight });
    const values = FOUR['data/0'];
    expect(readCheckpoint(legacyCheckpoint(saved, [['0', 4, values]])).get('w')!.data).toEqual(
      Float32Array.of(1, 2, 3, 4),
    );
    expect(problem(legacyCheckpoint(saved, [['0', 3, values]]))).toMatch(
      /storage "0" has 3 elements instead of 4/,
    );
    expect(problem(legacyCheckpoint(saved, [['1', 4, values]]))).toMatch(
      /a storage that no tensor uses/,
    );
    expect(problem(legacyCheckpoint(saved, []))).toMatch(/tensor "w" has no values/);
    const good = Buffer.from(legacyCheckpoint(saved, [['0', 4, values]])).toString('latin1');
    expect(problem(bytesOf(good.replace('M\xe9\x03', 'M\xea\x03')))).toMatch(
      /unknown protocol version/,
    );
  });

  it('keeps names from the file on one line of a bounded length', () => {
    const name = 'a\nb'.repeat(1000);
    expect(problem(zipCheckpoint(dict({ [name]: weight })))).toMatch(
      /tensor "a\\nba\\n.*…" has no values/,
    );
  });
});

describe('readCheckpoint: memory', () => {
  it('shares memory between tensors of one storage, and does not copy aligned safetensors', () => {
    const tensors = readCheckpoint(
      zipCheckpoint(dict({ a: weight, b: tensor(floats(), 1, [2], [1]) }), FOUR),
    );
    expect(tensors.get('a')!.data.buffer).toBe(tensors.get('b')!.data.buffer);
    // The stride of an axis of size 1 says nothing: a 1×1 convolution in channels_last is
    // contiguous.
    const column = readCheckpoint(
      zipCheckpoint(dict({ a: weight, b: tensor(floats(), 0, [4, 1], [1, 4]) }), FOUR),
    );
    expect(column.get('a')!.data.buffer).toBe(column.get('b')!.data.buffer);
    const bytes = writeSafetensors([['w', { shape: [1], data: Float32Array.of(1) }]]);
    expect(readCheckpoint(bytes).get('w')!.data.buffer).toBe(bytes.buffer);
  });

  it('reads bytes that begin anywhere in their buffer', () => {
    for (const name of ['dtypes.zip.pth', 'dtypes.legacy.pth', 'expected.safetensors']) {
      const bytes = checkpointBytes(name);
      const expected = readCheckpoint(bytes);
      for (let shift = 0; shift < 8; shift += 1) {
        const shifted = new Uint8Array(bytes.length + shift).subarray(shift);
        shifted.set(bytes);
        expect(readCheckpoint(shifted), `${name} + ${shift}`).toEqual(expected);
      }
    }
  });
});

const starter = sharedPath('checkpoints/pan_pp_r18_starter.pth.tar');
describe.runIf(existsSync(starter))('readCheckpoint: a trained PAN++', () => {
  it('reads the 49 MB starter checkpoint', () => {
    const bytes = readFileSync(starter);
    const start = performance.now();
    const tensors = readCheckpoint(bytes, starter);
    const elapsed = performance.now() - start;
    expect(tensors.size).toBe(255);
    expect(tensors.get('module.backbone.conv1.weight')!.shape).toEqual([64, 3, 3, 3]);
    expect(tensors.get('module.det_head.conv2.weight')!.shape).toEqual([6, 128, 1, 1]);
    expect(elapsed).toBeLessThan(2000);
    for (const [name, { data }] of tensors) {
      if (data instanceof Float32Array) expect(data.every(Number.isFinite), name).toBe(true);
    }
  });
});
