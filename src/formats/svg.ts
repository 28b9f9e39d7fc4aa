// Draws the regions over their image as SVG 1.1: scalable, with words as searchable, editable text.
// The colours are those of drawRegions, and words are placed by the same rule.
import { DEFAULT_FILL_OPACITY, lineWidthOf, regionColour, rimOf } from '../images/draw.js';
import { fontSizeOf, placeWord } from '../images/lettering.js';
import type { Polygon } from '../shapes/geometry.js';
import { checkOptions } from '../options.js';
import {
  type FormatRegion,
  type ImageReference,
  hundredths,
  nameOf,
  outlineOf,
  roundedScore,
} from './input.js';
import { escapeXml } from './xml.js';

/** Options of an SVG drawing. */
export interface SvgOptions {
  /** URL of the image, or a `data:` URL that embeds it. Default: the image's path. */
  readonly href?: string;
}

/**
 * A drawing of the image's size: the image, every region's outline with its score (and text) as
 * tooltip, and words beside their regions. The image is linked by its relative path. Browsers load
 * linked images only in an SVG that is opened directly or as `<object>`, not in an `<img>`; for
 * `<img>`, give `href` a `data:` URL. Browsers apply a JPEG's EXIF orientation, librsvg does not;
 * an upright image looks the same in both.
 * @throws PanppError `argument` for coordinates that are not numbers, and for an unknown option
 */
export function formatSvg(
  image: ImageReference,
  regions: readonly FormatRegion[],
  options: SvgOptions = {},
): string {
  checkOptions('formatSvg', options, ['href']);
  const { href = hrefOf(image.path) } = options;
  const { width, height } = image;
  const lineWidth = lineWidthOf(image);
  const fontSize = fontSizeOf(image);
  const outlines = regions.map(outlineOf);
  // xlink:href, because Qt and older programs don't know SVG 2's href. Outlines go through pixel
  // centres, which lie at half coordinates in SVG. A dark rim keeps colours readable on a light
  // background.
  return `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" \
width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<title>${escapeXml(nameOf(image))}</title>
<image width="${width}" height="${height}" xlink:href="${escapeXml(href)}"/>
<g id="rims" transform="translate(0.5 0.5)" fill="none" stroke="#000" stroke-opacity="0.65" \
stroke-width="${hundredths(lineWidth + 2 * rimOf(lineWidth))}" stroke-linejoin="round">
${outlines.map((outline) => `<path d="M${pointsOf(outline)}Z"/>\n`).join('')}</g>
<g id="regions" transform="translate(0.5 0.5)" fill-opacity="${DEFAULT_FILL_OPACITY}" \
stroke-width="${hundredths(lineWidth)}" stroke-linejoin="round">
${regions.map((region, i) => shapeOf(region, outlines[i], i)).join('')}</g>
<g id="words" font-family="sans-serif" font-size="${hundredths(fontSize)}" fill="#fff" stroke="#000" \
stroke-width="${hundredths(fontSize / 5)}" stroke-linejoin="round" style="paint-order:stroke">
${regions.map((region) => wordOf(region, image, fontSize)).join('')}</g>
</svg>
`;
}

function shapeOf(
  { score, text, textScore }: FormatRegion,
  outline: Polygon,
  index: number,
): string {
  const colour = hexOf(regionColour(index));
  const probability = roundedScore(textScore ?? score);
  const title = text === undefined ? probability : `${text} (${probability})`;
  return `<polygon points="${pointsOf(outline)}" fill="${colour}" stroke="${colour}">\
<title>${escapeXml(String(title))}</title></polygon>\n`;
}

function wordOf({ text, box }: FormatRegion, image: ImageReference, fontSize: number): string {
  if (!text) return '';
  // The viewer's font is unknown. A letter is about 0.6 times as wide as the font size.
  const width = text.length * fontSize * 0.6;
  const { x, baseline, anchor } = placeWord(box, image, fontSize, width);
  return `<text x="${hundredths(x)}" y="${hundredths(baseline)}" text-anchor="${anchor}">\
${escapeXml(text)}</text>\n`;
}

function pointsOf(outline: Polygon): string {
  return outline.map(([x, y]) => `${hundredths(x)},${hundredths(y)}`).join(' ');
}

function hexOf(colour: readonly number[]): string {
  return `#${colour.map((channel) => Math.round(channel).toString(16).padStart(2, '0')).join('')}`;
}

/** A path as a relative URL; a colon in its first part would otherwise be read as a scheme. */
function hrefOf(path: string): string {
  return path.replace(/[^/]/gsu, (character) => {
    const code = character.charCodeAt(0);
    // A byte of a file name that is not UTF-8: Python's `surrogateescape` and the command line
    // encode it this way. Other lone surrogates have no UTF-8 form.
    if (character.length === 1 && code >= 0xdc80 && code <= 0xdcff)
      return `%${(code - 0xdc00).toString(16).toUpperCase()}`;
    return encodeURIComponent(character.replace(/\p{Cs}/u, '\u{fffd}'));
  });
}
