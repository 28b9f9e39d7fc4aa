// The exported model under a runtime of another hand, onnxruntime's CPU provider: against the
// reference's stored maps and against our network.
import { PNG } from 'pngjs';
import { describe, expect, it } from 'vitest';
import { readSafetensors } from '../../src/checkpoint/safetensors.js';
import { Model } from '../../src/model/model.js';
import { type OnnxOptions, exportOnnx } from '../../src/export/onnx.js';
import { Message } from '../../src/export/protobuf.js';
import {
  type ModelConfig,
  detectionPresets,
  resnet18,
  resnet50,
  vocabularies,
} from '../../src/network/config.js';
import { type FoldedWeights, foldCheckpoint, uploadWeights } from '../../src/network/weights.js';
import { expectClose } from '../support/close.js';
import { gpus } from '../support/gpu.js';
import { InferenceSession, type OnnxTensor, Tensor } from '../support/onnxruntime.js';
import { proceduralCheckpoint } from '../support/procedural.js';
import { referenceBytes } from '../support/reference.js';
import { randomValues } from '../support/run-layer.js';

const bound = 1e-5;

const panpp = (backbone: ModelConfig['backbone'], fpems = 2): ModelConfig => ({
  backbone,
  neck: { fpems, fusion: 'pan++' },
  detection: detectionPresets.icdar2015,
});
const pan = (fpems: number): ModelConfig => ({
  ...panpp(resnet18),
  neck: { fpems, fusion: 'pan' },
});

function proceduralWeights(config: ModelConfig): FoldedWeights {
  return foldCheckpoint(proceduralCheckpoint(config), config, 'procedural');
}

interface Image {
  readonly height: number;
  readonly width: number;
  /** RGBA bytes. */
  readonly data: Uint8Array;
}

function randomImage(height: number, width: number): Image {
  const data = Uint8Array.from(randomValues(height * width * 4, height + width), (value) =>
    Math.floor((value + 1) * 127.99),
  );
  return { height, width, data };
}

/** The input that the model's description asks for. */
function normalised({ height, width, data }: Image): OnnxTensor {
  const [mean, deviation] = [
    [0.485, 0.456, 0.406],
    [0.229, 0.224, 0.225],
  ];
  const pixels = height * width;
  const values = Float32Array.from({ length: 3 * pixels }, (_, index) => {
    const channel = Math.floor(index / pixels);
    return (data[4 * (index % pixels) + channel] / 255 - mean[channel]) / deviation[channel];
  });
  return new Tensor('float32', values, [1, 3, height, width]);
}

async function runOnnx(model: Uint8Array, image: Image): Promise<OnnxTensor> {
  const session = await InferenceSession.create(model, { logSeverityLevel: 3 });
  try {
    return (await session.run({ image: normalised(image) })).det;
  } finally {
    await session.release();
  }
}

async function exportAndRun(
  config: ModelConfig,
  image: Image,
  options?: OnnxOptions,
): Promise<OnnxTensor> {
  return runOnnx(exportOnnx({ config, tensors: proceduralWeights(config) }, options), image);
}

