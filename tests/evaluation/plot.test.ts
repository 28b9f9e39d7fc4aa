import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { type Chart, lineChart } from '../../src/evaluation/plot.js';

const chart: Chart = {
  title: 'Precision & recall <over> the "threshold"',
  x: { label: 'score threshold', from: 0, to: 1 },
  y: { label: 'figure', from: 0, to: 1 },
  series: [
    {
      name: 'precision',
      points: [
        [0.1, 0.5],
        [0.5, 0.8],
        [0.9, 0.95],
      ],
    },
    {
      name: 'recall',
      points: [
        [0.1, 0.9],
        [0.5, 0.7],
        [0.9, 0.2],
      ],
    },
  ],
};

const ticksOf = (svg: string, anchor: 'middle' | 'end'): string[] =>
  [...svg.matchAll(new RegExp(`class="tick"[^>]*text-anchor="${anchor}">([^<]*)<`, 'g'))].map(
    (match) => match[1],
  );
const linesOf = (svg: string): string[] =>
  [...svg.matchAll(/<polyline[^>]*points="([^"]*)"/g)].map((match) => match[1]);

describe('lineChart', () => {
  it('places points between its axes', () => {
    const svg = lineChart(chart);
    // The plot spans 72 to 696 and 376 (below) to 84.
    expect(linesOf(svg)).toEqual([
      '134.4,230 384,142.4 633.6,98.6',
      '134.4,113.2 384,171.6 633.6,317.6',
    ]);
    expect(ticksOf(svg, 'middle')).toEqual(['0', '0.2', '0.4', '0.6', '0.8', '1']);
    expect(ticksOf(svg, 'end')).toEqual(['0', '0.2', '0.4', '0.6', '0.8', '1']);
  });

  it('stands by itself, in light and dark', () => {
    const svg = lineChart(chart);
    expect(svg).toContain('prefers-color-scheme:dark');
    expect(svg).not.toMatch(/href|@import|url\(|<script/);
    expect(svg).toContain('Precision &amp; recall &lt;over&gt; the &quot;threshold&quot;');
  });

  it('is rendered by another program', async () => {
    const { data, info } = await sharp(Buffer.from(lineChart(chart)))
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect([info.width, info.height]).toEqual([720, 440]);
    const colourAt = (x: number, y: number) => [
      ...data.subarray(3 * (y * 720 + x), 3 * (y * 720 + x) + 3),
    ];
    expect(colourAt(384, 142)).toEqual([0x1d, 0x4e, 0xd8]); // on a dot of the first series
    expect(colourAt(384, 172)).toEqual([0xc2, 0x41, 0x0c]);
    expect(colourAt(300, 300)).toEqual([255, 255, 255]);
  });

  it('chooses round numbers that hold the data', () => {
    const plain = (points: readonly (readonly [number, number])[], scale?: 'log') =>
      lineChart({
        title: '',
        x: { label: 'x', scale },
        y: { label: 'y' },
        series: [{ name: 's', points }],
      });
    expect(
      ticksOf(
        plain([
          [0, 3],
          [7, 42],
        ]),
        'end',
      ),
    ).toEqual(['0', '10', '20', '30', '40', '50']);
    expect(
      ticksOf(
        plain([
          [-3, 1],
          [14, 1],
        ]),
        'middle',
      ),
    ).toEqual(['-5', '0', '5', '10', '15']);
    expect(
      ticksOf(
        plain(
          [
            [300_000, 1],
            [1_800_000, 1],
          ],
          'log',
        ),
        'middle',
      ),
    ).toEqual(['200K', '500K', '1M', '2M']);
    expect(
      ticksOf(
        plain(
          [
            [1, 1],
            [100_000, 1],
          ],
          'log',
        ),
        'middle',
      ),
    ).toEqual(['1', '10', '100', '1K', '10K', '100K']);
    // One value alone still has an axis to lie on.
    expect(ticksOf(plain([[5, 5]]), 'middle').length).toBeGreaterThan(1);
    expect(linesOf(plain([[5, 5]], 'log'))[0]).toMatch(/^[\d.]+,[\d.]+$/);
  });

  it('refuses what it can’t show', () => {
    const fails = (change: Partial<Chart>, message: RegExp) =>
      expect(() => lineChart({ ...chart, ...change })).toThrow(
        expect.objectContaining({ code: 'argument', message: expect.stringMatching(message) }),
      );
    fails({ series: [] }, /no points/);
    fails({ series: Array(7).fill(chart.series[0]) }, /7 series/);
    fails(
      { series: [{ name: 's', points: [[1, NaN]] }] },
      /figure: a value that a linear axis can't show/,
    );
    fails(
      { x: { label: 'pixels', scale: 'log' }, series: [{ name: 's', points: [[0, 1]] }] },
      /pixels: .* log axis/,
    );
  });
});
