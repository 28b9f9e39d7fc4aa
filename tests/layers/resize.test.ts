import { expect, it } from 'vitest';
import { prepareUpload } from '../../src/images/upload.js';
import { planResize } from '../../src/layers/resize.js';
import { inputsOf, writeUploads } from '../../src/images/write-uploads.js';
import { describeOnGpus } from '../support/gpu.js';
import { randomImage } from '../support/picture.js';
import { resizeReference } from '../support/resize-twin.js';
import { runPlan } from '../support/run-plan.js';

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
      const actual = await runPlan(gpu, plan, inputsOf(plan), (program) =>
        writeUploads(gpu.device.queue, program, plan, [upload]),
      );
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
