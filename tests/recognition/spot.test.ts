// Spotting through the model: the pieces together, any number of regions, options, what detection
// does not pay for. At the small sizes here words mean nothing.
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { prepareInput } from '../../src/images/input.js';
import { Model } from '../../src/model/model.js';
import { DetectionPass } from '../../src/detection/pass.js';
import { regionsFromMap } from '../../src/detection/regions-from-map.js';
import type { Gpu } from '../../src/gpu/context.js';
import type { PixelImage } from '../../src/images/image.js';
import type { ModelConfig } from '../../src/network/config.js';
import { type FoldedWeights, uploadWeights } from '../../src/network/weights.js';
import { readWeights } from '../../src/network/weights-file.js';
import { packagedWeights } from '../../src/node.js';
import { correctWord } from '../../src/recognition/lexicon.js';
import { greedy } from '../../src/recognition/plan.js';
import { roiOfLabel } from '../../src/recognition/roi.js';
import { loadModel } from '../../src/model/load.js';
import { uploadRecognition } from '../../src/recognition/weights.js';
import { packagedDetector, packagedDetectorFile } from '../support/detector.js';
import { describeOnGpus, gpus } from '../support/gpu.js';
import { plainImage, repeated, signImage } from '../support/picture.js';
import { recognizeRois } from './run-recognition.js';
import { SpottingPass } from '../../src/model/spotting-pass.js';

const image = await signImage();
const detector = packagedDetector();
const { config, tensors } = readWeights(readFileSync(packagedWeights()));
const settings = { shortSide: 64 };
/** Words as the masked RoI reads them; rectified.test.ts has the other reading. */
const once = { ...settings, rectify: false };

function modelOn(gpu: Gpu, own: ModelConfig = config, weights: FoldedWeights = tensors): Model {
  return new Model(
    gpu,
    own,
    uploadWeights(gpu, weights, own),
    uploadRecognition(gpu, weights, own),
  );
}

describeOnGpus('a spotter', (gpu) => {
  it('reads detect’s regions, each through its own label’s mask', async () => {
    const model = modelOn(gpu);
    const detected = await model.detect(image, settings);
    const spotted = await model.spot(image, once);
    const maps = await model.forward(image, { outputs: ['det'], ...settings });
    model.dispose();
    expect(spotted.regions.length).toBeGreaterThan(3);
    expect(spotted.regions.map(({ text: _, textScore: __, ...region }) => region)).toEqual(
      detected.regions,
    );

    const [, height, width] = maps.get('det')!.shape;
    const { size } = prepareInput(image, settings);
    const { regions, labels } = await regionsFromMap(gpu, {
      map: maps.get('det')!.data,
      height,
      width,
      imageSize: size,
      originalSize: image,
      settings: config.detection,
    });
    const rois = regions.map(({ label, mapBox }) =>
      roiOfLabel({ labels, width, scale: 4 }, label, mapBox, size),
    );
    const { words } = await recognizeRois(
      gpu,
      config,
      tensors,
      image,
      settings.shortSide,
      { rois, maskScale: 4 },
      greedy,
    );
    expect(spotted.regions.map(({ text }) => text)).toEqual(words.map(({ text }) => text));
    spotted.regions.forEach(({ textScore }, index) =>
      expect(textScore).toBeCloseTo(words[index].score, 5),
    );
    expect(new Set(words.map(({ text }) => text)).size).toBeGreaterThan(1);
  });
});

const { gpu } = gpus.at(-1)!;

it('an image in tiles has the words of the whole image', async () => {
  const model = modelOn(gpu);
  const strip = repeated(image, 9, [1, 4]); // 864 × 64, two tiles; the seam is at 432
  const whole = await model.spot(strip, once);
  const tiled = await model.spot(strip, { ...once, tileSide: 768 });
  const polygons = whole.regions.map(({ polygon }) => polygon);
  const read = await model.recognize(strip, polygons, once);
  const readInTiles = await model.recognize(strip, polygons, { ...once, tileSide: 768 });
  await expect(
    model.recognize(strip, [{ left: 0, top: 0, right: 5000, bottom: 9 }], {
      shortSide: 64,
      tileSide: 768,
    }),
  ).rejects.toMatchObject({
    code: 'argument',
    message: expect.stringContaining('too large to be'),
  });
  model.dispose();
  expect(whole.regions.length).toBeGreaterThan(3);
  expect(tiled.regions.map(({ text }) => text)).toEqual(whole.regions.map(({ text }) => text));
  expect(tiled.timings.reading).toBeGreaterThan(0);
  expect(readInTiles.words.map(({ text }) => text)).toEqual(read.words.map(({ text }) => text));
  expect(readInTiles).toMatchObject({ width: strip.width, height: strip.height });
  expect(readInTiles.timings.total).toBeGreaterThan(readInTiles.timings.upload);
  const offsets = tiled.regions.map(({ textScore }, at) => textScore - whole.regions[at].textScore);
  console.log(`word scores in tiles: at most ${Math.max(...offsets.map(Math.abs))} away`);
  // Seen: 0.0004 on lavapipe and SwiftShader.
  expect(Math.max(...offsets.map(Math.abs))).toBeLessThan(0.001);
});

