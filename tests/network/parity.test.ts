// The network against the reference, tensor by tensor, with procedural weights; and against a plain
// CPU twin at other sizes.
import { PNG } from 'pngjs';
import { describe, expect, it } from 'vitest';
import { readSafetensors } from '../../src/checkpoint/safetensors.js';
import { Model } from '../../src/model/model.js';
import type { Gpu } from '../../src/gpu/context.js';
import type { PixelImage } from '../../src/images/image.js';
import {
  type ModelConfig,
  detectionPresets,
  resnet101,
  resnet18,
  resnet50,
} from '../../src/network/config.js';
import { dispatchesUpTo, planNetwork } from '../../src/network/plan.js';
import { foldCheckpoint, uploadWeights } from '../../src/network/weights.js';
import { expectClose } from '../support/close.js';
import { relativeDifference } from '../support/difference.js';
import { describeOnGpus } from '../support/gpu.js';
import { proceduralCheckpoint } from '../support/procedural.js';
import { referenceBytes } from '../support/reference.js';
import { randomPlanes, randomValues, runLayer } from '../support/run-layer.js';
import { networkTwin, normalised } from '../support/twin.js';

// Seen: 1.2e-6 at most, Winograd included, on SwiftShader and lavapipe.
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

function proceduralModel(gpu: Gpu, config: ModelConfig): Model {
  return new Model(
    gpu,
    config,
    uploadWeights(gpu, foldCheckpoint(proceduralCheckpoint(config), config, 'procedural'), config),
  );
}

const png = PNG.sync.read(Buffer.from(referenceBytes('input_224x320.png')));
const input: PixelImage = { width: png.width, height: png.height, channels: 4, data: png.data };

describeOnGpus('network', (gpu) => {
  it.each([
    ['resnet18_procedural', panpp(resnet18)],
    ['resnet50_procedural', panpp(resnet50)],
    ['resnet101_procedural', panpp(resnet101)],
    ['pan_resnet18_procedural', pan(2)],
  ] as const)('equals %s in every stored tensor', async (file, config) => {
    const { tensors } = readSafetensors(referenceBytes(`${file}.safetensors`));
    const names = [...tensors.keys()].filter((name) => !name.startsWith('rec.'));
    expect(names.length).toBeGreaterThanOrEqual(3);
    const model = proceduralModel(gpu, config);
    const outputs = await model.forward(input, { outputs: names, shortSide: 224 });
    model.dispose();
    const rows = names.map((name) => {
      const expected = tensors.get(name)!;
      expect(outputs.get(name)!.shape).toEqual(expected.shape);
      return `${name} ${expectClose(outputs.get(name)!.data, expected.data as Float32Array, bound, name).toExponential(1)}`;
    });
    console.log(`${file} on ${gpu.profile.adapter}: ${rows.join(', ')}`);
  });
});

/** For sizes: the reference's tensors, of whole ResNets, say that all blocks are right. */
const shallow = { block: 'basic', blocks: [1, 1, 1, 1] } as const;

describeOnGpus('the stem', (gpu) => {
  it('gives the same in bands of rows as at once', async () => {
    const config = panpp(shallow, 1);
    const weights = uploadWeights(
      gpu,
      foldCheckpoint(proceduralCheckpoint(config), config, 'procedural'),
      config,
    );
    const image = randomPlanes(4, 96, 64);
    const stem = (stemBandBytes: number) =>
      runLayer(gpu, [image], ([map]) => {
        const plan = planNetwork(config, weights, map, stemBandBytes);
        const output = plan.maps.get('backbone.c2')!;
        return { output, dispatches: dispatchesUpTo(plan, [output]) };
      });
    const whole = await stem(2 ** 30);
    // 24 pooled rows of 2¹⁵ bytes: one, three and six to a band. Winograd's tiles begin elsewhere
    // then, which rounds otherwise; a wrong row would differ by 1.
    for (const rows of [1, 3, 6])
      expect(relativeDifference((await stem(rows * 2 ** 15)).data, whole.data)).toBeLessThan(5e-6);
    weights.dispose();
  });
});

// Sizes are what changes here, so one adapter is enough for the large one.
describeOnGpus('network at other sizes', (gpu) => {
  it.each([
    { height: 32, width: 32, config: panpp(resnet18) },
    { height: 96, width: 160, config: panpp(shallow, 1) },
    { height: 160, width: 32, config: pan(1) },
    {
      height: 64,
      width: 96,
      config: {
        ...pan(2),
        neck: { fpems: 2, fusion: 'pan', upsampling: 'nearest' },
      } satisfies ModelConfig,
    },
  ])('equals the CPU twin at $height × $width', async ({ height, width, config }) => {
    await compareWithTwin(gpu, height, width, config);
  });
});

describe('network on a very wide image', async () => {
  const { gpus } = await import('../support/gpu.js');
  it('equals the CPU twin at 32 × 1056', async () => {
    await compareWithTwin(gpus.at(-1)!.gpu, 32, 1056, panpp(shallow));
  });
});

async function compareWithTwin(
  gpu: Gpu,
  height: number,
  width: number,
  config: ModelConfig,
): Promise<void> {
  const data = Uint8Array.from(randomValues(height * width * 3, height + width), (value) =>
    Math.floor((value + 1) * 127.99),
  );
  const image: PixelImage = { width, height, channels: 3, data };
  const model = proceduralModel(gpu, config);
  const outputs = await model.forward(image, {
    outputs: ['det'],
    shortSide: Math.min(height, width),
  });
  model.dispose();
  const expected = networkTwin(proceduralCheckpoint(config), config, normalised(image));
  expectClose(outputs.get('det')!.data, expected.data, bound, 'det');
}
