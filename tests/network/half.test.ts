// The network in f16: against the reference's tensors, and against itself in f32 on a photograph
// with the package's weights.
import { readFileSync } from 'node:fs';
import { PNG } from 'pngjs';
import { expect, it } from 'vitest';
import { floatToHalf } from '../../src/half.js';
import { readSafetensors } from '../../src/checkpoint/safetensors.js';
import type { Gpu } from '../../src/gpu/context.js';
import type { PixelImage } from '../../src/images/image.js';
import { featureMap } from '../../src/layers/feature-map.js';
import type { Precision } from '../../src/layers/precision.js';
import {
  type ModelConfig,
  detectionPresets,
  mapChannels,
  resnet101,
  resnet18,
  resnet50,
  vocabularies,
} from '../../src/network/config.js';
import { planNetwork } from '../../src/network/plan.js';
import { type FoldedWeights, foldCheckpoint, uploadWeights } from '../../src/network/weights.js';
import { readWeights } from '../../src/network/weights-file.js';
import { packagedWeights } from '../../src/node.js';
import { greedy, planRecognition } from '../../src/recognition/plan.js';
import { packSettings } from '../../src/recognition/reader.js';
import { packMasks, packRegions, roiOfLabel, roiOfShape } from '../../src/recognition/roi.js';
import {
  foldedProcedural,
  recognizeRois,
  runKernels,
  spotterConfig,
} from '../recognition/run-recognition.js';
import { expectClose } from '../support/close.js';
import { describeOnGpusWith } from '../support/gpu.js';
import { cropped, exampleImage } from '../support/picture.js';
import { proceduralCheckpoint } from '../support/procedural.js';
import { referenceBytes } from '../support/reference.js';
import { randomValues, runLayers, stored } from '../support/run-layer.js';
import { type Planes, normalised } from '../support/twin.js';

// What one Winograd conv may do, as in the layers' own tests: values move by no more than 2⁻¹¹,
// relative, when they are stored, and those of its weights, transformed maps and products move its
// output 4.8 · √3 times as far. A whole network does no more, because blocks add to what was there
// and errors of different layers are independent. Seen: 1.6e-3 at most.
const bound = (1 + 4.8 * Math.sqrt(3)) * 2 ** -11;

const config = (
  backbone: ModelConfig['backbone'],
  fusion: ModelConfig['neck']['fusion'] = 'pan++',
): ModelConfig => ({
  backbone,
  neck: { fpems: 2, fusion },
  detection: detectionPresets.icdar2015,
});

const png = PNG.sync.read(Buffer.from(referenceBytes('input_224x320.png')));
const input: PixelImage = { width: png.width, height: png.height, channels: 4, data: png.data };

/** Maps of the network on an image of its size, by name. */
async function mapsOf(
  gpu: Gpu,
  own: ModelConfig,
  tensors: FoldedWeights,
  image: PixelImage,
  names: readonly string[],
  precision: Precision,
) {
  const weights = uploadWeights(gpu, tensors, own, precision);
  await weights.ready;
  const maps = await runLayers(gpu, [normalised(image)], ([map]) => {
    const plan = planNetwork(own, weights, map);
    return { output: names.map((name) => plan.maps.get(name)!), dispatches: plan.dispatches };
  });
  weights.dispose();
  const { bytes } = weights;
  return {
    bytes,
    maps: maps.map((map, index) =>
      names[index] === 'det' ? firstChannels(map, mapChannels) : map,
    ),
  };
}

function firstChannels(map: Planes, channels: number): Planes {
  return { ...map, channels, data: map.data.subarray(0, channels * map.height * map.width) };
}

/** max |difference| / max |value| */
function largestDifference(actual: Float32Array, expected: Float32Array): number {
  const largest = (values: Float32Array) =>
    values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return largest(actual.map((value, index) => value - expected[index])) / largest(expected);
}

