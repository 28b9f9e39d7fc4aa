// Recognition heads in checkpoints and weights files: which there are, with what vocabulary, and
// what is wrong with some.
import { describe, expect, it } from 'vitest';
import {
  type BackboneConfig,
  type ModelConfig,
  detectionPresets,
  vocabularies,
} from '../../src/network/config.js';
import { inferConfig } from '../../src/network/infer.js';
import { foldCheckpoint } from '../../src/network/weights.js';
import { readWeights, writeWeights } from '../../src/network/weights-file.js';
import { packDecoder, packEncoder } from '../../src/recognition/weights.js';
import { proceduralCheckpoint } from '../support/procedural.js';
import * as recognition from './run-recognition.js';

// As small as a ResNet can be.
const backbone: BackboneConfig = { block: 'basic', blocks: [1, 1, 1, 1] };
const spotterConfig = (vocabulary: readonly string[]) =>
  recognition.spotterConfig(vocabulary, backbone);

const infer = (config: ModelConfig, vocabulary?: readonly string[]) =>
  inferConfig(
    proceduralCheckpoint(config),
    'pan++',
    detectionPresets.icdar2015,
    'model.pth',
    vocabulary,
  );

const chinese = ['中', '文', '字'];
const chineseTensors = recognition.foldedProcedural(spotterConfig(chinese));

describe('vocabularies', () => {
  it('of the authors’ weights have 39, 65 and 97 classes, digits first', () => {
    expect(Object.values(vocabularies).map((characters) => characters.length + 3)).toEqual([
      39, 65, 97,
    ]);
    expect(vocabularies.lowercase.join('')).toBe('0123456789abcdefghijklmnopqrstuvwxyz');
    expect(vocabularies.allcases.join('')).toBe(
      `${vocabularies.lowercase.join('')}ABCDEFGHIJKLMNOPQRSTUVWXYZ`,
    );
    const printable = Array.from({ length: 94 }, (_, index) => String.fromCharCode(0x21 + index));
    expect([...vocabularies.symbols].sort()).toEqual(printable.sort());
    // After the letters, symbols in ASCII's order.
    expect(vocabularies.symbols.slice(62)).toEqual([...vocabularies.symbols.slice(62)].sort());
  });
});

describe('a checkpoint with a recognition head', () => {
  it.each(Object.entries(vocabularies))(
    'of the classes of %s is taken to read it',
    (_, vocabulary) => {
      expect(infer(spotterConfig(vocabulary))).toEqual(spotterConfig(vocabulary));
    },
  );

  it('reads any characters that are named', () => {
    expect(infer(spotterConfig(chinese), chinese).recognition).toEqual({ vocabulary: chinese });
  });

  it.each([
    [
      spotterConfig(chinese),
      undefined,
      'model.pth reads 3 characters, which fits no known vocabulary',
    ],
    [spotterConfig(chinese), ['中', '文'], 'model.pth reads 3 characters and the vocabulary has 2'],
    [
      { ...spotterConfig(chinese), recognition: undefined },
      chinese,
      'model.pth has no recognition head',
    ],
  ])('is refused in one line where the vocabulary does not fit', (config, vocabulary, message) => {
    expect(() => infer(config, vocabulary)).toThrow(message);
    expect(() => infer(config, vocabulary)).toThrow(expect.objectContaining({ code: 'weights' }));
  });

  it('must have all of it', () => {
    const config = spotterConfig(chinese);
    const tensors = proceduralCheckpoint(config);
    tensors.delete('rec_head.decoder.lstm_u.1.bias_hh');
    tensors.set('rec_head.encoder.emb.weight', { shape: [2, 2], data: new Float32Array(4) });
    expect(() => foldCheckpoint(tensors, config, 'model.pth')).toThrow(
      /1 missing \(rec_head\.decoder\.lstm_u\.1\.bias_hh\); 1 of another shape \(rec_head\.encoder\.emb\.weight is 2×2 where 6×128 is expected\)/,
    );
  });

  it('may be without', () => {
    const { recognition: _, ...detector } = spotterConfig(chinese);
    expect(infer(detector)).toEqual(detector);
  });
});

describe('a weights file', () => {
  it('keeps the vocabulary and the head', () => {
    const config = spotterConfig(chinese);
    const tensors = chineseTensors;
    const file = readWeights(writeWeights({ config, tensors }, false));
    expect(file.config).toEqual(config);
    expect([...file.tensors.keys()].sort()).toEqual([...tensors.keys()].sort());
    expect(packDecoder(file.tensors, 6)).toEqual(packDecoder(tensors, 6));
    expect(packEncoder(file.tensors, 6)).toEqual(packEncoder(tensors, 6));
  });

  it.each([[[]], [[1, 2, 3]], ['中文字'], [['中', '', '字']], [null]])(
    'with the vocabulary %o is refused',
    (vocabulary) => {
      const config = {
        ...spotterConfig(chinese),
        recognition: { vocabulary },
      } as unknown as ModelConfig;
      const bytes = writeWeights({ config, tensors: chineseTensors }, false);
      expect(() => readWeights(bytes, 'w.safetensors')).toThrow(
        /w\.safetensors has a broken configuration \(recognition\.vocabulary\)/,
      );
    },
  );
});
