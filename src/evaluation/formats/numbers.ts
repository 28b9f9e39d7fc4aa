// Text files of CTW1500 and MSRA-TD500, whose scripts read lines the same way: no byte order mark,
// CR LF as LF, empty lines skipped.
import { quoted } from '../../errors.js';
import { boxPoints } from '../../shapes/min-area-rect.js';
import type { Point } from '../../shapes/geometry.js';
import { corners, decimal, integer, type Line, readLines, refuse } from './text.js';

/**
 * CTW1500: `xmin,ymin,xmax,ymax` and 14 offsets (x, y) from (xmin, ymin); further fields are
 * ignored.
 */
const CTW_NUMBERS = 32;

/** Reads any form, and adds it to `forms`. */
export function readCtwGroundTruth(file: string, bytes: Uint8Array, forms: Set<string>): Point[][] {
  const text = new TextDecoder().decode(bytes);
  const form = /^\s*</.test(text)
    ? 'XML'
    : text.includes(WORD_MARK)
      ? 'lines with words'
      : 'lines of offsets';
  forms.add(`CTW1500 as ${form}`);
  if (form === 'XML') return readCtwXml(file, text);
  return form === 'lines with words' ? readCtwWords(file, bytes) : readCtwOffsets(file, bytes);
}

const WORD_MARK = ',####';

/** `x1,y1,…,x14,y14,####word`. */
function readCtwWords(file: string, bytes: Uint8Array): Point[][] {
  return linesOf(file, bytes).map((line) => {
    const end = line.text.indexOf(WORD_MARK);
    if (end < 0) refuse(line, `not "x1,y1,…,xn,yn,####word": ${quoted(line.text)}`);
    const numbers = line.text
      .slice(0, end)
      .split(',')
      .map((field) => integer(field, line));
    return corners(numbers, line, { least: 3 });
  });
}

/**
 * `<Annotations><image file="…"><box …><label>word</label><segs>x1,y1,…</segs>…</box>…`; `segs` is
 * the outline.
 */
function readCtwXml(file: string, text: string): Point[][] {
  const polygons: Point[][] = [];
  const boxes = text.split(/<box\b/);
  let number = boxes[0].split('\n').length;
  if (!/<\/Annotations>\s*$/.test(text))
    refuse(file, "cut short or not CTW1500's XML: it does not end with </Annotations>");
  for (const box of boxes.slice(1)) {
    const line = { file, number, text: box };
    const outline = /<segs>([^<]*)<\/segs>/.exec(box)?.[1].trim();
    if (outline === undefined) return refuse(line, 'a box without <segs>');
    polygons.push(
      corners(
        outline
          .replace(/,$/, '')
          .split(',')
          .map((field) => integer(field, line)),
        line,
        { least: 3 },
      ),
    );
    number += box.split('\n').length - 1;
  }
  return polygons;
}

function readCtwOffsets(file: string, bytes: Uint8Array): Point[][] {
  return linesOf(file, bytes).map((line) => {
    const fields = line.text.split(',');
    if (fields.length < CTW_NUMBERS)
      refuse(line, `${fields.length} fields; ${CTW_NUMBERS} integers are needed`);
    const [left, top, , , ...offsets] = fields
      .slice(0, CTW_NUMBERS)
      .map((field) => integer(field, line));
    return corners(offsets, line).map(([x, y]): Point => [left + x, top + y]);
  });
}

export interface MsraBox {
  readonly polygon: readonly Point[];
  readonly isDifficult: boolean;
}

/**
 * MSRA-TD500: `index difficult x y w h θ`, separated by single spaces; further fields are ignored.
 */
export function readMsraGroundTruth(file: string, bytes: Uint8Array): MsraBox[] {
  return linesOf(file, bytes).map((line) => {
    const fields = line.text.split(' ');
    if (fields.length < 7)
      refuse(line, `${fields.length} fields; "index difficult x y w h angle" are needed`);
    const [x, y, width, height, radians] = fields.slice(2, 7).map((field) => decimal(field, line));
    const difficult = integer(fields[1], line);
    if (difficult !== 0 && difficult !== 1)
      refuse(line, `${quoted(fields[1])} as difficulty; 0 or 1 is needed`);
    return { polygon: turnedBox(x, y, width, height, radians), isDifficult: difficult === 1 };
  });
}

/**
 * The box w × h rotated about its centre by θ; in single precision and via degrees, as in the
 * script.
 */
function turnedBox(x: number, y: number, width: number, height: number, radians: number): Point[] {
  return boxPoints({
    center: [Math.fround(x + width / 2), Math.fround(y + height / 2)],
    width: Math.fround(width),
    height: Math.fround(height),
    angle: Math.fround((radians * 180) / Math.PI),
  });
}

/** Results of both: one line of integers per detection. */
export function readPolygons(
  file: string,
  bytes: Uint8Array,
  order: { readonly yFirst: boolean },
): Point[][] {
  return linesOf(file, bytes).map((line) =>
    corners(
      line.text.split(',').map((field) => integer(field, line)),
      line,
      order,
    ),
  );
}

function linesOf(file: string, bytes: Uint8Array): Line[] {
  return readLines(file, bytes, { skipEmpty: true });
}
