// Decoding against a sequential twin in float64, on random features: greedy, beam search, early
// stop, other vocabularies.
import { expect, it } from 'vitest';
import type { Gpu } from '../../src/gpu/context.js';
import { featureMap } from '../../src/layers/feature-map.js';
import { specialClasses } from '../../src/network/config.js';
import type { FoldedWeights } from '../../src/network/weights.js';
import {
  type DecodingPlan,
  greedy,
  maxTokens,
  planRecognition,
} from '../../src/recognition/plan.js';
import { uploadRecognition } from '../../src/recognition/weights.js';
import { expectClose } from '../support/close.js';
import { describeOnGpus } from '../support/gpu.js';
import { randomValues } from '../support/run-layer.js';
import { DecoderTwin } from './decoder-twin.js';
import { decodeCrops, livelyWeights, spotterConfig } from './run-recognition.js';

const cropValues = 256 * 128;

interface Decoder {
  readonly tensors: FoldedWeights;
  readonly vocabulary: string[];
  readonly twin: DecoderTwin;
}

function decoderOf(characters: number): Decoder {
  const vocabulary = Array.from({ length: characters }, (_, index) =>
    String.fromCodePoint(0x4e00 + index),
  );
  // The more characters there are, the more it takes for EOS to win.
  const tensors = livelyWeights(
    spotterConfig(vocabulary),
    characters > 100 ? 12 : characters > 10 ? 8 : 4,
  );
  return { tensors, vocabulary, twin: new DecoderTwin(tensors, characters + specialClasses) };
}

async function decode(
  gpu: Gpu,
  { tensors, vocabulary }: Decoder,
  decoding: DecodingPlan,
  crops: Float32Array<ArrayBuffer>,
) {
  const weights = uploadRecognition(gpu, tensors, spotterConfig(vocabulary))!;
  const count = crops.length / cropValues;
  const plan = planRecognition(
    featureMap('features', 8, 8, 128),
    { height: 32, width: 32 },
    weights,
    decoding,
    count + 3,
  );
  const result = await decodeCrops(gpu, plan, crops);
  weights.dispose();
  return result;
}

/** Features that differ from region to region more than within one. */
function randomCrops(count: number, seed: number): Float32Array<ArrayBuffer> {
  const common = randomValues(count * 128, seed + 1000);
  return randomValues(count * cropValues, seed).map(
    (value, at) => value + 2 * common[Math.floor(at / cropValues) * 128 + (at % 128)],
  );
}

function cropOf(crops: Float32Array, index: number): Float32Array {
  return crops.subarray(index * cropValues, (index + 1) * cropValues);
}

describeOnGpus('decoder', (gpu) => {
  // 130 classes are more than a workgroup has lanes, and no multiple of four.
  it.each([2, 36, 127])(
    'with a beam of 1 is greedy decoding, over %i characters',
    async (characters) => {
      const decoder = decoderOf(characters);
      const crops = randomCrops(6, characters);
      const { hypotheses, holistic } = await decode(gpu, decoder, greedy, crops);
      const lengths = new Set<number>();
      hypotheses.forEach(({ tokens, probabilities, peaks }, index) => {
        const crop = cropOf(crops, index);
        const expected = decoder.twin.greedy(crop, maxTokens);
        expectClose(
          holistic.subarray(128 * index, 128 * index + 128),
          decoder.twin.holistic(crop),
          1e-5,
          'holistic',
        );
        expect(tokens).toEqual(expected.tokens);
        expectClose(probabilities, expected.probabilities, 1e-4, 'probabilities');
        expect(peaks).toEqual(expected.peaks);
        lengths.add(tokens.length);
      });
      expect(lengths.size).toBeGreaterThan(1);
    },
  );

  it('finds the best of all words with a beam that keeps every one, and greedy decoding does not', async () => {
    const decoder = decoderOf(2);
    const crops = randomCrops(12, 7);
    // After 2 tokens there are 1 + 4 · 5 hypotheses, all kept, so that the third step finds the
    // best of all.
    const { hypotheses } = await decode(
      gpu,
      decoder,
      { beam: 21, length: 3, forced: false },
      crops,
    );
    const narrow = await decode(gpu, decoder, { ...greedy, length: 3 }, crops);
    let better = 0;
    hypotheses.forEach(({ tokens, probabilities }, index) => {
      const expected = decoder.twin.exhaustive(cropOf(crops, index), 3);
      expect(tokens).toEqual(expected.tokens);
      expectClose(probabilities, expected.probabilities, 1e-4, 'probabilities');
      better += Number(narrow.hypotheses[index].tokens.join() !== tokens.join());
    });
    expect(better).toBeGreaterThan(0);
  });

  it.each([2, 5])('equals the twin with a beam of %i over 36 characters', async (beam) => {
    const decoder = decoderOf(36);
    const crops = randomCrops(4, 36);
    const { hypotheses } = await decode(gpu, decoder, { beam, length: 12, forced: false }, crops);
    hypotheses.forEach(({ tokens, probabilities }, index) => {
      const expected = decoder.twin.beamSearch(cropOf(crops, index), beam, 12);
      expect(tokens).toEqual(expected.tokens);
      expectClose(probabilities, expected.probabilities, 1e-4, 'probabilities');
    });
  });
});
