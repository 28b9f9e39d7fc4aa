// Inputs that fuzzing found, each with the right answer.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeImage } from '../../src/images/decode.js';
import { bundledPath } from '../support/reference.js';

const found = (name: string) => readFileSync(bundledPath(`fuzz/${name}`));

describe('images that fuzzing found', () => {
  it.each([
    // 60 ways to shorten its scans, each with as many of its own: repairing never ended.
    ['endless-repair.jpg', /^endless-repair\.jpg: truncated or damaged JPEG \(Corrupt JPEG data/],
    // A scan's header that ends before its components: a RangeError.
    ['short-scan-header.jpg', /^short-scan-header\.jpg: truncated or damaged JPEG \(/],
  ])('%s is refused', async (name, message) => {
    await expect(decodeImage(found(name), name)).rejects.toMatchObject({
      name: 'PanppError',
      code: 'image',
      message: expect.stringMatching(message),
    });
  });
});
