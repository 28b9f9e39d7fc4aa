import { describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../src/checkpoint/pytorch.js';
import { writeSafetensors } from '../../src/checkpoint/safetensors.js';
import type { NamedTensor } from '../../src/checkpoint/tensor.js';
import { type ModelConfig, detectionPresets } from '../../src/network/config.js';
import { convertCheckpoint } from '../../src/network/convert.js';
import {
  call,
  dict,
  global,
  raw,
  storage,
  str,
  tensor,
  tuple,
  zipCheckpoint,
} from '../checkpoint/pickle-writer.js';
import { proceduralCheckpoint } from '../support/procedural.js';

const config: ModelConfig = {
  backbone: { block: 'basic', blocks: [1, 1, 1, 1] },
  neck: { fpems: 1, fusion: 'pan++' },
  detection: detectionPresets.icdar2015,
};
const trained = proceduralCheckpoint(config);
const isStatistic = (name: string) => /running_/.test(name);
/** Half of every parameter; a moving average has no running statistics. */
const average = new Map(
  [...trained].flatMap(([name, { shape, data }]) =>
    isStatistic(name)
      ? []
      : [
          [
            name,
            { shape, data: Float32Array.from(data as Float32Array, (value) => value / 2) },
          ] as const,
        ],
  ),
);

/** What torch.save writes of several state dicts and of objects beside them. */
function saved(
  stateDicts: Readonly<Record<string, ReadonlyMap<string, NamedTensor>>>,
  prefix: string,
): Uint8Array {
  const entries: Record<string, Uint8Array> = {};
  const pieces = Object.entries(stateDicts).map(([key, tensors]) => {
    const values = [...tensors].map(([name, { shape, data }]) => {
      const id = String(Object.keys(entries).length);
      entries[`data/${id}`] = raw(data);
      const strides = shape.map((_, axis) =>
        shape.slice(axis + 1).reduce((product, size) => product * size, 1),
      );
      return [
        `${prefix}${name}`,
        tensor(storage('torch.FloatStorage', id, data.length), 0, [...shape], strides),
      ] as const;
    });
    return [key, dict(Object.fromEntries(values))] as const;
  });
  const args = `${global('argparse.Namespace')})\x81${dict({ out: call('pathlib.PosixPath', str('runs')) })}b`;
  return zipCheckpoint(
    `${dict({ args, scheduler: call('functools.partial', tuple()), ...Object.fromEntries(pieces) })}`,
    entries,
  );
}

const bytesOf = (tensors: ReadonlyMap<string, NamedTensor>) =>
  writeSafetensors(
    [...tensors].map(([name, { shape, data }]) => [name, { shape, data: data as Float32Array }]),
  );

it('misspelt options are refused', () => {
  const misspelt = { Half: true } as object;
  expect(() => convertCheckpoint(bytesOf(trained), misspelt)).toThrow(
    'convertCheckpoint has no option Half; it is spelt half',
  );
  expect(() => readCheckpoint(bytesOf(trained), 'm.safetensors', misspelt)).toThrow(
    'readCheckpoint has no option Half; it has ema, shards, maxBytes, maxPickleSteps',
  );
});

describe('convertCheckpoint', () => {
  const weightsOf = (tensors: ReadonlyMap<string, NamedTensor>) =>
    Buffer.from(convertCheckpoint(bytesOf(tensors)).weights);

  it('unwraps the model, and reports the moving average', () => {
    const bytes = saved({ state_dict: trained, ema: average }, 'module._orig_mod.model.');
    const { weights, emaLeft } = convertCheckpoint(bytes);
    expect(emaLeft).toBe('ema');
    expect(weightsOf(trained).equals(weights)).toBe(true);
    expect(convertCheckpoint(saved({ state_dict: trained }, 'net.'))).not.toHaveProperty('emaLeft');
  });

  it('takes the moving average if asked, with the model’s running statistics', () => {
    const { weights, ...rest } = convertCheckpoint(
      saved({ state_dict: trained, ema: average }, 'module.'),
      { ema: true },
    );
    expect(rest).toEqual({ config });
    const whole = new Map([...trained].map(([name, own]) => [name, average.get(name) ?? own]));
    expect(weightsOf(whole).equals(weights)).toBe(true);
    expect(() =>
      convertCheckpoint(bytesOf(trained), { ema: true, source: 'm.safetensors' }),
    ).toThrow(/^m\.safetensors: holds one set of weights/);
  });
});