describeOnGpusWith('f16', 'in f16', (gpu) => {
  it.each([
    ['resnet18_procedural', config(resnet18)],
    ['resnet50_procedural', config(resnet50)],
    ['resnet101_procedural', config(resnet101)],
    ['pan_resnet18_procedural', config(resnet18, 'pan')],
  ] as const)('the network is near %s in every stored tensor', async (file, own) => {
    const { tensors } = readSafetensors(referenceBytes(`${file}.safetensors`));
    const names = [...tensors.keys()].filter((name) => !name.startsWith('rec.'));
    const weights = foldCheckpoint(proceduralCheckpoint(own), own, 'procedural');
    const { maps } = await mapsOf(gpu, own, weights, input, names, 'f16');
    const rows = names.map((name, index) => {
      const expected = tensors.get(name)!.data as Float32Array;
      const difference = expectClose(maps[index].data, expected, bound, name);
      return `${name} ${difference.toExponential(1)} (largest ${largestDifference(maps[index].data, expected).toExponential(1)})`;
    });
    console.log(`${file} in f16 on ${gpu.profile.adapter}: ${rows.join(', ')}`);
  });

  it('the head’s map of a photograph is within 1 % of float32’s, with half the weights', async () => {
    const { config: own, tensors } = readWeights(readFileSync(packagedWeights()));
    const image = cropped(await exampleImage(), { height: 320, width: 480 });
    const [wide, narrow] = [
      await mapsOf(gpu, own, tensors, image, ['det'], 'f32'),
      await mapsOf(gpu, own, tensors, image, ['det'], 'f16'),
    ];
    const [expected, actual] = [wide, narrow].map(({ maps }) => maps[0].data);
    // Text and background are both there.
    expect(expected.some((value) => value > 3) && expected.some((value) => value < -3)).toBe(true);
    const difference = largestDifference(actual, expected);
    console.log(
      `det of a photograph in f16 on ${gpu.profile.adapter}: largest difference ${difference.toExponential(1)} of the largest value`,
    );
    expect(difference).toBeLessThan(0.01);
    // Biases stay float32.
    expect(narrow.bytes / wide.bytes).toBeLessThan(0.502);
  });

  it('masked RoI reads features that are stored in 16 bits', async () => {
    const image = { height: 64, width: 96 };
    const values = stored(randomValues(128 * 16 * 24), 'f16');
    const rois = [
      { left: 4, top: 6, right: 60, bottom: 30 },
      { left: 70, top: 0, right: 80, bottom: 60 },
    ].map((box, index) => roiOfShape(box, `region ${index}`, image, image));
    const crops = async (precision: Precision) => {
      const map = featureMap('features', 16, 24, 128, precision);
      const unused = { encoder: {} as GPUBuffer, decoder: {} as GPUBuffer, classes: 39 };
      const plan = planRecognition(map, image, unused, greedy, rois.length);
      const [bytes] = await runKernels(gpu, {
        dispatches: plan.dispatches.slice(0, 1),
        writes: [
          [map.slot, precision === 'f16' ? floatToHalf(values) : values],
          [plan.regions, packRegions(rois)],
          [plan.masks, packMasks(rois)],
          [plan.settings, packSettings(rois.length, 1)],
        ],
        reads: [[plan.crops, rois.length * 256 * 128 * 4]],
      });
      return new Float32Array(bytes);
    };
    const [narrow, wide] = [await crops('f16'), await crops('f32')];
    expect(narrow.some((value) => value !== 0)).toBe(true);
    expectClose(narrow, wide, 1e-6, 'crops');
  });

  it('recognition is near the reference in crops, holistic features and logits', async () => {
    const { tensors } = readSafetensors(referenceBytes('resnet18_procedural.safetensors'));
    const floats = (name: string) => tensors.get(`rec.${name}`)!.data as Float32Array;
    const whole = (name: string) => Int32Array.from(tensors.get(`rec.${name}`)!.data, Number);
    const own = spotterConfig(vocabularies.lowercase);
    const boxes = whole('boxes_tlbr');
    const labels = { labels: whole('label'), width: input.width, scale: 1 };
    const rois = Array.from({ length: boxes.length / 4 }, (_, index) => {
      const [top, left, bottom, right] = boxes.subarray(4 * index);
      return roiOfLabel(labels, index + 1, { top, left, bottom, right }, input);
    });
    const tokens = Uint32Array.from(whole('target'));
    const forced = { beam: 1, length: tokens.length / rois.length, forced: true };
    const read = await recognizeRois(
      gpu,
      own,
      foldedProcedural(own),
      input,
      224,
      { rois, maskScale: 1 },
      forced,
      tokens,
      'f16',
    );
    const rows = (['crops', 'holistic', 'logits'] as const).map(
      (name) => `${name} ${expectClose(read[name], floats(name), bound, name).toExponential(1)}`,
    );
    console.log(
      `recognition behind a network in f16 on ${gpu.profile.adapter}: ${rows.join(', ')}`,
    );
  });
});
