import { PNG } from 'pngjs';
import { describe, expect, it } from 'vitest';

import { decodeImage } from '../../src/images/decode.js';
import { encodePng } from '../../src/images/encode.js';

describe('encodePng', () => {
  it('keeps every byte of an RGB image', async () => {
    const data = Uint8Array.from({ length: 7 * 5 * 3 }, (_, i) => (i * 37) % 256);
    const decoded = await decodeImage(
      encodePng({ width: 7, height: 5, channels: 3, data }),
      'a.png',
    );
    expect(decoded).toMatchObject({ width: 7, height: 5, channels: 3 });
    expect([...decoded.data]).toEqual([...data]);
  });

  it('leaves a fourth channel out without blending', async () => {
    const data = Uint8ClampedArray.from([10, 20, 30, 0, 40, 50, 60, 128]);
    const decoded = await decodeImage(
      encodePng({ width: 2, height: 1, channels: 4, data }),
      'a.png',
    );
    expect([...decoded.data]).toEqual([10, 20, 30, 40, 50, 60]);
  });

  it('writes label masks as 8- and 16-bit grey', () => {
    const small = PNG.sync.read(
      Buffer.from(encodePng({ width: 3, height: 1, labels: Uint8Array.from([0, 1, 255]) })),
    );
    expect(small).toMatchObject({ depth: 8, colorType: 0 });
    expect([0, 1, 2].map((i) => small.data[4 * i])).toEqual([0, 1, 255]);

    // A view into a larger buffer, as callers may have.
    const labels = Uint16Array.from([9, 9, 0, 300, 65535]).subarray(2);
    const large = PNG.sync.read(Buffer.from(encodePng({ width: 3, height: 1, labels })), {
      skipRescale: true,
    });
    expect(large).toMatchObject({ depth: 16, colorType: 0 });
    expect([0, 1, 2].map((i) => large.data[4 * i])).toEqual([0, 300, 65535]);
  });
});
