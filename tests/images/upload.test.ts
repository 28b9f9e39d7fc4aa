import { describe, expect, it } from 'vitest';
import type { PixelImage } from '../../src/images/image.js';
import { PartUploads } from '../../src/images/upload.js';
import { horizontalTaps, verticalTaps } from '../../src/images/resize-taps.js';

/** An image whose bytes all differ from their neighbours'. */
function picture(height: number, width: number, channels: 3 | 4): PixelImage {
  const data = Uint8Array.from({ length: height * width * channels }, (_, at) => (at * 7919) % 251);
  return { height, width, channels, data };
}

describe('uploads of parts', () => {
  it.each([
    // image, resized, parts' size
    [300, 500, 64, 96, 32, 64], // smaller: rows and columns between the samples are left out
    [13, 40, 64, 192, 64, 64], // larger: parts share columns
    [100, 100, 96, 96, 32, 96], // some parts take all columns
    [50, 97, 64, 128, 32, 64],
  ])(
    'of %i × %i pixels at %i × %i hold what parts of %i × %i read',
    (height, width, toHeight, toWidth, partHeight, partWidth) => {
      const image = picture(height, width, 3);
      const [rowTaps, columnTaps] = [
        verticalTaps(height, toHeight),
        horizontalTaps(width, toWidth),
      ];
      const parts = [];
      for (let top = 0; top + partHeight <= toHeight; top += 32)
        for (let left = 0; left + partWidth <= toWidth; left += 32)
          parts.push({ top, bottom: top + partHeight, left, right: left + partWidth });
      const uploads = new PartUploads(image, { height: toHeight, width: toWidth }, parts);
      // What each position of a part reads: pixel values and weights.
      const [expected, actual]: number[][] = [[], []];
      for (const part of parts) {
        const upload = uploads.upload(part);
        expect(upload).toMatchObject({ rows: uploads.rows, columns: uploads.columns, channels: 3 });
        const value = (data: ArrayLike<number>, columns: number, row: number, column: number) =>
          data[(row * columns + column) * 3 + 2];
        for (let y = 0; y < partHeight; y++) {
          const [top, bottom, ...down] = upload.rowTaps.subarray(4 * y, 4 * y + 4);
          const row = part.top + y;
          for (let x = 0; x < partWidth; x++) {
            const [left, right, ...across] = upload.columnTaps.subarray(4 * x, 4 * x + 4);
            const column = part.left + x;
            const pixels = upload.pixels as Uint8Array;
            actual.push(
              ...[value(pixels, upload.columns, top, left), ...down, ...across],
              value(pixels, upload.columns, bottom, right),
            );
            expected.push(
              value(image.data, width, rowTaps.index0[row], columnTaps.index0[column]),
              ...[rowTaps.weight0[row], rowTaps.weight1[row]],
              ...[columnTaps.weight0[column], columnTaps.weight1[column]],
              value(image.data, width, rowTaps.index1[row], columnTaps.index1[column]),
            );
          }
        }
      }
      expect(actual).toEqual(expected);
    },
  );
});
