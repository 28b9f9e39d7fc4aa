// Weights packed on the GPU against the same in float64 on the CPU.
import { defaultChoices } from '../../src/layers/conv/method.js';
import { describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/gpu/context.js';
import { Readback } from '../../src/gpu/readback.js';
import { type WeightPacker, packWeights } from '../../src/layers/pack.js';
import { type Precision, readValues, valueBytes } from '../../src/layers/precision.js';
import { expectClose } from '../support/close.js';
import { describeOnGpus } from '../support/gpu.js';
import { precisionsOf, randomValues } from '../support/run-layer.js';

/** Packs one buffer and reads it. */
async function packed(
  gpu: Gpu,
  precision: Precision,
  pack: (packer: WeightPacker) => GPUBuffer,
): Promise<Float32Array> {
  const {
    packed: buffer,
    ready,
    dispose,
  } = packWeights(gpu, precision, defaultChoices(gpu.profile), pack);
  await ready;
  const readback = new Readback(gpu, buffer.size);
  const encoder = gpu.device.createCommandEncoder();
  readback.copy(encoder, buffer, buffer.size);
  gpu.device.queue.submit([encoder.finish()]);
  const values = await readback.read((bytes) =>
    Float32Array.from(readValues(precision, bytes, 0, buffer.size / valueBytes[precision])),
  );
  readback.dispose();
  dispose();
  return values;
}

// G for the points 0, ±p, ±q and infinity: a polynomial's values, each over the product of its
// point's distances to the other four.
const [p, q] = [5 / 8, 3 / 2];
const points = [0, p, -p, q, -q];
const g = [
  ...points.map((x) => {
    const distances = points.filter((y) => y !== x).reduce((product, y) => product * (x - y), 1);
    return [1 / distances, x / distances, (x * x) / distances];
  }),
  [0, 0, 1],
];

/** Value (y, x) of G k Gᵀ, in float64. */
function transformed(kernel: Float32Array, y: number, x: number): number {
  let sum = 0;
  for (let row = 0; row < 3; row++)
    for (let column = 0; column < 3; column++)
      sum += g[y][row] * kernel[3 * row + column] * g[x][column];
  return sum;
}

describeOnGpus('packed weights', (gpu) => {
  describe.each(precisionsOf(gpu))('in %s', (precision) => {
    it('are reordered by hand, from an offset, with zeros around them', async () => {
      // Two of a 2 × 4 × 3 tensor's middle axis, brought to [last][middle][first].
      const tensor = Float32Array.from({ length: 24 }, (_, index) => index + 1);
      const values = await packed(gpu, precision, (packer) =>
        packer.pack('test', tensor, {
          counts: [3, 3, 4],
          used: [2, 2],
          strides: [1, 3, 12],
          offset: 6,
        }),
      );
      const rows = [
        [7, 19, 0, 0],
        [10, 22, 0, 0],
        [0, 0, 0, 0],
      ];
      expect([...values]).toEqual(
        [0, 1, 2].flatMap((last) =>
          rows.flatMap((row) => row.map((value) => value && value + last)),
        ),
      );
    });

    it('of a Winograd conv are near their values in float64', async () => {
      // The first 19 input channels of 24; 30 output channels.
      const [inChannels, outChannels, all] = [19, 30, 24];
      const tensor = randomValues(outChannels * all * 9, 4);
      const [paddedIn, paddedOut] = [20, 32];
      const values = await packed(gpu, precision, (packer) =>
        packer.pack('test', tensor, {
          counts: [36, paddedIn, paddedOut],
          used: [inChannels, outChannels],
          strides: [0, 9, all * 9],
          winograd: true,
        }),
      );
      const expected = Float64Array.from({ length: 36 * paddedIn * paddedOut }, (_, index) => {
        const [out, channel] = [index % paddedOut, Math.floor(index / paddedOut) % paddedIn];
        const place = Math.floor(index / (paddedIn * paddedOut));
        if (out >= outChannels || channel >= inChannels) return 0;
        return transformed(
          tensor.subarray((out * all + channel) * 9),
          Math.floor(place / 6),
          place % 6,
        );
      });
      const difference = expectClose(
        values,
        expected,
        precision === 'f16' ? 2 ** -11 : 1e-6,
        'G g Gᵀ',
      );
      console.log(
        `G g Gᵀ in ${precision} on ${gpu.profile.adapter}: ${difference.toExponential(1)} from float64`,
      );
      expect(values.every((value, index) => expected[index] !== 0 || value === 0)).toBe(true);
    });

    it('are narrowed to a neighbouring value', async () => {
      const tensor = randomValues(1000, 9);
      const values = await packed(gpu, precision, (packer) =>
        packer.pack('test', tensor, { counts: [1000, 1, 1], strides: [1, 0, 0] }),
      );
      // WGSL leaves it to the device to which side a value is rounded.
      const spacing = precision === 'f16' ? 2 ** -10 : 0;
      values.forEach((value, index) =>
        expect(Math.abs(value - tensor[index])).toBeLessThanOrEqual(
          spacing * Math.abs(tensor[index]) + 2 ** -24 * Math.sign(spacing),
        ),
      );
    });
  });

  it('are refused when the device refuses them', async () => {
    // Of four bytes each, so more than a buffer may hold; and still a u32.
    const count = 2 ** (Math.ceil(Math.log2(gpu.profile.maxBufferBytes)) - 1);
    const { ready } = packWeights(gpu, 'f32', defaultChoices(gpu.profile), (packer) =>
      packer.pack('test', Float32Array.of(1), { counts: [count, 1, 1], strides: [0, 0, 0] }),
    );
    await expect(ready).rejects.toMatchObject({
      name: 'PanppError',
      message: expect.stringMatching(/can't store the \d+ MiB of weights: /),
    });
  });
});
