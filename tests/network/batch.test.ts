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
import { type Planes, planes } from '../support/twin.js';

const [images, height, width] = [3, 64, 96];
describeOnGpus('the network on several images', (gpu) => {
  const { config, tensors } = readWeights(readFileSync(packagedWeights()));
  const weights = uploadWeights(gpu, tensors, config, gpu.profile.f16 ? 'f16' : 'f32');
  const size = height * width;
  const together = randomPlanes(4, images * height, width);
  // The fourth channel is empty.
  together.data.fill(0, 3 * images * size);

  const run = async (input: Planes, count: number, atOnce: number) => {
    const stemBandBytes = atOnce * (size / 4) * 128 * valueBytes[weights.precision];
    const plan = (maps: Parameters<typeof planNetwork>[2][]) => {
      const { dispatches, map } = planNetwork(config, weights, maps[0], stemBandBytes);
      return { output: [map], dispatches };
    };
    return (await runLayers(gpu, [input], plan, 'f32', count))[0];
  };
  /** The maps of each image. */
  const eachAlone = async (atOnce: number) => {
    const maps: Planes[] = [];
    for (let image = 0; image < images; image++) {
      const one = planes(4, height, width);
      for (let channel = 0; channel < 3; channel++) {
        const first = (channel * images + image) * size;
        one.data.set(together.data.subarray(first, first + size), channel * size);
      }
      maps.push(await run(one, 1, atOnce));
    }
    return maps;
  };
  let whole: Promise<Planes[]> | undefined;

  // All at once; two and one; one after another; each in two bands.
  it.each([1e9, 2, 1, 1 / 2])(
    'equals the network on each of them, the stem of %d images at a time',
    async (atOnce) => {
      // One image whose stem fits is the same, however many would.
      const alone = await (atOnce < 1 ? eachAlone(atOnce) : (whole ??= eachAlone(1)));
      const { data } = await run(together, images, atOnce);
      for (const [image, map] of alone.entries()) {
        const pixels = map.height * map.width;
        for (let channel = 0; channel < map.channels; channel++) {
          const first = (channel * images + image) * pixels;
          expect(data.subarray(first, first + pixels)).toEqual(
            map.data.subarray(channel * pixels, (channel + 1) * pixels),
          );
        }
      }
    },
  );
});