describe('an exported model in onnxruntime', () => {
  const png = PNG.sync.read(Buffer.from(referenceBytes('input_224x320.png')));

  it.each([
    ['resnet18_procedural', panpp(resnet18)],
    ['resnet50_procedural', panpp(resnet50)],
    ['pan_resnet18_procedural', pan(2)],
  ] as const)('equals %s of the reference', async (file, config) => {
    const expected = readSafetensors(referenceBytes(`${file}.safetensors`)).tensors.get('det')!;
    const det = await exportAndRun(config, png);
    expect(det.dims).toEqual([1, ...expected.shape]);
    const difference = expectClose(
      det.data as Float32Array,
      expected.data as Float32Array,
      bound,
      file,
    );
    console.log(`${file}, onnxruntime against the reference: ${difference.toExponential(1)}`);
  });

  it.each([13, 21])('runs with opset %i', async (opset) => {
    const det = await exportAndRun(panpp(resnet18, 1), randomImage(32, 64), { opset });
    expect(det.dims).toEqual([1, 6, 8, 16]);
  });

  it('takes an image of any size as the same one with zeros around it', async () => {
    const file = { config: panpp(resnet18, 1), tensors: proceduralWeights(panpp(resnet18, 1)) };
    const model = exportOnnx(file);
    for (const [height, width] of [
      [33, 65],
      [31, 1],
    ]) {
      const image = randomImage(height, width);
      const [rows, columns] = [height, width].map((side) => Math.ceil(side / 32) * 32);
      const padded = new Float32Array(3 * rows * columns);
      (normalised(image).data as Float32Array).forEach((value, index) => {
        const [channel, y, x] = [
          Math.floor(index / (height * width)),
          Math.floor(index / width) % height,
          index % width,
        ];
        padded[(channel * rows + y) * columns + x] = value;
      });
      const session = await InferenceSession.create(
        exportOnnx(file, { height: rows, width: columns }),
        { logSeverityLevel: 3 },
      );
      const whole = (
        await session.run({ image: new Tensor('float32', padded, [1, 3, rows, columns]) })
      ).det.data as Float32Array;
      await session.release();
      const det = await runOnnx(model, image);
      const [mapRows, mapColumns] = [Math.ceil(height / 4), Math.ceil(width / 4)];
      expect(det.dims).toEqual([1, 6, mapRows, mapColumns]);
      const cut = Float32Array.from({ length: 6 * mapRows * mapColumns }, (_, index) => {
        const [channel, y, x] = [
          Math.floor(index / (mapRows * mapColumns)),
          Math.floor(index / mapColumns) % mapRows,
          index % mapColumns,
        ];
        return whole[((channel * rows) / 4 + y) * (columns / 4) + x];
      });
      expectClose(det.data as Float32Array, cut, 1e-6, `${height} × ${width}`);
    }
  });

  it('of a fixed size takes that size alone', async () => {
    const config = panpp(resnet18, 1);
    const fixed = exportOnnx(
      { config, tensors: proceduralWeights(config) },
      { height: 64, width: 96 },
    );
    expect((await runOnnx(fixed, randomImage(64, 96))).dims).toEqual([1, 6, 16, 24]);
    await expect(runOnnx(fixed, randomImage(64, 128))).rejects.toThrow(/invalid dimensions/i);
  });

  it('leaves a recognition head out', async () => {
    const config = { ...panpp(resnet18), recognition: { vocabulary: vocabularies.lowercase } };
    const [withHead, without] = [config, panpp(resnet18)].map((each) =>
      exportOnnx({ config: each, tensors: proceduralWeights(each) }),
    );
    const [some, same] = await Promise.all(
      [withHead, without].map((model) => runOnnx(model, randomImage(32, 32))),
    );
    expect(some.data).toEqual(same.data);
    expect(withHead.length - without.length).toBeLessThan(1000);
  });
});

// The network's own tests run it on every adapter; one is enough here.
describe('an exported model', () => {
  const { gpu } = gpus.at(-1)!;

  it('equals our own network: PAN ResNet-18, three FPEMs', async () => {
    const config = pan(3);
    const image = randomImage(64, 96);
    const tensors = proceduralWeights(config);
    const model = new Model(gpu, config, uploadWeights(gpu, tensors, config));
    const ours = (
      await model.forward({ ...image, channels: 4 }, { outputs: ['det'], shortSide: 64 })
    ).get('det')!;
    model.dispose();
    const theirs = await runOnnx(exportOnnx({ config, tensors }), image);
    expect(theirs.dims).toEqual([1, ...ours.shape]);
    const difference = expectClose(ours.data, theirs.data as Float32Array, bound, 'det');
    console.log(
      `PAN, three FPEMs, on ${gpu.profile.adapter} against onnxruntime: ${difference.toExponential(1)}`,
    );
  });
});

describe('wrong export options', () => {
  it.each([
    [{ height: 100 }, 'height is 100; it must be a multiple of 32'],
    [{ width: 0 }, 'width is 0; it must be a multiple of 32'],
    [{ opset: 9 }, 'opset is 9; it must be 13 to 21'],
    [{ opset: 17.5 }, 'opset is 17.5; it must be 13 to 21'],
  ])('%o are refused', (options, message) => {
    expect(() => exportOnnx({ config: panpp(resnet18), tensors: new Map() }, options)).toThrow(
      message,
    );
  });
});

describe('protobuf messages', () => {
  it('have the bytes of the encoding guide’s examples', () => {
    expect([...new Message().int(1, 150).finish()]).toEqual([0x08, 0x96, 0x01]);
    expect([...new Message().text(2, 'testing').finish()]).toEqual([
      0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67,
    ]);
    expect([...new Message().message(3, new Message().int(1, 150)).finish()]).toEqual([
      0x1a, 0x03, 0x08, 0x96, 0x01,
    ]);
  });

  it('hold fields beyond 15 and numbers beyond 32 bits', () => {
    expect([...new Message().int(20, 0).finish()]).toEqual([0xa0, 0x01, 0x00]);
    expect([...new Message().int(1, 2 ** 35).finish()]).toEqual([
      0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01,
    ]);
  });
});
