// hOCR 1.2 (kba.github.io/hocr-spec/1.2): recognised text with its positions, as XHTML. There is
// one page, and for each region a paragraph with one line of one word, because tools expect words
// inside lines (hocr-tools) and lines inside paragraphs (OCRmyPDF).
import { PanppError } from '../errors.js';
import { checkOptions } from '../options.js';
import {
  type FormatRegion,
  type ImageReference,
  nameOf,
  outlineOf,
  roundedScore,
} from './input.js';
import { escapeXml } from './xml.js';

/** Metadata of an hOCR file. */
export interface HocrOptions {
  /** Name and version of the program for `ocr-system`; default: `panpp`. */
  readonly system?: string;
}

/** The file's capabilities; regions are in raster order of their kernels, not in reading order. */
const CAPABILITIES =
  'ocr_page ocr_par ocr_line ocrx_word ocrp_poly ocrp_wconf ocr_par_unordered ocr_line_unordered ocrx_word_unordered';

/**
 * An image's regions with their text. Properties are whole numbers: boxes within the image,
 * `x_wconf` in per cent, `poly` the unclipped outline (a rectangle's corners may lie outside the
 * image).
 * @throws PanppError `argument` for a region without text (recognition without a result gives an
 * empty word), and for coordinates that are not numbers
 */
export function formatHocr(
  image: ImageReference,
  regions: readonly FormatRegion[],
  options: HocrOptions = {},
): string {
  checkOptions('formatHocr', options, ['system']);
  const { system = 'panpp' } = options;
  const { path, width, height } = image;
  const page = [`image "${propertyPath(path)}"`, `bbox 0 0 ${width} ${height}`];
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml">
<head>
<title>${escapeXml(nameOf(image))}</title>
<meta http-equiv="Content-Type" content="text/html;charset=utf-8"/>
<meta name="ocr-system" content="${escapeXml(system)}"/>
<meta name="ocr-capabilities" content="${CAPABILITIES}"/>
<meta name="ocr-number-of-pages" content="1"/>
<meta name="ocr-langs" content="unknown"/>
<meta name="ocr-scripts" content="unknown"/>
</head>
<body>
<div class="ocr_page" id="page_1" title="${properties(page)}">
${regions.map((region, i) => paragraphOf(image, region, i)).join('')}</div>
</body>
</html>
`;
}

function paragraphOf(image: ImageReference, region: FormatRegion, index: number): string {
  const { text, textScore } = region;
  const number = index + 1;
  if (text === undefined) {
    throw new PanppError(
      'argument',
      `region ${number} has no text; hOCR needs recognised text (model.spot)`,
    );
  }
  const outline = outlineOf(region, index).flat().map(Math.round);
  const bbox = bboxOf(image, region);
  const confidence =
    textScore === undefined ? [] : [`x_wconf ${Math.round(roundedScore(textScore) * 100)}`];
  const word = [bbox, ...confidence, `poly ${outline.join(' ')}`];
  return `<p class="ocr_par" id="par_${number}" title="${bbox}">
<span class="ocr_line" id="line_${number}" title="${bbox}">
<span class="ocrx_word" id="word_${number}" title="${properties(word)}">${escapeXml(text)}</span>
</span>
</p>
`;
}

/** Nonnegative integers, as the grammar requires. */
function bboxOf({ width, height }: ImageReference, { box }: FormatRegion): string {
  const within = (value: number, most: number) => Math.min(Math.max(0, value), most);
  const corners = [
    within(Math.floor(box.left), width),
    within(Math.floor(box.top), height),
    within(Math.ceil(box.right), width),
    within(Math.ceil(box.bottom), height),
  ];
  return `bbox ${corners.join(' ')}`;
}

function properties(list: readonly string[]): string {
  return escapeXml(list.join('; '));
}

/** The grammar can't escape these in a property, so they are percent-encoded. */
function propertyPath(path: string): string {
  return path.replace(/[;"\p{Cc}]/gu, encodeURIComponent);
}
