import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { type Model } from '../../src/model/model.js';
import { regionsFromMap } from '../../src/detection/regions-from-map.js';
import type { Gpu } from '../../src/gpu/context.js';
import { decodeImage } from '../../src/images/decode.js';
import type { PixelImage } from '../../src/images/image.js';
import { intersectionOverUnion, outline } from '../../src/evaluation/geometry.js';
import { convertCheckpoint, openGpu, packagedWeights } from '../../src/node.js';
import { describeOnGpus, describeOnGpusWith, gpus } from '../support/gpu.js';
import { cropped, exampleImage, signImage, textureOf } from '../support/picture.js';
import { hasWholeReference, referenceBytes, sharedPath } from '../support/reference.js';
import { readDetectionCases } from '../shapes/detection-cases.js';
import { loadModel } from '../../src/model/load.js';

describeOnGpus('regions from maps', (gpu) => {
  it.each(readDetectionCases())(
    'equal the reference in case $id',
    async ({ det, height, width, label, expected }) => {
      const [imageHeight, imageWidth] = expected.img_size;
      const { regions, labels } = await regionsFromMap(gpu, {
        map: det,
        height,
        width,
        imageSize: { height: imageHeight, width: imageWidth },
        originalSize: { height: expected.org_img_size[0], width: expected.org_img_size[1] },
        settings: {
          minScore: expected.min_score,
          minArea: expected.min_area,
          minKernelArea: expected.min_kernel_area,
          scale: expected.scale,
          bbox: expected.bbox_type,
        },
      });
      expect(regions.map((region) => region.label)).toEqual(expected.instances);
      expect(regions.map(({ polygon }) => polygon.flat())).toEqual(expected.bboxes);
      regions.forEach(({ score }, index) =>
        expect(Math.abs(score - expected.scores[index])).toBeLessThan(1e-5),
      );
      const kept = new Set(expected.instances);
      expect(labels.map((value) => (kept.has(value) ? value : 0))).toEqual(label);
    },
  );

  it('refuses a map of another size', async () => {
    const size = { height: 8, width: 8 };
    const settings = { minScore: 0, minArea: 0, minKernelArea: 0, scale: 4, bbox: 'rect' } as const;
    const input = {
      map: new Float32Array(5),
      height: 2,
      width: 2,
      imageSize: size,
      originalSize: size,
      settings,
    };
    await expect(regionsFromMap(gpu, input)).rejects.toThrow(
      'a map of 6 × 2 × 2 has 24 values, not 5',
    );
    await expect(
      regionsFromMap(gpu, {
        ...input,
        map: new Float32Array(24),
        imageSize: { height: 8, width: 80 },
      }),
    ).rejects.toThrow(/over 32 times smaller than its image/);
  });
});

const { gpu } = gpus.at(-1)!;