describe('a spotter’s options', () => {
  const model = modelOn(gpu);
  afterAll(() => model.dispose());

  it('include characters with probabilities and where they are', async () => {
    const { regions, timings } = await model.spot(image, { ...once, characters: true });
    for (const { text, textScore, characters, box } of regions) {
      expect(characters!.map(({ character }) => character).join('')).toBe(text);
      const sum = characters!.reduce((total, { probability }) => total + probability, 0);
      expect(textScore).toBeCloseTo(sum / (characters!.length + 1e-6), 6);
      for (const {
        attention: [x, y],
      } of characters!) {
        expect(x).toBeGreaterThan(box.left - 2);
        expect(x).toBeLessThan(box.right + 1);
        expect(y).toBeGreaterThan(box.top - 2);
        expect(y).toBeLessThan(box.bottom + 1);
      }
    }
    expect(timings.reading).toBeGreaterThan(0);
    if (gpu.profile.timestamps) {
      expect(timings.features).toBeGreaterThan(0);
      expect(timings.recognition).toBeGreaterThan(0);
    }
    expect(
      (await model.spot(image, once)).regions.every((region) => !('characters' in region)),
    ).toBe(true);
  });

  it('include a correction, whose dropped words’ regions are left out', async () => {
    const { regions } = await model.spot(image, once);
    const lexicon = ['EXIT', `x${regions[0].text}`, regions[1].text.slice(1)];
    const correction = {
      lengthThreshold: 1,
      scoreThreshold: 1,
      nonAlphaScoreThreshold: 0.5,
      // Drops the least certain word.
      ignoreScoreThreshold: Math.min(...regions.map(({ textScore }) => textScore)) + 1e-6,
    };
    const corrected = await model.spot(image, { ...once, lexicon, correction });
    const words = regions.map(({ text, textScore }) =>
      correctWord(text, textScore, undefined, correction),
    );
    expect(words).toContain(undefined);
    expect(corrected.regions.length).toBeLessThan(regions.length);
    for (const { label, text } of corrected.regions) {
      const read = regions.find((region) => region.label === label)!.text;
      expect(/^\p{L}+$/u.test(read) ? lexicon : [read]).toContain(text);
    }
    // Without a lexicon the rule's thresholds apply alone.
    const kept = await model.spot(image, { ...once, correction });
    expect(kept.regions.map(({ text }) => text)).toEqual(
      words.filter((word) => word !== undefined),
    );
  });

  it('include a beam, which finds words at least as probable', async () => {
    const value = (characters: readonly { probability: number }[]) =>
      characters.reduce((sum, { probability }) => sum + Math.log(probability), 0);
    const narrow = await model.spot(image, { ...once, characters: true });
    const same = await model.spot(image, { ...once, characters: true, beam: 1 });
    const wide = await model.spot(image, { ...once, characters: true, beam: 8 });
    expect(same.regions).toEqual(narrow.regions);
    expect(wide.regions.map(({ label }) => label)).toEqual(
      narrow.regions.map(({ label }) => label),
    );
    expect(wide.regions.some(({ text }, index) => text !== narrow.regions[index].text)).toBe(true);
    expect(wide.regions.every(({ characters }) => Number.isFinite(value(characters!)))).toBe(true);
  });

  it.each([0, 33, 1.5, NaN])('refuse a beam of %d', async (beam) => {
    await expect(model.spot(image, { beam })).rejects.toThrow(
      `beam is ${beam}; it must be a whole number from 1 to 32`,
    );
    await expect(model.recognize(image, [], { beam })).rejects.toMatchObject({ code: 'argument' });
  });

  it('are detect’s too', async () => {
    const { regions } = await model.spot(image, {
      ...once,
      scale: 2,
      bbox: 'poly',
      minArea: 100,
    });
    const detected = await model.detect(image, {
      ...settings,
      scale: 2,
      bbox: 'poly',
      minArea: 100,
    });
    expect(regions.map(({ polygon }) => polygon)).toEqual(
      detected.regions.map(({ polygon }) => polygon),
    );
    await expect(model.spot(image, { scale: 3 })).rejects.toThrow('scale is 3');
  });
});

