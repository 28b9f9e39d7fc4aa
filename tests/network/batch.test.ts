// The network on several images at once gives, to the last bit, what it gives for each of them
// alone.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { planNetwork } from '../../src/network/plan.js';
import { valueBytes } from '../../src/layers/precision.js';
import { uploadWeights } from '../../src/network/weights.js';
import { readWeights } from '../../src/network/weights-file.js';
import { packagedWeights } from '../../src/node.js';
import { describeOnGpus } from '../support/gpu.js';
import { randomPlanes, runLayers } from '../support/run-layer.js';
import { planes } from '../support/twin.js';

const [images, height, width] = [3, 64, 96];
describeOnGpus('the network on several images', (gpu) => {
  const { config, tensors } = readWeights(readFileSync(packagedWeights()));
  const weights = uploadWeights(gpu, tensors, config, gpu.profile.f16 ? 'f16' : 'f32');

  // All at once; two and one; one after another; each in two bands.
  it.each([1e9, 2, 1, 1 / 2])(
    'equals the network on each of them, the stem of %d images at a time',
    async (atOnce) => {
      const stemBandBytes =
        atOnce * (height / 2) * (width / 2) * 128 * valueBytes[weights.precision];
      const whole = randomPlanes(4, images * height, width);
      // The fourth channel is empty.
      whole.data.fill(0, 3 * images * height * width);
      const run = async (input: typeof whole, count: number) => {
        const plan = (maps: Parameters<typeof planNetwork>[2][]) => {
          const { dispatches, map } = planNetwork(config, weights, maps[0], stemBandBytes);
          return { output: [map], dispatches };
        };
        return (await runLayers(gpu, [input], plan, 'f32', count))[0];
      };
      const together = await run(whole, images);
      for (let image = 0; image < images; image++) {
        const one = planes(4, height, width);
        for (let channel = 0; channel < 3; channel++) {
          const first = (channel * images + image) * height * width;
          one.data.set(
            whole.data.subarray(first, first + height * width),
            channel * height * width,
          );
        }
        const alone = await run(one, 1);
        const pixels = alone.height * alone.width;
        for (let channel = 0; channel < alone.channels; channel++) {
          const first = (channel * images + image) * pixels;
          expect(together.data.subarray(first, first + pixels)).toEqual(
            alone.data.subarray(channel * pixels, (channel + 1) * pixels),
          );
        }
      }
    },
  );
});
