// A record's charts: time against pixels, and aggregation's time against the number of words.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Chart, type ChartSeries, lineChart } from '../src/evaluation/plot.js';
import type { BenchRecord } from './record.js';
import { nameOf, pixelsOf } from './sizes.js';

/** Writes `<name>-….svg` files into a folder, for the figures that the record has. */
export async function writeCharts(
  record: BenchRecord,
  folder: string,
  name: string,
): Promise<{ title: string; file: string }[]> {
  const charts = { pixels: pixelsChart(record), words: wordsChart(record) };
  const written: { title: string; file: string }[] = [];
  for (const [kind, chart] of Object.entries(charts)) {
    const series = chart.series.filter(({ points }) => points.length > 1);
    if (series.length === 0) continue;
    const file = `${name}-${kind}.svg`;
    await writeFile(join(folder, file), lineChart({ ...chart, series }));
    written.push({ title: chart.title, file });
  }
  return written;
}

function pixelsChart({ adapter, detection, peers }: BenchRecord): Chart {
  const detections = detection.flatMap((entry) => ('times' in entry ? [entry] : []));
  const stage = (name: string): ChartSeries => ({
    name,
    points: detections.flatMap((entry) => {
      const time = entry.times[name]?.median;
      return time > 0 ? [[pixelsOf(entry) / 1e6, time] as const] : [];
    }),
  });
  const compared = peers.flatMap((entry) => ('peers' in entry ? [entry] : []));
  const names = [...new Set(compared.flatMap((entry) => Object.keys(entry.peers)))];
  const peer = (name: string): ChartSeries => ({
    name,
    points: compared.flatMap((entry) =>
      entry.peers[name] ? [[pixelsOf(entry) / 1e6, entry.peers[name].wall.median] as const] : [],
    ),
  });
  return {
    title: `Time by pixels, ${adapter.name}`,
    x: { label: 'megapixels of the network’s input', scale: 'log' },
    y: { label: 'milliseconds', scale: 'log' },
    series: [
      { ...stage('wall'), name: 'detect' },
      stage('network'),
      stage('aggregation'),
      ...names.map(peer),
    ],
  };
}

function wordsChart({ adapter, aggregation }: BenchRecord): Chart {
  const maps = [...new Set(aggregation.map(nameOf))];
  // The legend has room for two maps only.
  const shown = maps.length > 2 ? [maps[0], maps[maps.length - 1]] : maps;
  const series = shown.flatMap((map): ChartSeries[] => {
    const entries = aggregation.filter((entry) => nameOf(entry) === map);
    return [
      {
        name: `${map}, GPU`,
        points: entries.map((entry) => [entry.regions, entry.gpu.wall.median] as const),
      },
      {
        name: `${map}, twin`,
        points: entries.map((entry) => [entry.regions, entry.sequential.wall.median] as const),
      },
    ];
  });
  return {
    title: `Aggregation by words, ${adapter.name}`,
    x: { label: 'words on the map', from: 0 },
    y: { label: 'milliseconds, wall clock', scale: 'log' },
    series,
  };
}
