// What would give wrong results without a word is refused: weights and maps that are no numbers,
// pixels that are no bytes, options that nobody knows.
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { loadModel } from '../../src/model/load.js';
import { regionsFromMap } from '../../src/detection/regions-from-map.js';
import { requestGpu } from '../../src/gpu/context.js';
import type { PixelImage } from '../../src/images/image.js';
import { readWeights, writeWeights } from '../../src/network/weights-file.js';
import {
  aggregatePixels,
  decodeImage,
  drawRegions,
  encodePng,
  loadWeights,
  openGpu,
  packagedWeights,
} from '../../src/node.js';
import { describeOnGpus, gpus } from '../support/gpu.js';
import { tune } from '../../src/tuning/tune.js';

const packaged = readFileSync(packagedWeights());
const small = { shortSide: 32 };

/** Weights with some of a tensor's values changed; default: the package's. */
function changed(
  name: string,
  change: (value: number, at: number) => number,
  weights: Uint8Array = packaged,
): Uint8Array {
  const { config, tensors } = readWeights(weights);
  const { shape, data } = tensors.get(name)!;
  return writeWeights(
    {
      config,
      tensors: new Map([...tensors, [name, { shape, data: (data as Float32Array).map(change) }]]),
    },
    false,
  );
}

function plain(value: number, width = 32, height = 32): PixelImage {
  return { width, height, channels: 3, data: new Uint8Array(width * height * 3).fill(value) };
}

const { gpu } = gpus.at(-1)!;

describe('weights that are no numbers', () => {
  it.each([NaN, Infinity, -Infinity])('are refused with %d, by tensor and file', async (value) => {
    const weights = changed('fpem1.dwconv2_1.weight', (old, at) => (at === 7 ? value : old));
    await expect(loadModel(gpu, weights, { source: 'mine.safetensors' })).rejects.toMatchObject({
      code: 'weights',
      message: `mine.safetensors: tensor fpem1.dwconv2_1.weight holds ${value} (value 7 of 1152); it is damaged, or its training failed`,
    });
  });
});

