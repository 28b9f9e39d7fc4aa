import { describe, expect, it } from 'vitest';
import { writeSafetensors } from '../../src/checkpoint/safetensors.js';
import type { NamedTensor } from '../../src/checkpoint/tensor.js';
import { type ModelConfig, detectionPresets } from '../../src/network/config.js';
import { convertCheckpoint } from '../../src/network/convert.js';
import { foldCheckpoint } from '../../src/network/weights.js';
import { readWeights } from '../../src/network/weights-file.js';
import { expectClose } from '../support/close.js';
import { proceduralCheckpoint } from '../support/procedural.js';
import { randomValues } from '../support/run-layer.js';

const config: ModelConfig = {
  backbone: { block: 'basic', blocks: [1, 1, 1, 1] },
  neck: { fpems: 2, fusion: 'pan', upsampling: 'nearest' },
  detection: detectionPresets.icdar2015,
};
const authors = proceduralCheckpoint(config);

const units = {
  '3_1': 'up_add1',
  '2_1': 'up_add2',
  '1_1': 'up_add3',
  '2_2': 'down_add1',
  '3_2': 'down_add2',
  '4_2': 'down_add3',
};

/**
 * The same network as mmocr would save it: under its names, with biases in the neck that its batch
 * norms take off again.
 */
function asMmocr(tensors: ReadonlyMap<string, NamedTensor>): Map<string, NamedTensor> {
  const renamed = new Map<string, NamedTensor>();
  for (const [name, tensor] of tensors) {
    renamed.set(
      name
        .replace(/^backbone\.conv(\d)\./, (_, n: string) => `backbone.stem.${3 * (Number(n) - 1)}.`)
        .replace(
          /^backbone\.bn(\d)\./,
          (_, n: string) => `backbone.stem.${3 * (Number(n) - 1) + 1}.`,
        )
        .replace(
          /^reduce_layer(\d)\.conv/,
          (_, n: string) => `neck.reduce_conv_c${Number(n) + 1}.0`,
        )
        .replace(/^reduce_layer(\d)\.bn/, (_, n: string) => `neck.reduce_conv_c${Number(n) + 1}.1`)
        .replace(
          /^fpem(\d)\.(dwconv|smooth_layer)(\d_\d)/,
          (_, n: string, kind: string, unit: keyof typeof units) =>
            `neck.fpems.${Number(n) - 1}.${units[unit]}${kind === 'dwconv' ? '.depthwise_conv' : ''}`,
        )
        .replace(/(add\d)\.conv\./, '$1.pointwise_conv.'),
      tensor,
    );
  }
  let seed = 1;
  for (const name of [...renamed.keys()]) {
    const layer = /^neck\..*(?=\.(pointwise_conv|0)\.weight$)/.exec(name);
    if (!layer) continue;
    const isUnit = layer[1] === 'pointwise_conv';
    const { shape, data: weight } = renamed.get(name)!;
    const pointwise = randomValues(128, seed++);
    const depthwise = isUnit ? randomValues(128, seed++) : new Float32Array(0);
    renamed.set(name.replace('.weight', '.bias'), { shape: [128], data: pointwise });
    if (isUnit) renamed.set(`${layer[0]}.depthwise_conv.bias`, { shape: [128], data: depthwise });
    const mean = `${layer[0]}.${isUnit ? 'bn' : '1'}.running_mean`;
    const shifted = Array.from(renamed.get(mean)!.data, Number).map(
      (value, out) =>
        value +
        pointwise[out] +
        depthwise.reduce((sum, bias, i) => sum + bias * Number(weight[out * shape[1] + i]), 0),
    );
    renamed.set(mean, { shape: [128], data: Float32Array.from(shifted) });
  }
  return renamed;
}

function file(tensors: ReadonlyMap<string, NamedTensor>): Uint8Array {
  return writeSafetensors(
    [...tensors].map(([name, { shape, data }]) => [name, { shape, data: data as Float32Array }]),
  );
}

describe('mmocr’s PANet', () => {
  it('gives the weights of the same network of the authors', () => {
    const mmocr = asMmocr(authors);
    expect(
      [...mmocr.keys()]
        .filter((name) => authors.has(name))
        .every((name) => /^(backbone\.layer|det_head)/.test(name)),
    ).toBe(true);
    const converted = readWeights(convertCheckpoint(file(mmocr), { source: 'panet.pth' }).weights);
    expect(converted.config).toEqual(config);
    const expected = foldCheckpoint(authors, config, 'authors');
    expect([...converted.tensors.keys()].sort()).toEqual([...expected.keys()].sort());
    for (const [name, { data }] of expected)
      expectClose(
        converted.tensors.get(name)!.data as Float32Array,
        data as Float32Array,
        1e-6,
        name,
      );
  });

  const fails = (tensors: ReadonlyMap<string, NamedTensor>, message: RegExp, fusion?: 'pan++') =>
    expect(() => convertCheckpoint(file(tensors), { source: 'panet.pth', fusion })).toThrow(
      expect.objectContaining({ code: 'weights', message: expect.stringMatching(message) }),
    );
  const changed = (change: (tensors: Map<string, NamedTensor>) => void) => {
    const tensors = asMmocr(authors);
    change(tensors);
    return tensors;
  };
  const tensor = (...shape: number[]): NamedTensor => ({
    shape,
    data: new Float32Array(shape.reduce((a, b) => a * b)),
  });

  it('is refused where it is another network', () => {
    fails(
      changed((all) => all.set('backbone.conv1.weight', tensor(64, 3, 7, 7))),
      /^panet\.pth is a PANet of mmocr with a 7×7 convolution as stem/,
    );
    fails(
      changed((all) => all.set('bbox_head.out_conv.weight', tensor(6, 512, 1, 1))),
      /one convolution as head \(mmocr before 1\.0\)/,
    );
    fails(
      changed(() => undefined),
      /which is PAN and not PAN\+\+/,
      'pan++',
    );
    fails(
      changed((all) => all.set('neck.reduce_conv_c2.0.bias', tensor(3))),
      /biases in reduce_layer1 .* whose sizes don't agree/,
    );
    fails(
      changed((all) => all.delete('neck.fpems.1.up_add1.bn.running_mean')),
      /1 missing \(fpem2\.smooth_layer3_1\.bn\.running_mean\)/,
    );
    fails(
      changed((all) => all.set('neck.extra.weight', tensor(1))),
      /1 unexpected \(neck\.extra\.weight\)/,
    );
  });
});

it('names the tensor and the file of a negative variance', () => {
  const tensors = new Map(authors);
  const name = 'fpem1.smooth_layer2_1.bn.running_var';
  const data = Float32Array.from(tensors.get(name)!.data as Float32Array);
  data[3] = -0.5;
  tensors.set(name, { shape: [128], data });
  expect(() => convertCheckpoint(file(tensors), { source: 'model.pth', fusion: 'pan' })).toThrow(
    `model.pth: ${name}[3] is -0.5, and a variance can't be negative`,
  );
});
