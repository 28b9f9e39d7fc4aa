// The recognition head against the reference, tensor by tensor, with procedural weights.
import { expect, it } from 'vitest';
import { readSafetensors } from '../../src/checkpoint/safetensors.js';
import { decodeImage } from '../../src/images/decode.js';
import { featureMap } from '../../src/layers/feature-map.js';
import { resnet18, vocabularies } from '../../src/network/config.js';
import { greedy, planRecognition } from '../../src/recognition/plan.js';
import { roiOfLabel } from '../../src/recognition/roi.js';
import { uploadRecognition } from '../../src/recognition/weights.js';
import { readWords } from '../../src/recognition/words.js';
import { expectClose } from '../support/close.js';
import { describeOnGpus } from '../support/gpu.js';
import { referenceBytes } from '../support/reference.js';
import { decodeCrops, foldedProcedural, recognizeRois, spotterConfig } from './run-recognition.js';

const bound = 1e-4;

describeOnGpus('recognition', (gpu) => {
  // With other backbones the head has the same input: the neck's maps.
  it('equals resnet18_procedural in crops, holistic features, logits, words and scores', async () => {
    const file = 'resnet18_procedural';
    const { tensors, metadata } = readSafetensors(referenceBytes(`${file}.safetensors`));
    const floats = (name: string) => tensors.get(`rec.${name}`)!.data as Float32Array;
    const whole = (name: string) => Int32Array.from(tensors.get(`rec.${name}`)!.data, Number);
    const config = spotterConfig(vocabularies.lowercase, resnet18);
    const weights = foldedProcedural(config);
    const image = await decodeImage(referenceBytes('input_224x320.png'), 'input_224x320.png');
    const boxes = whole('boxes_tlbr');
    const labels = { labels: whole('label'), width: image.width, scale: 1 };
    const rois = Array.from({ length: boxes.length / 4 }, (_, index) => {
      const [top, left, bottom, right] = boxes.subarray(4 * index);
      return roiOfLabel(labels, index + 1, { top, left, bottom, right }, image);
    });

    const tokens = Uint32Array.from(whole('target'));
    const forced = { beam: 1, length: tokens.length / rois.length, forced: true };
    const teacher = await recognizeRois(
      gpu,
      config,
      weights,
      image,
      224,
      { rois, maskScale: 1 },
      forced,
      tokens,
    );
    // The words that the same features give when no token is given.
    const head = uploadRecognition(gpu, weights, config)!;
    const plan = planRecognition(
      featureMap('features', 8, 8, 128),
      { height: 32, width: 32 },
      head,
      greedy,
      rois.length,
    );
    const words = readWords(
      (await decodeCrops(gpu, plan, teacher.features)).words,
      vocabularies.lowercase,
    );
    head.dispose();

    const rows = (['crops', 'holistic', 'logits'] as const).map(
      (name) => `${name} ${expectClose(teacher[name], floats(name), bound, name).toExponential(1)}`,
    );
    const scores = words.map(({ score }) => score);
    rows.push(`scores ${expectClose(scores, floats('scores'), bound, 'scores').toExponential(1)}`);
    console.log(`${file} on ${gpu.profile.adapter}: ${rows.join(', ')}`);
    expect(words.map(({ text }) => text)).toEqual(JSON.parse(metadata.words));
  });
});
