// Line charts as self-contained SVG: no script, font or style sheet. Colours follow the viewer's
// light or dark setting.
import { PanppError } from '../errors.js';

export interface ChartSeries {
  readonly name: string;
  /** Points (x, y) in drawing order. */
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface ChartAxis {
  readonly label: string;
  readonly scale?: 'linear' | 'log';
  /**
   * Values that the axis must include, such as 0 and 1; it ends at round numbers that enclose all
   * points.
   */
  readonly from?: number;
  readonly to?: number;
}

export interface Chart {
  readonly title: string;
  readonly x: ChartAxis;
  readonly y: ChartAxis;
  /** Up to six, each with its own colour. */
  readonly series: readonly ChartSeries[];
}

interface Scale {
  readonly ticks: readonly number[];
  /** Position of a value on the axis: 0 at its start, 1 at its end. */
  readonly place: (value: number) => number;
}

const WIDTH = 720;
const HEIGHT = 440;
const PLOT = { left: 72, top: 84, right: 696, bottom: 376 };
const TICKS = 6;

// They differ in lightness too, for colour-blind readers.
const COLOURS = [
  { light: '#1d4ed8', dark: '#7db2ff' },
  { light: '#c2410c', dark: '#ffa36b' },
  { light: '#047857', dark: '#5ee0ae' },
  { light: '#7e22ce', dark: '#d0a5ff' },
  { light: '#a16207', dark: '#f3d160' },
  { light: '#475569', dark: '#b6c2d2' },
] as const;

/**
 * A line chart, 720 × 440.
 * @throws PanppError `argument` for more than six series, for no points, or for values that an axis
 * can't show.
 */
export function lineChart({ title, x, y, series }: Chart): string {
  if (series.length > COLOURS.length)
    fail(`${series.length} series; at most ${COLOURS.length} can be distinguished`);
  const points = series.flatMap((one) => one.points);
  if (points.length === 0) fail('no points');
  const xValues = points.map(([value]) => value);
  const yValues = points.map(([, value]) => value);
  const xScale = scaleOf(x, xValues);
  const yScale = scaleOf(y, yValues);
  const toX = (value: number): number => PLOT.left + xScale.place(value) * (PLOT.right - PLOT.left);
  const toY = (value: number): number =>
    PLOT.bottom - yScale.place(value) * (PLOT.bottom - PLOT.top);

  const size = { width: WIDTH, height: HEIGHT };
  const content = [
    element('title', {}, escaped(title)),
    element('style', {}, styles(series.length)),
    element('rect', { class: 'ground', ...size, rx: 8 }),
    element('text', { class: 'title', x: 24, y: 36 }, escaped(title)),
    ...legend(series),
    ...xAxis(x.label, xScale.ticks, toX),
    ...yAxis(y.label, yScale.ticks, toY),
    ...series.flatMap((one, i) => line(one, i, toX, toY)),
  ];
  const root = {
    xmlns: 'http://www.w3.org/2000/svg',
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    ...size,
    role: 'img',
  };
  return `${element('svg', root, `\n${content.join('\n')}\n`)}\n`;
}

type ToPixel = (value: number) => number;

function xAxis(label: string, ticks: readonly number[], toX: ToPixel): string[] {
  const centred = { 'text-anchor': 'middle' };
  const middle = (PLOT.left + PLOT.right) / 2;
  return [
    ...ticks.map((tick) =>
      element(
        'text',
        { class: 'tick', x: toX(tick), y: PLOT.bottom + 20, ...centred },
        shown(tick),
      ),
    ),
    element('text', { class: 'label', x: middle, y: HEIGHT - 22, ...centred }, escaped(label)),
  ];
}

function yAxis(label: string, ticks: readonly number[], toY: ToPixel): string[] {
  const middle = (PLOT.top + PLOT.bottom) / 2;
  const turned = { transform: `translate(22 ${middle}) rotate(-90)`, 'text-anchor': 'middle' };
  return [
    ...ticks.flatMap((tick) => [
      element('path', { class: 'grid', d: `M${PLOT.left} ${fixed(toY(tick))}H${PLOT.right}` }),
      element(
        'text',
        { class: 'tick', x: PLOT.left - 10, y: toY(tick) + 4, 'text-anchor': 'end' },
        shown(tick),
      ),
    ]),
    element('text', { class: 'label', ...turned }, escaped(label)),
  ];
}

function line({ name, points }: ChartSeries, index: number, toX: ToPixel, toY: ToPixel): string[] {
  const corners = points.map(([x, y]) => `${fixed(toX(x))},${fixed(toY(y))}`).join(' ');
  return [
    element('polyline', { class: `line s${index}`, points: corners }),
    ...points.map(([x, y]) => {
      const hint = element('title', {}, escaped(`${name}: ${shown(x)}, ${shown(y)}`));
      return element('circle', { class: `dot s${index}`, cx: toX(x), cy: toY(y), r: 3.5 }, hint);
    }),
  ];
}

/** Series names in a row. Text widths are estimated from lengths: there is no font to measure. */
function legend(series: readonly ChartSeries[]): string[] {
  let next = PLOT.left;
  return series.flatMap(({ name }, i) => {
    const x = next;
    next += 42 + 7.2 * name.length;
    return [
      element('path', { class: `line s${i}`, d: `M${fixed(x)} 60h18` }),
      element('circle', { class: `dot s${i}`, cx: x + 9, cy: 60, r: 3.5 }),
      element('text', { x: x + 25, y: 64 }, escaped(name)),
    ];
  });
}

/** An SVG element; its content must already be markup. */
function element(
  name: string,
  attributes: Readonly<Record<string, string | number>>,
  content = '',
): string {
  const written = Object.entries(attributes)
    .map(([key, value]) => ` ${key}="${typeof value === 'number' ? fixed(value) : escaped(value)}"`)
    .join('');
  return content === '' ? `<${name}${written}/>` : `<${name}${written}>${content}</${name}>`;
}

function styles(count: number): string {
  const coloured = (theme: 'light' | 'dark'): string =>
    COLOURS.slice(0, count)
      .map((colour, i) => `.line.s${i}{stroke:${colour[theme]}}.dot.s${i}{fill:${colour[theme]}}`)
      .join('');
  return [
    'text{font:13px system-ui,-apple-system,"Segoe UI",sans-serif;fill:#1f2937}',
    '.title{font-size:17px;font-weight:600}.tick{font-size:12px;fill:#4b5563}',
    '.ground{fill:#ffffff;stroke:#d1d5db}.grid{stroke:#e5e7eb;fill:none}',
    '.line{fill:none;stroke-width:2.5;stroke-linejoin:round;stroke-linecap:round}.dot{stroke:#ffffff;stroke-width:1.5}',
    coloured('light'),
    '@media (prefers-color-scheme:dark){text{fill:#e5e7eb}.tick{fill:#a3adbb}',
    '.ground{fill:#11161d;stroke:#303946}.grid{stroke:#27303b}.dot{stroke:#11161d}',
    `${coloured('dark')}}`,
  ].join('');
}

function scaleOf(
  { label, scale = 'linear', from, to }: ChartAxis,
  values: readonly number[],
): Scale {
  // On a logarithmic axis powers of ten lie at whole numbers.
  const onAxis = (value: number): number => (scale === 'log' ? Math.log10(value) : value);
  const reached = [...values, from ?? values[0], to ?? values[0]];
  if (!reached.every((value) => Number.isFinite(onAxis(value))))
    fail(`${label}: a value that a ${scale} axis can't show`);
  const ticks = (scale === 'log' ? logTicks : linearTicks)(
    Math.min(...reached),
    Math.max(...reached),
  );
  const begin = onAxis(ticks[0]);
  const end = onAxis(ticks[ticks.length - 1]);
  return { ticks, place: (value) => (onAxis(value) - begin) / (end - begin) };
}

/** Multiples of 1, 2 or 5 times a power of ten, from at or below `least` to at or above `most`. */
function linearTicks(least: number, most: number): number[] {
  const rough = (most - least || Math.abs(most) || 1) / (TICKS - 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * (1 - 1e-9))!;
  const first = Math.floor(least / step + 1e-9);
  const last = Math.max(Math.ceil(most / step - 1e-9), first + 1);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

/** 1, 2 and 5 times the powers of ten; over more than three decades only the powers. */
function logTicks(least: number, most: number): number[] {
  const factors = most / least > 1000 ? [1] : [1, 2, 5];
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(least) - 1e-9); power <= Math.log10(most) + 1; power++) {
    ticks.push(...factors.map((factor) => factor * 10 ** power));
  }
  const first = ticks.findLastIndex((tick) => tick <= least * (1 + 1e-9));
  const last = ticks.findIndex((tick) => tick >= most * (1 - 1e-9));
  return ticks.slice(first, Math.max(last, first + 1) + 1);
}

const numberFormat = new Intl.NumberFormat('en', {
  notation: 'compact',
  maximumSignificantDigits: 4,
});

function shown(value: number): string {
  return numberFormat.format(value);
}

function fixed(value: number): string {
  return String(Number(value.toFixed(2)));
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

function fail(problem: string): never {
  throw new PanppError('argument', `a chart can't be drawn: ${problem}`);
}
