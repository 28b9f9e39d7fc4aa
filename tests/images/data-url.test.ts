import { readFileSync } from 'node:fs';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { formatSvg } from '../../src/formats/svg.js';
import { dataUrl } from '../../src/images/data-url.js';
import { decodeImage } from '../../src/images/decode.js';
import { bundledPath } from '../support/reference.js';

async function embedded(name: string) {
  const bytes = readFileSync(bundledPath(`images/${name}`));
  const image = await decodeImage(bytes, name);
  return { bytes, image, url: await dataUrl(bytes, image) };
}

describe('an image as URL', () => {
  it.each(['baseline.jpg', 'rgb8.png'])('is the file %s as it is', async (name) => {
    const { bytes, url } = await embedded(name);
    expect(url).toBe(
      `data:image/${name.endsWith('png') ? 'png' : 'jpeg'};base64,${bytes.toString('base64')}`,
    );
  });

  // librsvg, which leaves EXIF out. Chromium applies it, so that an upright picture with no
  // orientation is alike in both.
  it.each(['orientation-3.jpg', 'orientation-6.jpg', 'orientation-8.png', 'lossy.webp'])(
    'lies upright under an SVG’s regions: %s',
    async (name) => {
      const { image, url } = await embedded(name);
      const { width, height } = image;
      const file = Buffer.from(url.slice(url.indexOf(',') + 1), 'base64');
      expect((await sharp(file).metadata()).orientation ?? 1).toBe(1);
      const svg = formatSvg({ path: name, width, height }, [], { href: url });
      const { data, info } = await sharp(Buffer.from(svg))
        .removeAlpha()
        .raw()
        .toBuffer({ resolveWithObject: true });
      expect([info.width, info.height]).toEqual([width, height]);
      let difference = 0;
      for (let pixel = 0; pixel < width * height; pixel++) {
        for (let c = 0; c < 3; c++)
          difference += Math.abs(data[3 * pixel + c] - image.data[image.channels * pixel + c]);
      }
      expect(difference / (3 * width * height)).toBeLessThan(3);
    },
  );
});
