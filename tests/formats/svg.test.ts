import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { FormatRegion } from '../../src/formats/input.js';
import { formatSvg } from '../../src/formats/svg.js';
import { drawRegions } from '../../src/images/draw.js';
import { broken, dot, found, image, read, strangePath, strangeText } from './example.js';

const head = `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="200" height="100" viewBox="0 0 200 100">
<title>street.jpg</title>
<image width="200" height="100" xlink:href="../photos/street.jpg"/>
`;
const rims =
  '<g id="rims" transform="translate(0.5 0.5)" fill="none" stroke="#000" stroke-opacity="0.65" stroke-width="5" ' +
  'stroke-linejoin="round">\n';
const regions =
  '<g id="regions" transform="translate(0.5 0.5)" fill-opacity="0.22" stroke-width="2" stroke-linejoin="round">\n';
const words =
  '<g id="words" font-family="sans-serif" font-size="10" fill="#fff" stroke="#000" stroke-width="2" ' +
  'stroke-linejoin="round" style="paint-order:stroke">\n';

const shapes = (titles: readonly string[]) => `${head}${rims}<path d="M10,-2 60,8 56,28 6,18Z"/>
<path d="M120,40 180,40 190,60 150,55 120,60Z"/>
</g>
${regions}<polygon points="10,-2 60,8 56,28 6,18" fill="#38ff8b" stroke="#38ff8b"><title>${titles[0]}</title></polygon>
<polygon points="120,40 180,40 190,60 150,55 120,60" fill="#c538ff" stroke="#c538ff"><title>${titles[1]}</title></polygon>
</g>
${words}`;

/** Where words are, from the file's own lines. */
function placed(...given: FormatRegion[]): string[] {
  return [
    ...formatSvg(image, given).matchAll(/<text x="(.*?)" y="(.*?)" text-anchor="(.*?)">/g),
  ].map((match) => match.slice(1).join(' '));
}

describe('formatSvg', () => {
  it('draws outlines with scores, and words beside them', () => {
    // No room above the first; the second goes above.
    expect(formatSvg(image, read)).toBe(`${shapes(['Open (0.9543)', 'daily (0.5)'])}\
<text x="6" y="39" text-anchor="start">Open</text>
<text x="120" y="36" text-anchor="start">daily</text>
</g>
</svg>
`);
  });

  it('draws outlines without words where nothing was read', () => {
    expect(formatSvg(image, found)).toBe(`${shapes(['0.9877', '0.9'])}</g>\n</svg>\n`);
    expect(placed({ ...found[0], text: '', textScore: 0 })).toEqual([]);
  });

  it('shows the image alone for no regions', () => {
    expect(formatSvg(image, [])).toBe(`${head}${rims}</g>\n${regions}</g>\n${words}</g>\n</svg>\n`);
  });

  it('keeps words in the image', () => {
    const at = (left: number, top: number, right: number, bottom: number) => ({
      ...read[0],
      box: { left, top, right, bottom },
    });
    expect(placed(at(150, 50, 220, 60), at(190, 50, 199, 60), at(-5, 2, 20, 98))).toEqual([
      '150 46 start',
      '199 46 end',
      '0 12 start',
    ]);
  });

  it('escapes words, and names as an URL', () => {
    const file = formatSvg({ ...image, path: `../${strangePath}` }, [
      { ...read[1], text: strangeText },
    ]);
    expect(file).toContain(
      'xlink:href="../a/b%3Bc%20%22d%22%20%26%20&#39;e&#39;%20%3Cf%3E%23100%25%3F%C3%BC%20%E8%AA%9E%01.png"',
    );
    expect(file).toContain(
      '<title>b;c &quot;d&quot; &amp; &#39;e&#39; &lt;f&gt;#100%?ü 語\u{fffd}.png</title>',
    );
    expect(file).toContain('>&lt;&quot;R&amp;B&quot;&gt;&#39;s\\\u{fffd} 語&#9;</text>');
    expect(formatSvg({ ...image, path: 'http:x\ud800.png' }, [])).toContain(
      'xlink:href="http%3Ax%EF%BF%BD.png"',
    );
    expect(formatSvg(image, [], { href: 'x.png?a&b' })).toContain('xlink:href="x.png?a&amp;b"');
  });

  it('is drawn where drawRegions draws, to the half pixel', async () => {
    const grey = {
      width: 200,
      height: 100,
      channels: 3,
      data: new Uint8Array(200 * 100 * 3).fill(200),
    } as const;
    const png = await sharp(grey.data, { raw: grey }).png().toBuffer();
    const svg = formatSvg(image, found, {
      href: `data:image/png;base64,${png.toString('base64')}`,
    });
    const drawn = drawRegions(grey, found).data;
    /** Mean difference of what librsvg makes of a file, out of 255. */
    const difference = async (file: string) => {
      const { data, info } = await sharp(Buffer.from(file))
        .removeAlpha()
        .raw()
        .toBuffer({ resolveWithObject: true });
      expect([info.width, info.height, info.channels]).toEqual([200, 100, 3]);
      return data.reduce((sum, value, i) => sum + Math.abs(value - drawn[i]), 0) / drawn.length;
    };
    const own = await difference(svg);
    const shifts = ['0 0', '0 0.5', '0.5 0', '1 0.5', '0.5 1', '1 1'];
    const shifted = await Promise.all(
      shifts.map((shift) =>
        difference(svg.replaceAll('translate(0.5 0.5)', `translate(${shift})`)),
      ),
    );
    console.log(
      `SVG and drawRegions: ${own.toFixed(2)} apart, shifted ${shifted.map((d) => d.toFixed(2)).join(', ')}`,
    );
    expect(own).toBeLessThan(1);
    expect(Math.min(...shifted)).toBeGreaterThan(1.5 * own);
  });

  it('gives a single point an area, and refuses non-finite coordinates and unknown options', () => {
    expect(formatSvg(image, [dot])).toContain('<polygon points="7,9 8,9 8,10 7,10"');
    expect(() => formatSvg(image, [broken])).toThrow('region 1 has NaN as coordinate');
    expect(() => formatSvg(image, [], { url: 'a.png' } as never)).toThrow(
      'formatSvg has no option url; it has href',
    );
  });
});
