import { expect, it } from 'vitest';
import { prepareUpload } from '../../src/images/upload.js';
import { planResize } from '../../src/layers/resize.js';
import { Program } from '../../src/gpu/program.js';
import { Readback } from '../../src/gpu/readback.js';
import { inputsOf, writeUploads } from '../../src/images/write-uploads.js';
import type { PixelImage } from '../../src/images/image.js';
import { describeOnGpus } from '../support/gpu.js';
import { randomValues } from '../support/run-layer.js';
import { resizeReference } from '../support/resize-twin.js';

function randomImage(width: number, height: number, channels: 3 | 4): PixelImage {
  const data = Uint8Array.from(randomValues(width * height * channels), (value) =>
    Math.floor((value + 1) * 127.99),
  );
  return { width, height, channels, data };
}

describeOnGpus('resize', (gpu) => {
  it.each([
    { from: [7, 5], to: [32, 64], channels: 3 },
    { from: [64, 32], to: [64, 32], channels: 4 },
    { from: [1, 1], to: [32, 32], channels: 3 },
    { from: [300, 500], to: [64, 96], channels: 3 },
    { from: [129, 257], to: [64, 128], channels: 4 },
    // Rows that are not whole words, all columns of some rows, and some columns of some rows.
    { from: [5, 7], to: [32, 32], channels: 3 },
    { from: [300, 91], to: [64, 96], channels: 3 },
    { from: [301, 1025], to: [64, 96], channels: 3 },
    { from: [301, 1025], to: [64, 96], channels: 4 },
  ] as const)(
    'brings $from to $to as OpenCV does, and normalises',
    async ({ from, to, channels }) => {
      const image = randomImage(from[1], from[0], channels);
      const [height, width] = to;
      const upload = prepareUpload(image, height, width);
      // Never more than two source rows for each of the result's, and four times the columns that
      // are read.
      expect(upload.rows).toBeLessThanOrEqual(2 * height);
      expect(upload.columns).toBeLessThanOrEqual(8 * width);
      const plan = planResize(upload, height, width);
      const program = await Program.create(
        gpu,
        [{ name: 'resize', dispatches: plan.dispatches }],
        [...inputsOf(plan), plan.output.slot],
      );
      writeUploads(gpu.device.queue, program, plan, [upload]);
      const readback = new Readback(gpu, plan.output.slot.bytes);
      const encoder = gpu.device.createCommandEncoder();
      program.encode(encoder);
      readback.copy(encoder, program.bufferOf(plan.output.slot), plan.output.slot.bytes);
      gpu.device.queue.submit([encoder.finish()]);
      const actual = await readback.read(
        (bytes) => new Float32Array(bytes.slice(0, plan.output.slot.bytes)),
      );
      readback.dispose();
      program.dispose();
      const expected = resizeReference(image, height, width);
      const [mean, deviation] = [
        [0.485, 0.456, 0.406],
        [0.229, 0.224, 0.225],
      ];
      for (let pixel = 0; pixel < height * width; pixel++) {
        for (let channel = 0; channel < 3; channel++) {
          const grey = (actual[4 * pixel + channel] * deviation[channel] + mean[channel]) * 255;
          expect(Math.abs(grey - expected.data[expected.channels * pixel + channel])).toBeLessThan(
            1e-3,
          );
        }
        expect(actual[4 * pixel + 3]).toBe(0);
      }
    },
  );
});