describe('a model', async () => {
  const image = await signImage();
  const small = { shortSide: 96 };
  const model = await loadModel(gpu, readFileSync(packagedWeights()));
  afterAll(() => model.dispose());

  it('finds the example’s text, with timings and sizes', async () => {
    const { regions, width, height, timings } = await model.detect(image, small);
    expect([width, height]).toEqual([image.width, image.height]);
    expect(regions.length).toBeGreaterThan(3);
    for (const { polygon, box, score, area } of regions) {
      expect(polygon).toHaveLength(4);
      expect(box.right).toBeGreaterThan(box.left);
      expect(score).toBeGreaterThan(0.85);
      expect(area).toBeGreaterThan(0);
    }
    expect(timings.total).toBeGreaterThan(0);
    if (gpu.profile.timestamps) expect(timings.network).toBeGreaterThan(0);
  });

  it('gives the same for RGB and RGBA, whatever the alpha', async () => {
    const data = new Uint8Array(image.width * image.height * 4);
    for (let pixel = 0; pixel < image.width * image.height; pixel++) {
      data.set(image.data.subarray(pixel * image.channels, pixel * image.channels + 3), 4 * pixel);
      data[4 * pixel + 3] = pixel % 256;
    }
    const rgba: PixelImage = { width: image.width, height: image.height, channels: 4, data };
    expect((await model.detect(rgba, small)).regions).toEqual(
      (await model.detect(image, small)).regions,
    );
  });

  it('gives ten callers of different sizes and settings what each gets alone', async () => {
    const turned = mirrored(image);
    const wide = cropped(image, { width: 480, height: 160 });
    const tall = cropped(image, { width: 200, height: 320 });
    const tiny = { shortSide: 64, minArea: 0 };
    const calls = [
      [image, tiny],
      [turned, tiny],
      [image, { ...tiny, minScore: 0.97, bbox: 'poly' }],
      [wide, { shortSide: 32, minArea: 0 }],
      [tall, { shortSide: 32, minArea: 0, minScore: 0 }],
      [image, { ...tiny, scale: 2 }],
      [image, { ...tiny, mode: 'always', distance: 1 }],
      [tall, { shortSide: 32, minArea: 0, minScore: 0, bbox: 'poly', tolerance: 4 }],
      [image, tiny],
      [turned, { ...tiny, minScore: 0 }],
    ] as const;
    const regionsOf = async ([picture, options]: (typeof calls)[number]) =>
      (await model.detect(picture, options)).regions;
    const alone = [];
    for (const call of calls) alone.push(await regionsOf(call));

    const [together, batch, map] = await Promise.all([
      Promise.all(calls.map(regionsOf)),
      model.detectBatch([turned, turned], { ...tiny, minScore: 0 }),
      model.forward(image, { outputs: ['det'], shortSide: 64 }),
    ]);
    expect(together).toEqual(alone);
    expect(batch.regions).toEqual([alone[9], alone[9]]);
    const again = await model.forward(image, { outputs: ['det'], shortSide: 64 });
    expect(again.get('det')!.data).toEqual(map.get('det')!.data);

    expect(alone[0]).not.toEqual(alone[1]);
    expect(alone[8]).toEqual(alone[0]);
    expect(alone[2].length).toBeLessThan(alone[0].length);
    // Not all are empty, or alike.
    expect(new Set(alone.map((regions) => JSON.stringify(regions))).size).toBeGreaterThan(7);
  });

  it('limits the longer side', async () => {
    const limited = await model.detect(image, { shortSide: 320, maxSide: 128 });
    const small = await model.detect(image, { shortSide: 85 });
    expect(limited.regions).toEqual(small.regions);
    const maps = await model.forward(image, { outputs: ['det'], shortSide: 320, maxSide: 128 });
    expect(maps.get('det')!.shape).toEqual([6, 24, 32]);
  });

  it('takes scale 2 and the mode `always`', async () => {
    const { regions } = await model.detect(image, {
      ...small,
      scale: 2,
      mode: 'always',
      distance: 6,
    });
    expect(regions.length).toBeGreaterThan(3);
  });

  it.each([
    [{ shortSide: 0 }, /shortSide is 0/],
    [{ shortSide: 1e6 }, /choose a smaller short side, or limit the longer side/],
    [{ maxSide: 16 }, /maxSide is 16; it must be a whole number of at least 32/],
    [{ minScore: 2 }, /minScore is 2; it must be a number from 0 to 1/],
    [{ scale: 3 }, /scale is 3; it must be 1, 2 or 4/],
    [{ tolerance: 2, bbox: 'rect' as const }, /tolerance applies to 'poly' only/],
  ])('refuses %o in one line and goes on', async (options, message) => {
    await expect(model.detect(image, options)).rejects.toThrow(message);
  });

  it('refuses an image whose fields contradict one another', async () => {
    await expect(model.detect({ ...image, width: image.width + 1 })).rejects.toThrow(
      /needs \d+ bytes, not/,
    );
    await expect(model.detect({ ...image, width: 0 })).rejects.toThrow(
      /^an image's width is 0; it must be a whole number of at least 1$/,
    );
  });

  it('names the maps it has', async () => {
    await expect(model.forward(image, { outputs: ['c9'] })).rejects.toThrow(
      /no map named c9; it has backbone\.c2/,
    );
  });

  it('finds nothing in a grey image and in one pixel', async () => {
    for (const size of [1, 64]) {
      const grey: PixelImage = {
        width: size,
        height: size,
        channels: 3,
        data: new Uint8Array(size * size * 3).fill(128),
      };
      expect((await model.detect(grey, { shortSide: 64 })).regions).toEqual([]);
    }
  });
});