describe('any number of regions', () => {
  const model = modelOn(gpu);
  afterAll(() => model.dispose());
  it('may be zero', async () => {
    const grey = plainImage(64, 128);
    expect((await model.spot(grey, { shortSide: 64, minScore: 1 })).regions).toEqual([]);
    expect((await model.recognize(grey, [], { shortSide: 64 })).words).toEqual([]);
  });

  it('may be one, or 33 in 3 rounds, each read as if it were the only one', async () => {
    const boxes = (await model.detect(image, settings)).regions.map(({ box }) => box);
    const alone: string[] = [];
    for (const box of boxes) alone.push((await model.recognize(image, [box], once)).words[0].text);
    expect(new Set(alone).size).toBeGreaterThan(2);
    const order = Array.from(
      { length: 33 },
      (_, index) => (index * index + 3 * index) % boxes.length,
    );
    const { words, width, height } = await model.recognize(
      image,
      order.map((which) => boxes[which]),
      once,
    );
    expect([width, height]).toEqual([image.width, image.height]);
    expect(words.map(({ text }) => text)).toEqual(order.map((which) => alone[which]));
  });

  it('is read in any shape: a box and its polygon are the same', async () => {
    // At the image's own size a box's last pixels are the polygon's corners.
    const tile: PixelImage = {
      width: 64,
      height: 64,
      channels: 3,
      data: image.data.slice(0, 64 * 64 * 3),
    };
    const box = { left: 3, top: 5, right: 30, bottom: 17 };
    const polygon = [
      [3, 5],
      [29, 5],
      [29, 16],
      [3, 16],
    ] as const;
    const { words } = await model.recognize(tile, [box, polygon], {
      ...once,
      characters: true,
    });
    expect(words[1]).toEqual(words[0]);
  });

  it('is refused in one line if one is invalid', async () => {
    const outside = [
      [image.width + 9, 1],
      [image.width + 20, 1],
      [image.width + 20, 9],
    ] as const;
    await expect(
      model.recognize(image, [{ left: 0, top: 0, right: 9, bottom: 9 }, outside]),
    ).rejects.toThrow(
      `region 1 covers nothing of the image of ${image.width} × ${image.height} pixels`,
    );
  });
});

describe('a model that only detects', () => {
  it('says so in one line', async () => {
    const model = await loadModel(gpu, packagedDetectorFile());
    for (const call of [model.spot(image), model.recognize(image, [])]) {
      await expect(call).rejects.toThrow(
        'this model only detects text: it has no recognition head',
      );
      await expect(call).rejects.toMatchObject({ code: 'weights' });
    }
    model.dispose();
  });

  it('takes as much memory as a spotter that only detects', async () => {
    const [plain, spotter] = [modelOn(gpu, detector.config, detector.tensors), modelOn(gpu)];
    const regions = [];
    for (const model of [plain, spotter])
      regions.push((await model.detect(image, settings)).regions);
    expect(regions[1]).toEqual(regions[0]);
    expect(spotter.memory.programs).toBe(plain.memory.programs);
    expect(spotter.memory.weights).toBeGreaterThan(plain.memory.weights);
    plain.dispose();
    spotter.dispose();
  });
});

it('a spotter’s working memory at 736 × 1312, for any number of regions, is within 1.3 times a detector’s', async () => {
  const weights = uploadWeights(gpu, tensors, config);
  const head = {
    weights: uploadRecognition(gpu, tensors, config)!,
    vocabulary: config.recognition!.vocabulary,
  };
  const input = prepareInput(
    { width: 1312, height: 736, channels: 3, data: new Uint8Array(736 * 1312 * 3) },
    { shortSide: 736 },
  );
  const detection = await DetectionPass.create(gpu, config, weights, input.upload, input.size);
  const spotting = await SpottingPass.create(
    gpu,
    { config, weights, head, decoding: greedy },
    input,
  );
  const [before, after] = [detection, spotting].map(({ memory }) => memory.bytes / 2 ** 20);
  console.log(
    `working memory at 736 × 1312: detection ${before.toFixed(1)} MiB, spotting ${after.toFixed(1)} MiB`,
  );
  expect(after).toBeLessThan(1.3 * before);
  for (const held of [detection, spotting, weights, head.weights]) held.dispose();
});
