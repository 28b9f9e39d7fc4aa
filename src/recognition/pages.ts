// Lays strips out on pages, and packs pages for the GPU.
import { type PageShape, columnLayout, lineHeight, sourceLayout } from '../layers/rectify.js';
import { roundUp } from '../wgsl/struct.js';
import { type Strip, leastColumns, pageWidth } from './strips.js';

/** Heights of pages, in lines. */
const pageLines = [2, 4, 8];
const mostLines = pageLines[pageLines.length - 1];

/** Bytes for what a page's words are sampled from: 4 pixels of the image for each of the page. */
const bytesPerPagePixel = 16;

/** Each source begins at a multiple of this, as WebGPU asks of a part of a buffer. */
const alignment = 256;

/** The pixels that a strip is sampled from: every `stride`th row and column of its box. */
export interface StripSource {
  readonly rows: Uint32Array;
  readonly columns: Uint32Array;
  readonly stride: number;
  readonly bytes: number;
}

/** A strip on a page. */
export interface PlacedStrip {
  readonly strip: Strip;
  readonly source: StripSource;
  readonly firstByte: number;
  readonly line: number;
  /** The strip's first column. */
  readonly left: number;
}

export interface Page {
  readonly lines: number;
  readonly strips: readonly PlacedStrip[];
}

/** What a page of so many lines needs at most. */
export function pageShape(lines: number): Omit<PageShape, 'channels'> {
  const words = lines * Math.floor(pageWidth / leastColumns);
  return { lines, width: pageWidth, words, bytes: pageBytes(lines) };
}

function pageBytes(lines: number): number {
  return lines * lineHeight * pageWidth * bytesPerPagePixel;
}

/**
 * Lays strips out in their order, on as few pages as that allows; takes a page's strips when the page
 * is asked for.
 * @param channels bytes per pixel of the image that is sampled
 */
export function* pagesOf(
  strips: Iterable<Strip>,
  channels: number,
): Generator<Page, void, undefined> {
  let placed: PlacedStrip[] = [];
  let [line, left, bytes] = [0, 0, 0];
  const finished = (): Page => {
    const last = placed[placed.length - 1].line;
    const lines = pageLines.find((each) => each > last && pageBytes(each) >= bytes)!;
    const page = { lines, strips: placed };
    placed = [];
    [line, left, bytes] = [0, 0, 0];
    return page;
  };
  for (const strip of strips) {
    const width = strip.columns.length;
    const source = sourceOf(strip, channels);
    if (left + width > pageWidth) [line, left] = [line + 1, 0];
    if (line === mostLines || bytes + source.bytes > pageBytes(mostLines)) yield finished();
    placed.push({ strip, source, firstByte: bytes, line, left });
    left += width;
    bytes += source.bytes;
  }
  if (placed.length > 0) yield finished();
}

/**
 * Rows and columns are left out if a source has four or more for one of the page, or if it would not
 * fit the largest page.
 */
function sourceOf({ box, step }: Strip, channels: number): StripSource {
  for (let stride = Math.max(1, Math.floor(step / 2)); ; stride++) {
    const rows = every(stride, box.top, box.bottom);
    const columns = every(stride, box.left, box.right);
    const bytes = roundUp(rows.length * columns.length * channels, alignment);
    if (bytes <= pageBytes(mostLines)) return { rows, columns, stride, bytes };
  }
}

function every(stride: number, from: number, to: number): Uint32Array {
  return Uint32Array.from(
    { length: Math.ceil((to - from) / stride) },
    (_, index) => from + index * stride,
  );
}

/** Packs a page's `columns`. */
export function packColumns({ lines, strips }: Page): Uint32Array<ArrayBuffer> {
  const layout = columnLayout();
  const size = layout.size / 4;
  const words = new Uint32Array(lines * pageWidth * size);
  const numbers = new Float32Array(words.buffer);
  const [xWord, yWord, stepXWord, stepYWord, sourceWord] = [
    'x',
    'y',
    'stepX',
    'stepY',
    'source',
  ].map((member) => layout.word(member));
  strips.forEach(({ strip: { columns, box }, source: { stride }, line, left }, index) => {
    columns.forEach(({ x, y, stepX, stepY }, at) => {
      const start = (line * pageWidth + left + at) * size;
      numbers[start + xWord] = (x - box.left) / stride;
      numbers[start + yWord] = (y - box.top) / stride;
      numbers[start + stepXWord] = stepX / stride;
      numbers[start + stepYWord] = stepY / stride;
      words[start + sourceWord] = index + 1;
    });
  });
  return words;
}

/** Where a source has more pixels than this for one of the page, several are averaged. */
const finest = 1.4;
/** More samples would take long where very long text is squeezed. */
const mostTaps = 8;

function tapsOf({ step, squeeze }: Strip, { stride }: StripSource): number {
  const fineness = (step * Math.max(squeeze, 1)) / stride;
  return fineness > finest ? Math.min(Math.ceil(fineness), mostTaps) : 1;
}

/** Packs a page's `sources`. */
export function packSources({ strips }: Page): Uint8Array<ArrayBuffer> {
  return sourceLayout().packAll(
    strips.map(({ strip, source, firstByte }) => ({
      firstByte,
      height: source.rows.length,
      width: source.columns.length,
      squeeze: strip.squeeze,
      taps: tapsOf(strip, source),
    })),
  );
}