describeOnGpus('maps that are no numbers', (own) => {
  it('are refused where only the instance vectors are', async () => {
    const model = await loadModel(
      own,
      changed('det_head.conv2.bias', (old, at) => (at === 4 ? 3e38 : old)),
    );
    expect((await model.detect(plain(90), small)).regions).toEqual([]);
    model.dispose();
    const weights = changed('det_head.conv2.weight', (old, at) =>
      at >= 4 * 128 && at < 5 * 128 ? 3e38 : old,
    );
    const broken = await loadModel(own, weights);
    await expect(broken.detect(plain(90), small)).rejects.toMatchObject({
      code: 'weights',
      message: expect.stringContaining('NaN or infinity for this image: the weights are damaged'),
    });
    broken.dispose();
  });

  it('are refused where instance vectors of text are too large to be summed', async () => {
    // The map has 64 pixels: 2³¹ / 64 is the limit.
    const modelWith = async (text: number, vector: number) =>
      loadModel(
        own,
        changed('det_head.conv2.bias', (old, at) => [text, text, old, old, vector, old][at]),
      );
    const detect = async (text: number, vector: number) => {
      const model = await modelWith(text, vector);
      try {
        return (await model.detect(plain(90), small)).regions.length;
      } finally {
        model.dispose();
      }
    };
    expect(await detect(1e3, 3.3e7)).toBe(1);
    expect(await detect(-1e3, 3.4e7)).toBe(0);
    for (const vector of [3.4e7, -3.4e7])
      await expect(detect(1e3, vector)).rejects.toMatchObject({
        code: 'weights',
        message:
          'the network gives instance vectors that are too large to be summed for this image: the weights are damaged; convert the checkpoint again',
      });
  });

  it('are refused where an overflow lies deep in the network, and for no image after that', async () => {
    // Without text, instance vectors may be as large as they like.
    const textless = changed('det_head.conv2.bias', (old, at) => (at === 0 ? -3e38 : old));
    const model = await loadModel(
      own,
      changed('backbone.conv1.weight', (old) => old * 1e38, textless),
    );
    // ImageNet's mean is nearly zero to the network.
    const grey = plain(0);
    for (let at = 0; at < grey.data.length; at++) grey.data[at] = [124, 116, 104][at % 3];
    const calls = await Promise.allSettled(
      [grey, plain(255), grey].map((image) => model.detect(image, small)),
    );
    expect(calls.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    await expect(model.detectBatch([grey, plain(255)], small)).rejects.toThrow(
      'NaN or infinity for image 1 of the batch',
    );
    model.dispose();
  });
});

describe.each(gpus.filter(({ gpu: { profile } }) => profile.f16))(
  'half precision on $name',
  ({ gpu: own }) => {
    it('refuses weights beyond its range, and says what to do', async () => {
      const weights = changed('backbone.conv2.weight', (old, at) => (at === 3 ? -7e4 : old));
      await expect(
        loadModel(own, weights, { precision: 'f16', source: 'mine' }),
      ).rejects.toMatchObject({
        code: 'weights',
        message:
          "mine: tensor backbone.conv2.weight holds -70000, past half precision's range of 65504; load it with precision f32",
      });
    });

    it('refuses maps beyond its range, which float32 can hold', async () => {
      const weights = changed('backbone.conv1.weight', (old) => old * 1e4);
      const [half, whole] = [
        await loadModel(own, weights, { precision: 'f16' }),
        await loadModel(own, weights),
      ];
      await whole.detect(plain(255), small);
      await expect(half.detect(plain(255), small)).rejects.toMatchObject({
        code: 'weights',
        message: expect.stringMatching(/half precision; load the model with precision f32$/),
      });
      for (const model of [half, whole]) model.dispose();
    });
  },
);

describe('calls', async () => {
  const model = await loadModel(gpu, packaged);
  afterAll(() => model.dispose());
  const image = plain(90);
  const argument = (message: string | RegExp) => ({
    name: 'PanppError',
    code: 'argument',
    message: expect.stringMatching(message),
  });
  const first = (results: AsyncIterable<unknown>) => results[Symbol.asyncIterator]().next();

  it.each([
    ['detect', { shortside: 736 }, /^detect has no option shortside; it is spelt shortSide$/],
    ['detect', { short_side: 736 }, /it is spelt shortSide$/],
    ['detect', { size: 736 }, /^detect has no option size; it has shortSide, maxSide, bbox, /],
    ['detect', 736, /^the options of detect are 736; give an object/],
    ['detect', null, /^the options of detect are null/],
    ['detect', { mode: 'Always' }, /mode is Always; it must be reference or always/],
    ['detect', { mode: null }, /mode is null/],
    ['detect', { distance: 'far' }, /^distance is "far"; it must be a number of at least 0$/],
    ['detect', { distance: NaN }, /distance is NaN/],
    ['detect', { distance: -1 }, /distance is -1/],
    ['detect', { minKernelArea: NaN }, /minKernelArea is NaN/],
    ['detect', { minScore: '0.5' }, /^minScore is "0.5"; it must be a number from 0 to 1$/],
    [
      'detect',
      { shortSide: '736' },
      /^shortSide is "736"; it must be a whole number of at least 1$/,
    ],
    ['forward', { output: ['det'] }, /^forward has no option output; it has outputs, /],
    ['forward', { outputs: 'det' }, /^outputs is not an array/],
    ['forward', undefined, /^the options of forward are undefined/],
  ] as const)('%s refuses %j', async (call, options, message) => {
    await expect(
      (model[call] as (...all: unknown[]) => Promise<unknown>)(image, options),
    ).rejects.toMatchObject(argument(message));
  });

  it('are checked by the other methods too', async () => {
    const wrong = { shortside: 1 } as never;
    await expect(model.detectBatch([image], wrong)).rejects.toMatchObject(
      argument('detectBatch has no option'),
    );
    await expect(model.spot(image, wrong)).rejects.toMatchObject(argument('spot has no option'));
    await expect(model.recognize(image, [], wrong)).rejects.toMatchObject(
      argument('recognize has no option'),
    );
    await expect(model.recognize(image, 'all' as never)).rejects.toMatchObject(
      argument('not an array'),
    );
    await expect(first(model.spotAll([image], wrong))).rejects.toMatchObject(
      argument('spotAll has no option'),
    );
    // Once, and not for each image.
    const onError = () => expect.unreachable();
    await expect(
      first(model.detectAll([image], { onError, ...(wrong as object) })),
    ).rejects.toMatchObject(argument('detectAll has no option'));
    await expect(
      first(model.detectAll([image], { onError, mode: 'never' as never })),
    ).rejects.toMatchObject(argument('mode is never'));
    await expect(loadModel(gpu, packaged, { precison: 'f16' } as never)).rejects.toMatchObject(
      argument('loadModel has no option precison; it has source, precision, tuning'),
    );
    await expect(tune(gpu, packaged, { size: [] } as never)).rejects.toMatchObject(
      argument('tune has no option'),
    );
    await expect(requestGpu({ adaptor: undefined } as never)).rejects.toMatchObject(
      argument('requestGpu has no option'),
    );
    await expect(openGpu({ adaptor: 'lavapipe' } as never)).rejects.toMatchObject(
      argument('openGpu has no option'),
    );
    await expect(
      loadWeights(new Uint8Array(), { onprogress: () => {} } as never),
    ).rejects.toMatchObject(argument('it is spelt onProgress'));
    const size = { height: 8, width: 8 };
    const settings = {
      minScore: 0,
      minArea: 0,
      minKernelArea: 0,
      scale: 4,
      bbox: 'rect',
      minscore: 1,
    } as never;
    await expect(
      regionsFromMap(gpu, {
        map: new Float32Array(24),
        height: 2,
        width: 2,
        imageSize: size,
        originalSize: size,
        settings,
      }),
    ).rejects.toMatchObject(argument('it is spelt minScore'));
  });

  // Whatever the image is: this one is too large at this short side, even in tiles.
  const strip = plain(90, 8000, 8);
  it.each([767, 4096.5, Infinity, NaN, '8192', null])('refuse tiles of side %s', async (side) => {
    const tiled = { shortSide: 736, tileSide: side as number };
    const given = typeof side === 'string' ? `"${side}"` : String(side);
    const refused = argument(`^tileSide is ${given}; it must be a whole number of at least 768$`);
    await expect(model.detect(strip, tiled)).rejects.toMatchObject(refused);
    await expect(model.detectBatch([strip], tiled)).rejects.toMatchObject(refused);
    await expect(model.spot(strip, tiled)).rejects.toMatchObject(refused);
    await expect(model.recognize(strip, [], tiled)).rejects.toMatchObject(refused);
    // Once, and not for each image.
    const streamed = { ...tiled, onError: () => expect.unreachable() };
    await expect(first(model.detectAll([strip], streamed))).rejects.toMatchObject(refused);
    await expect(first(model.spotAll([strip], streamed))).rejects.toMatchObject(refused);
  });

  it.each([
    [{ shortSide: 0 }, '^shortSide is 0; it must be a whole number of at least 1$'],
    [{ shortSide: 736.5 }, '^shortSide is 736.5; it must be a whole number of at least 1$'],
    [{ maxSide: 31 }, '^maxSide is 31; it must be a whole number of at least 32$'],
  ])('of many images refuse %j once, not for each image', async (sizes, message) => {
    const streamed = { ...sizes, onError: () => expect.unreachable() };
    await expect(first(model.detectAll([strip], streamed))).rejects.toMatchObject(
      argument(message),
    );
    await expect(first(model.spotAll([strip], streamed))).rejects.toMatchObject(argument(message));
  });

  const { width, height, channels } = image;
  it.each([
    ['a plain array', Array.from(image.data), 'Uint8ClampedArray with values 0 … 255, not Array'],
    ['floats', new Float32Array(image.data.length), 'not Float32Array'],
    ['signed bytes', new Int8Array(image.data.length), 'not Int8Array'],
    ['16 bits', new Uint16Array(image.data.length), 'not Uint16Array'],
    ['a buffer', image.data.buffer, 'not ArrayBuffer'],
    ['nothing', undefined, 'not Undefined'],
    ['too few', image.data.subarray(1), 'needs 3072 bytes, not 3071'],
  ])('refuse %s as pixels', async (_, data, message) => {
    const odd = { width, height, channels, data } as never;
    await expect(model.detect(odd, small)).rejects.toMatchObject(argument(message));
    for (const use of [() => drawRegions(odd, []), () => encodePng(odd)])
      expect(use).toThrow(message);
  });

  it('take bytes of both kinds, and of another realm', async () => {
    const { runInNewContext } = await import('node:vm');
    const foreign = runInNewContext('new Uint8Array(32 * 32 * 3).fill(90)') as Uint8Array;
    expect(foreign instanceof Uint8Array).toBe(false);
    for (const data of [foreign, new Uint8ClampedArray(image.data), Buffer.from(image.data)])
      expect((await model.detect({ ...image, data }, small)).regions).toEqual([]);
  });

  it('say that bytes need channels', async () => {
    await expect(model.detect({ width, height, data: image.data } as never, small)).rejects.toThrow(
      'give channels: 3 or 4',
    );
  });
});

describe('a source that has one array for all its images', async () => {
  const street = await decodeImage(
    readFileSync(new URL('../../examples/street.jpg', import.meta.url)),
    'street.jpg',
  );
  const model = await loadModel(gpu, packaged);
  afterAll(() => model.dispose());
  const options = { shortSide: 64, minArea: 0, minScore: 0.6 };
  const half = { width: street.width, height: street.height >> 1, channels: street.channels };
  const bytes = half.width * half.height * half.channels;
  const parts = [
    street.data.slice(0, bytes),
    street.data.slice(bytes, 2 * bytes),
    street.data.slice(0, bytes),
  ];

  it('gets the results of separate images', async () => {
    const separate = [];
    for (const data of parts)
      separate.push((await model.detect({ ...half, data }, options)).regions);
    expect(separate[0]).not.toEqual(separate[1]);
    function* reusing(data: Uint8Array) {
      for (const part of parts) {
        data.set(part);
        yield { ...half, data };
      }
      data.fill(0);
    }
    const cases = [
      [1, new Uint8Array(bytes)],
      [3, new Uint8Array(bytes)],
      [3, Buffer.alloc(bytes)],
    ] as const;
    for (const [concurrency, data] of cases) {
      const found = [];
      for await (const { regions } of model.detectAll(reusing(data), { ...options, concurrency }))
        found.push(regions);
      expect(found).toEqual(separate);
    }
  });
});

describe('a device', () => {
  it('without adapter info works, and a pipeline that failed once is compiled again', async () => {
    const { device } = await openGpu({ adapter: gpus.at(-1)!.name });
    Object.defineProperty(device, 'adapterInfo', { value: undefined });
    const own = await requestGpu({ device });
    expect(own.profile).toMatchObject({
      adapter: 'unnamed adapter',
      vendor: '',
      architecture: '',
      software: false,
    });
    const map = {
      text: Float32Array.of(1, 1),
      kernel: Float32Array.of(1, -1),
      embedding: new Float32Array(8),
      height: 1,
      width: 2,
    };
    const aggregate = () =>
      aggregatePixels(own, { ...map, minKernelArea: 0, mode: 'reference', distance: 3 });
    const failing = () => Promise.reject(new Error('out of memory'));
    Object.defineProperty(device, 'createComputePipelineAsync', {
      value: failing,
      configurable: true,
    });
    await expect(aggregate()).rejects.toMatchObject({
      code: 'shader',
      message: expect.stringContaining('out of memory'),
    });
    Reflect.deleteProperty(device, 'createComputePipelineAsync');
    expect(await aggregate()).toEqual({ labels: Int32Array.of(1, 1), kernelCount: 1 });
    device.destroy();
  });
});