describe('a model with many callers', async () => {
  const image = await signImage();
  const small = { shortSide: 64, minArea: 0 };
  const bytes = readFileSync(packagedWeights());
  const models = await Promise.all([loadModel(gpu, bytes), loadModel(gpu, bytes)]);
  const [model] = models;
  const alone = (await model.detect(image, small)).regions;
  afterAll(() => models.forEach((each) => each.dispose()));

  it('shares its device with others', async () => {
    expect(alone.length).toBeGreaterThan(3);
    const calls = models.flatMap((each) => [
      each.detect(image, small),
      each.detect(mirrored(image), small),
      each.detect(image, small),
    ]);
    const [a, b, c, d, e, f] = (await Promise.all(calls)).map(({ regions }) => regions);
    expect([a, c, d, f]).toEqual([alone, alone, alone, alone]);
    expect(b).toEqual(e);
    expect(b).not.toEqual(a);
  });

  it('takes a stream of images of many sizes, more sizes than it keeps programs for', async () => {
    const sizes = [
      [480, 320],
      [200, 300],
      [480, 320],
      [320, 320],
      [120, 320],
      ...Array.from({ length: 6 }, (_, index) => [32, 32 + index]),
      [200, 300],
    ];
    const images = sizes.map(([width, height]) => cropped(image, { width, height }));
    const options = { ...small, concurrency: 3 };
    const results = [];
    for await (const { index, width, height, regions } of model.detectAll(images, options))
      results.push({ index, width, height, regions });
    expect(results.map(({ index, width, height }) => [index, width, height])).toEqual(
      sizes.map((size, index) => [index, ...size]),
    );
    // By now the first ones' programs are gone.
    for (const index of [0, 1, images.length - 1])
      expect(results[index].regions).toEqual((await model.detect(images[index], small)).regions);
    expect(results.flatMap(({ regions }) => regions).length).toBeGreaterThan(0);
  });

  it('passes an image that fails by, on request, and else ends with it', async () => {
    const images = [
      cropped(image, { width: 64, height: 64 }),
      { ...image, width: 7 },
      cropped(image, { width: 64, height: 64 }),
    ];
    const failed: string[] = [];
    const seen: number[] = [];
    for await (const { index } of model.detectAll(images, {
      ...small,
      onError: (error, at) => failed.push(`${at}: ${(error as Error).message}`),
    }))
      seen.push(index);
    expect(seen).toEqual([0, 2]);
    expect(failed).toEqual([expect.stringMatching(/^1: an image of 7 × 320 × 3 needs/)]);
    await expect(all(model.detectAll(images, small))).rejects.toMatchObject({ code: 'argument' });
  });

  it('gives the same for several images of one size at once as for each alone', async () => {
    const batch = [image, mirrored(image), image];
    const [{ regions, width, height, timings }, single, { regions: turned }] = await Promise.all([
      model.detectBatch(batch, small),
      model.detectBatch([image], small),
      model.detect(mirrored(image), small),
    ]);
    expect(regions).toEqual([alone, turned, alone]);
    expect(single.regions).toEqual([alone]);
    expect([width, height]).toEqual([image.width, image.height]);
    expect(timings.total).toBeGreaterThan(timings.network ?? 0);
  });

  it('refuses invalid batches', async () => {
    for (const none of [[], 'no', image] as never[])
      await expect(model.detectBatch(none)).rejects.toThrow(
        'a batch is an array of one image at least',
      );
    await expect(model.detectBatch([image, null as never])).rejects.toMatchObject({
      code: 'argument',
      message: expect.stringContaining('an image is null'),
    });
    await expect(model.detect(undefined as never)).rejects.toThrow('an image is undefined; give {');
    await expect(
      model.detectBatch([image, image, cropped(image, { width: 64, height: 48 })], small),
    ).rejects.toThrow(
      `image 2 of the batch has 64 × 48 pixels and image 0 has ${image.width} × ${image.height} pixels; use detectAll for images of different sizes`,
    );
    const grey: PixelImage = {
      width: image.width,
      height: image.height,
      channels: 4,
      data: new Uint8Array(image.width * image.height * 4),
    };
    await expect(model.detectBatch([image, grey], small)).rejects.toThrow(
      'image 1 of the batch is bytes with 4 channels and image 0 is bytes with 3 channels; give all in one form',
    );
    await expect(model.detectBatch([image, { ...image, width: 7 }], small)).rejects.toMatchObject({
      code: 'argument',
    });
    await expect(
      model.detectBatch([image], { signal: AbortSignal.abort(new Error('no')) }),
    ).rejects.toThrow('no');
    expect((await model.detect(image, small)).regions).toEqual(alone);
  });

  it('stops waiting when aborted: before, in the queue, and at work', async () => {
    const reason = new Error('never mind');
    await expect(model.detect(image, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    await expect(
      model.forward(image, { outputs: ['det'], signal: AbortSignal.abort(reason) }),
    ).rejects.toBe(reason);
    const controller = new AbortController();
    const options = { ...small, signal: controller.signal };
    const calls = [
      model.detect(image, options),
      model.detect(image, options),
      model.detect(image, small),
    ];
    setTimeout(() => controller.abort(reason), 1);
    const [first, second, third] = await Promise.allSettled(calls);
    expect([first, second]).toEqual([
      { status: 'rejected', reason },
      { status: 'rejected', reason },
    ]);
    expect(third).toMatchObject({ status: 'fulfilled', value: { regions: alone } });
    await expect(all(model.detectAll([image, image], options))).rejects.toBe(reason);
  });

  it.each(['rgba8unorm', 'bgra8unorm'] as const)(
    'looks at a texture of %s as at its bytes',
    async (format) => {
      const texture = textureOf(gpu, image, format);
      const found = await model.detect(texture, small);
      texture.destroy();
      expect(found).toMatchObject({ width: image.width, height: image.height, regions: alone });
    },
  );

  it('reports why a texture can’t be used', async () => {
    const make = (settings: Partial<GPUTextureDescriptor>, device = gpu.device) =>
      device.createTexture({
        size: [8, 8],
        format: 'rgba8unorm',
        usage: GPUTextureUsage.TEXTURE_BINDING,
        ...settings,
      });
    await expect(model.detect(make({ format: 'rgba8unorm-srgb' }))).rejects.toThrow(
      /not a 2d one of rgba8unorm-srgb/,
    );
    await expect(model.detect(make({ usage: GPUTextureUsage.COPY_SRC }))).rejects.toMatchObject({
      code: 'argument',
    });
    const other = await openGpu({ adapter: 'software' });
    await expect(model.detect(make({}, other.device))).rejects.toThrow(
      /can't be read on the model's device/,
    );
    other.dispose();
  });

  it('finishes what is under way when it is disposed of', async () => {
    const own = await loadModel(gpu, bytes);
    const calls = [own.detect(image, small), own.detect(image, small)];
    await calls[0];
    const late = expect(own.detect(image, small)).rejects.toMatchObject({ code: 'disposed' });
    own.dispose();
    expect((await calls[1]).regions).toEqual(alone);
    await late;
    await expect(own.detect(image, small)).rejects.toMatchObject({ code: 'disposed' });
  });
});

describeOnGpusWith('f16', 'a model in 16 bits', (own) => {
  it('gives maps close to those in 32 bits', async () => {
    const image = cropped(await exampleImage(), { width: 960, height: 640 });
    const options = { outputs: ['backbone.c2', 'backbone.c5', 'det'], shortSide: 64 };
    const [half, whole] = await Promise.all(
      (['f16', 'f32'] as const).map(async (precision) => {
        const model = await loadModel(own, readFileSync(packagedWeights()), { precision });
        expect(model.precision).toBe(precision);
        const maps = await model.forward(image, options);
        model.dispose();
        return maps;
      }),
    );
    for (const [name, { shape, data }] of whole) {
      expect(half.get(name)!.shape).toEqual(shape);
      const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const difference = data.reduce(
        (most, value, at) => Math.max(most, Math.abs(value - half.get(name)!.data[at])),
        0,
      );
      console.log(`${name} in f16: ${(difference / largest).toExponential(1)} from f32`);
      expect(difference).toBeGreaterThan(0);
      expect(difference / largest).toBeLessThan(2e-2);
    }
  });
});

describe('disposing', () => {
  it('of a model leaves the GPU usable, and a disposed one says so', async () => {
    const bytes = readFileSync(packagedWeights());
    const model = await loadModel(gpu, bytes);
    model.dispose();
    model.dispose();
    const dot: PixelImage = { width: 1, height: 1, channels: 3, data: new Uint8Array(3) };
    await expect(model.detect(dot)).rejects.toMatchObject({ code: 'disposed' });
    const again = await loadModel(gpu, bytes);
    expect((await again.detect(dot, { shortSide: 32 })).regions).toEqual([]);
    again.dispose();
  });

  it('of the GPU ends its models with a typed error', async () => {
    const own: Gpu = await openGpu({ adapter: 'software' });
    const model: Model = await loadModel(own, readFileSync(packagedWeights()));
    own.dispose();
    own.dispose();
    const dot: PixelImage = { width: 1, height: 1, channels: 3, data: new Uint8Array(3) };
    await expect(model.detect(dot)).rejects.toMatchObject({ code: 'disposed' });
    await expect(loadModel(own, readFileSync(packagedWeights()))).rejects.toMatchObject({
      code: 'disposed',
    });
  });

  it('a destroyed device is reported as lost', async () => {
    const own = await openGpu({ adapter: 'software' });
    const model = await loadModel(own, readFileSync(packagedWeights()));
    own.device.destroy();
    await own.device.lost;
    const dot: PixelImage = { width: 1, height: 1, channels: 3, data: new Uint8Array(3) };
    await expect(model.detect(dot)).rejects.toMatchObject({ code: 'device-lost' });
    own.dispose();
  });
});

interface StarterImage {
  readonly image: string;
  readonly short_side: number;
  readonly settings: {
    min_score: number;
    min_area: number;
    min_kernel_area: number;
    scale: number;
    bbox_type: 'rect' | 'poly';
  };
  readonly regions: readonly { polygon: [number, number][]; score: number }[];
}

// The photographs are not part of the project. SwiftShader would take minutes for each; what it
// computes is compared with the reference in smaller maps.
const photographs = hasWholeReference && gpu.profile.architecture !== 'swiftshader';
if (!photographs)
  console.log(
    'photographs are not compared with the reference: they lie beside the project, and take a faster adapter than SwiftShader',
  );
describe.runIf(photographs)('a trained checkpoint, against the reference pipeline', async () => {
  const starter = sharedPath('checkpoints/pan_pp_r18_starter.pth.tar');
  const { weights } = photographs
    ? convertCheckpoint(readFileSync(starter), { half: true, source: starter })
    : { weights: readFileSync(packagedWeights()) };
  const model = await loadModel(gpu, weights);
  afterAll(() => model.dispose());
  const images = photographs
    ? (JSON.parse(
        Buffer.from(referenceBytes('starter_detections.json')).toString(),
      ) as StarterImage[])
    : [];

  it.each(images)(
    'find its regions in $image: F ≥ 0.98 at IoU 0.9',
    async ({ image, short_side, settings, regions: expected }) => {
      const pixels = await decodeImage(readFileSync(sharedPath(`data/${image}`)), image);
      const { regions } = await model.detect(pixels, {
        shortSide: short_side,
        minScore: settings.min_score,
        minArea: settings.min_area,
        minKernelArea: settings.min_kernel_area,
        scale: settings.scale,
        bbox: settings.bbox_type,
      });
      const matched = expected.filter(({ polygon }) =>
        regions.some(
          (region) => intersectionOverUnion(outline(region.polygon), outline(polygon)) >= 0.9,
        ),
      ).length;
      const f = (2 * matched) / (expected.length + regions.length);
      const equal = expected.filter(({ polygon }) =>
        regions.some((region) => JSON.stringify(region.polygon) === JSON.stringify(polygon)),
      ).length;
      console.log(
        `${image}: F ${f.toFixed(3)}, ${equal} of ${expected.length} regions equal to the pixel`,
      );
      expect(f).toBeGreaterThanOrEqual(0.98);
    },
  );
});

async function all<T>(results: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const result of results) list.push(result);
  return list;
}

function mirrored({ width, height, channels, data }: PixelImage): PixelImage {
  const turned = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * width + x) * channels;
      turned.set(data.subarray(from, from + channels), (y * width + (width - 1 - x)) * channels);
    }
  }
  return { width, height, channels, data: turned };
}
