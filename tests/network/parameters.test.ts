import { describe, expect, it } from 'vitest';
import {
  detectionPresets,
  resnet101,
  resnet18,
  resnet50,
  type ModelConfig,
} from '../../src/network/config.js';
import { inferConfig } from '../../src/network/infer.js';
import { checkpointTensorsOf, convolutionsOf } from '../../src/network/parameters.js';
import { assertFolded, foldCheckpoint } from '../../src/network/weights.js';
import { readWeights, writeWeights } from '../../src/network/weights-file.js';
import { writeSafetensors } from '../../src/checkpoint/safetensors.js';
import { proceduralCheckpoint } from '../support/procedural.js';

const config = (backbone: ModelConfig['backbone'], fpems = 2): ModelConfig => ({
  backbone,
  neck: { fpems, fusion: 'pan++' },
  detection: detectionPresets.icdar2015,
});

describe('parameters', () => {
  it.each([
    // Two 3×3 convs a block, three blocks with a shortcut more than torchvision's three: layer1's
    // first has one too.
    [resnet18, 3 + 16 + 4 + 4 + 24 + 2],
    [resnet50, 3 + 48 + 4 + 4 + 24 + 2],
    [resnet101, 3 + 99 + 4 + 4 + 24 + 2],
  ])('counts the convolutions of %o', (backbone, count) => {
    expect(convolutionsOf(config(backbone))).toHaveLength(count);
  });

  it('knows the shapes of the first block and of the head', () => {
    const tensors = checkpointTensorsOf(config(resnet50));
    expect(tensors.get('backbone.layer1.0.conv1.weight')).toEqual([64, 128, 1, 1]);
    expect(tensors.get('backbone.layer1.0.downsample.0.weight')).toEqual([256, 128, 1, 1]);
    expect(tensors.get('backbone.layer2.0.conv1.weight')).toEqual([128, 256, 1, 1]);
    expect(tensors.get('det_head.conv1.weight')).toEqual([128, 512, 3, 3]);
    expect(tensors.get('fpem2.dwconv4_2.weight')).toEqual([128, 1, 3, 3]);
    expect(tensors.has('fpem3.dwconv4_2.weight')).toBe(false);
  });

  it.each([config(resnet18), config(resnet50, 3), config(resnet101, 1)])(
    'infers the configuration from the names',
    (expected) => {
      const shapes = new Map(
        [...checkpointTensorsOf(expected)].map(([name, shape]) => [
          name,
          { shape, data: new Float32Array(0) },
        ]),
      );
      expect(inferConfig(shapes, 'pan++', detectionPresets.icdar2015, 'x.pth')).toEqual(expected);
    },
  );

  it('says what a foreign checkpoint holds', () => {
    const foreign = new Map([['features.0.weight', { shape: [1], data: new Float32Array(1) }]]);
    expect(() => inferConfig(foreign, 'pan++', detectionPresets.icdar2015, 'vgg.pth')).toThrow(
      /vgg\.pth holds no PAN.*1 tensors: features\.0\.weight/,
    );
  });
});

describe('weights', () => {
  const small = config({ block: 'basic', blocks: [1, 1, 1, 1] }, 1);

  it('lists missing, unexpected and misshapen tensors', () => {
    const tensors = proceduralCheckpoint(small);
    tensors.delete('det_head.bn1.weight');
    tensors.set('extra.weight', { shape: [1], data: new Float32Array(1) });
    tensors.set('backbone.conv1.weight', {
      shape: [64, 3, 7, 7],
      data: new Float32Array(64 * 3 * 49),
    });
    tensors.set('backbone.bn1.num_batches_tracked', { shape: [], data: BigInt64Array.of(1n) });
    expect(() => foldCheckpoint(tensors, small, 'm.pth')).toThrow(
      "m.pth does not have this architecture's tensors: 1 missing (det_head.bn1.weight); 1 unexpected (extra.weight); " +
        '1 of another shape (backbone.conv1.weight is 64×3×7×7 where 64×3×3×3 is expected)',
    );
  });

  it('folds, writes and reads back', () => {
    const folded = foldCheckpoint(proceduralCheckpoint(small), small, 'm.pth');
    expect(() => assertFolded(folded, small, 'm')).not.toThrow();
    const file = readWeights(
      writeWeights({ config: small, tensors: folded }, false),
      'm.safetensors',
    );
    expect(file.config).toEqual(small);
    expect([...file.tensors.keys()].sort()).toEqual([...folded.keys()].sort());
    for (const [name, { data, ...tensor }] of folded) {
      const { data: read, ...other } = file.tensors.get(name)!;
      expect(other, name).toEqual(tensor);
      // toEqual takes a minute for all of them.
      expect(bytesOf(read).equals(bytesOf(data)), name).toBe(true);
    }
  });

  it('halves the size and keeps 11 bits', () => {
    const folded = foldCheckpoint(proceduralCheckpoint(small), small, 'm.pth');
    const [full, half] = [false, true].map((flag) =>
      writeWeights({ config: small, tensors: folded }, flag),
    );
    expect(half.length / full.length).toBeLessThan(0.51);
    const name = 'backbone.conv3.weight';
    const [before, after] = [
      folded.get(name)!.data as Float32Array,
      readWeights(half).tensors.get(name)!.data as Float32Array,
    ];
    expect(after).toHaveLength(before.length);
    const odd = before.findIndex(
      (value, index) => !(Math.abs(after[index] - value) <= Math.abs(value) * 2 ** -11 + 2 ** -25),
    );
    expect(odd).toBe(-1);
  });

  it.each([
    [{}, /was not made by panpp; make one with: panpp convert/],
    [
      { format: 'panpp', version: '9', config: '{}' },
      /is not of version 1, which this panpp reads/,
    ],
    [{ format: 'panpp', version: '1', config: '{' }, /broken configuration \(no JSON\)/],
    [{ format: 'panpp', version: '1', config: 'null' }, /broken configuration \(backbone\.block\)/],
    [
      {
        format: 'panpp',
        version: '1',
        config: JSON.stringify({ ...small, neck: { fpems: 0, fusion: 'pan' } }),
      },
      /broken configuration \(neck\)/,
    ],
    [
      { format: 'panpp', version: '1', config: JSON.stringify(small) },
      /missing \(backbone\.conv1\.weight/,
    ],
  ])('refuses a file with metadata %o', (metadata, message) => {
    expect(() =>
      readWeights(writeSafetensors([], { half: false, metadata }), 'w.safetensors'),
    ).toThrow(message);
  });
});

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
