// CPU twin of shaders/rectify.wgsl, from strips instead of packed buffers: a page's colours, 0 … 255,
// as rows of red, green, blue; NaN where no word is.
import type { PixelImage } from '../../src/images/image.js';
import { lineHeight } from '../../src/layers/rectify.js';
import type { Page } from '../../src/recognition/pages.js';
import { pageWidth } from '../../src/recognition/strips.js';

export function rectifyOnCpu(image: PixelImage, page: Page): Float64Array {
  const colours = new Float64Array(page.lines * lineHeight * pageWidth * 3).fill(NaN);
  for (const { strip, source, line, left } of page.strips) {
    const fineness = (strip.step * Math.max(strip.squeeze, 1)) / source.stride;
    const taps = fineness > 1.4 ? Math.min(Math.ceil(fineness), 8) : 1;
    strip.columns.forEach(({ x, y, stepX, stepY }, column) => {
      for (let row = 0; row < lineHeight; row++) {
        const at = ((line * lineHeight + row) * pageWidth + left + column) * 3;
        for (let channel = 0; channel < 3; channel++) {
          let sum = 0;
          for (let i = 0; i < taps; i++) {
            for (let j = 0; j < taps; j++) {
              const along = ((i + 0.5) / taps - 0.5) * strip.squeeze;
              const down = row + 0.5 - lineHeight / 2 + (j + 0.5) / taps - 0.5;
              sum += bilinear(
                image,
                source,
                x + down * stepX + along * stepY,
                y + down * stepY - along * stepX,
                channel,
              );
            }
          }
          colours[at + channel] = sum / taps ** 2;
        }
      }
    });
  }
  return colours;
}

function bilinear(
  { width, channels, data }: PixelImage,
  { rows, columns, stride }: Page['strips'][number]['source'],
  x: number,
  y: number,
  channel: number,
): number {
  const tap = (position: number, places: Uint32Array) => {
    const inside = Math.min(Math.max((position - places[0]) / stride, 0), places.length - 1);
    const low = Math.floor(inside);
    return [places[low], places[Math.min(low + 1, places.length - 1)], inside - low] as const;
  };
  const [left, right, across] = tap(x, columns);
  const [top, bottom, down] = tap(y, rows);
  const value = (row: number, column: number) => data[(row * width + column) * channels + channel];
  const mix = (a: number, b: number, share: number) => a + share * (b - a);
  return mix(
    mix(value(top, left), value(top, right), across),
    mix(value(bottom, left), value(bottom, right), across),
    down,
  );
}
