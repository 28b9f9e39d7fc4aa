// Writes RESULTS.md and its charts from the records.
import { mkdir, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { AggregationEntry } from './aggregation.js';
import { writeCharts } from './charts.js';
import type { ColdStartEntry } from './cold-start.js';
import { type DetectionEntry, severalImages } from './detection.js';
import { digits, table, writeFigures } from './markdown.js';
import type { Statistics } from './measure.js';
import type { PeersEntry } from './peers.js';
import { providers } from './peers/onnxruntime.js';
import type { RecognitionEntry } from './recognition.js';
import { type BenchRecord, type LeftOut, type Origin, fileNameOf } from './record.js';
import { nameOf } from './sizes.js';

/** Writes RESULTS.md and the charts from all records in a folder, and returns the file's path. */
export async function writeReport(folder: string): Promise<string> {
  const records = await readRecords(join(folder, 'records'));
  const sections: string[] = [];
  for (const record of records) {
    await mkdir(join(folder, 'charts'), { recursive: true });
    const charts = await writeCharts(record, join(folder, 'charts'), fileNameOf(record));
    sections.push(
      describeRecord(
        record,
        charts.map(({ title, file }) => `![${title}](charts/${file})`),
      ),
    );
  }
  const path = join(folder, 'RESULTS.md');
  await writeFigures(path, 'npm run bench', 'Results', sections.join('\n'));
  return path;
}

async function readRecords(folder: string): Promise<BenchRecord[]> {
  const files = (await readdir(folder).catch(() => []))
    .filter((name) => name.endsWith('.json'))
    .sort();
  const records = await Promise.all(
    files.map(
      async (name) => JSON.parse(await readFile(join(folder, name), 'utf8')) as BenchRecord,
    ),
  );
  // Hardware first.
  return records.sort((a, b) => Number(a.adapter.software) - Number(b.adapter.software));
}

/** A record as Markdown. */
export function describeRecord(record: BenchRecord, charts: readonly string[] = []): string {
  return [
    `## ${record.adapter.name}`,
    '',
    ...describeOrigin(record),
    ...(record.coldStart ? coldStartTable(record.coldStart) : []),
    ...section('Detection', detectionTable(record.detection)),
    ...section(
      `${severalImages} images of a size, milliseconds an image`,
      severalTable(record.detection),
    ),
    ...section('The network beside general runtimes', peersTable(record.peers)),
    ...section('Aggregation by number of words', aggregationTable(record.aggregation)),
    ...section('Reading by number of regions', recognitionTable(record.recognition)),
    ...charts.flatMap((chart) => [chart, '']),
  ].join('\n');
}

function describeOrigin({ effort, quick, date, commit, ...origin }: BenchRecord): string[] {
  return [
    ...describeMachinery(origin),
    `- Medians of ${effort.runs} runs or more${quick ? ', a quick look' : ''}`,
    `- ${date.slice(0, 10)}, commit ${commit}`,
    '',
    'Milliseconds; `GPU` is the GPU’s own clock, `wall` the wall clock from call to result.',
    '',
  ];
}

/** The adapter, machine and model of figures, as a list. */
export function describeMachinery({
  adapter,
  machine,
  model,
  precision,
  tuned,
}: Omit<Origin, 'date' | 'commit'>): string[] {
  const able = (['f16', 'subgroups', 'timestamps'] as const).filter((name) => adapter[name]);
  const toggles = [...adapter.toggles, ...adapter.disabledToggles.map((name) => `no ${name}`)].join(
    ', ',
  );
  return [
    `- Driver ${adapter.driver}; ${able.join(', ') || 'no optional features'}; toggles: ${toggles}`,
    `- Largest binding ${mebibytes(adapter.maxBindingBytes)} MiB`,
    `- ${machine.cpu}, ${machine.cores} cores, ${machine.platform}`,
    `- Node ${machine.node}, webgpu ${machine.webgpu}, onnxruntime ${machine.onnxruntime ?? 'not installed'}`,
    `- ${model}, ${precision}${tuned ? ', tuned' : ''}`,
  ];
}

function section(title: string, table: readonly string[]): string[] {
  return table.length > 0 ? [`### ${title}`, '', ...table, ''] : [];
}

function coldStartTable({ shortSide, emptyCaches, filledCaches }: ColdStartEntry): string[] {
  const steps = ['import', 'adapter', 'weights', 'image', 'detect', 'once', 'setup', 'wall'];
  const row = (name: string, times: Readonly<Record<string, Statistics>>) => [
    name,
    ...steps.map((step) => shown(times[step])),
    `${times.wall.runs}`,
  ];
  return section(
    `Cold start: a process from its start to the first result, short side ${shortSide}`,
    [
      ...table(
        [
          'drivers’ shader caches',
          'import',
          'adapter',
          'weights',
          'image',
          'first detect',
          'of it once only (shaders)',
          'of that in setup',
          'in all',
          'runs',
        ],
        [row('empty', emptyCaches), row('filled', filledCaches)],
      ),
    ],
  );
}

function detectionTable(entries: readonly (DetectionEntry | LeftOut)[]): string[] {
  if (entries.length === 0) return [];
  const header = [
    ...[
      'size',
      'upload',
      'preprocess GPU',
      'network GPU',
      'aggregation GPU',
      'regions',
      'wall',
      'first time’s setup',
    ],
    ...['GPU memory MiB', '÷ (widest point + weights)', 'runs'],
  ];
  const stages = ['upload', 'preprocess', 'network', 'aggregation', 'regions', 'wall'];
  const row = (entry: DetectionEntry) => {
    const { weights, programs, live } = entry.memory;
    return [
      ...[nameOf(entry), ...stages.map((stage) => shown(entry.times[stage]))],
      ...[
        digits(entry.setup),
        mebibytes(weights + programs),
        digits((weights + programs) / (weights + live)),
        `${entry.times.wall.runs}`,
      ],
    ];
  };
  return rowsAndReasons(header, entries, row);
}

function severalTable(entries: readonly (DetectionEntry | LeftOut)[]): string[] {
  const measured = entries.flatMap((entry) =>
    'several' in entry && entry.several ? [{ size: nameOf(entry), ...entry.several }] : [],
  );
  if (measured.length === 0) return [];
  return table(
    ['size', 'one by one', 'overlapped', 'one by one ÷ overlapped', 'batch', 'one by one ÷ batch'],
    measured.map(({ size, oneByOne, overlapped, overlappedRatio, batch, batchRatio }) => [
      ...[
        size,
        digits(oneByOne),
        digits(overlapped),
        `**${digits(overlappedRatio)}**`,
        digits(batch),
        `**${digits(batchRatio)}**`,
      ],
    ]),
  );
}

function peersTable(entries: readonly (PeersEntry | LeftOut)[]): string[] {
  if (entries.length === 0) return [];
  const header = [
    'size',
    'ours GPU',
    'ours wall',
    ...providers.flatMap((name) => [`${name} wall`, '× ours', 'difference']),
    'runs',
  ];
  const row = (entry: PeersEntry) => [
    ...[nameOf(entry), shown(entry.ours.network), shown(entry.ours.wall)],
    ...providers.flatMap((name) => {
      const peer = entry.peers[name];
      return peer
        ? [shown(peer.wall), `**${digits(peer.ratio)}**`, peer.difference.toExponential(1)]
        : ['', '', ''];
    }),
    `${entry.ours.wall.runs}`,
  ];
  const absences = entries.flatMap((entry) =>
    'absent' in entry
      ? Object.entries(entry.absent).map(
          ([name, reason]) => `- ${name} at ${nameOf(entry)}: ${reason}`,
        )
      : [],
  );
  return [
    ...rowsAndReasons(header, entries, row),
    ...(absences.length > 0 ? ['', ...absences] : []),
  ];
}

function aggregationTable(entries: readonly AggregationEntry[]): string[] {
  if (entries.length === 0) return [];
  return table(
    ['map', 'words', 'kernels', 'GPU', 'wall', 'sequential twin', 'twin ÷ wall', 'runs'],
    entries.map((entry) => [
      ...[
        nameOf(entry),
        `${entry.regions}`,
        `${entry.kernels}`,
        shown(entry.gpu.aggregation),
        shown(entry.gpu.wall),
      ],
      ...[shown(entry.sequential.wall), `**${digits(entry.ratio)}**`, `${entry.gpu.wall.runs}`],
    ]),
  );
}

function recognitionTable(entries: readonly RecognitionEntry[]): string[] {
  if (entries.length === 0) return [];
  return table(
    [
      'size',
      'regions',
      'characters a word',
      'network GPU',
      'features GPU',
      'recognition GPU',
      'share of the head',
      'wall',
      'wall, also rectified',
      'runs',
    ],
    entries.map(({ regions, characters, times, share, ...size }) => [
      ...[
        nameOf(size),
        `${regions}`,
        digits(characters),
        shown(times.network),
        shown(times.features),
        shown(times.recognition),
      ],
      ...[
        share === undefined ? '' : `**${Math.round(100 * share)} %**`,
        shown(times.wall),
        shown(times.rectified),
        `${times.wall.runs}`,
      ],
    ]),
  );
}

function rowsAndReasons<T extends { height: number; width: number }>(
  header: readonly string[],
  entries: readonly (T | LeftOut)[],
  row: (entry: T) => string[],
): string[] {
  const isLeftOut = (entry: T | LeftOut): entry is LeftOut => 'reason' in entry;
  const measured = entries.filter((entry): entry is T => !isLeftOut(entry));
  const reasons = entries.filter(isLeftOut).map((entry) => `- ${nameOf(entry)}: ${entry.reason}`);
  const tables = measured.length > 0 ? table(header, measured.map(row)) : [];
  return [...tables, ...(reasons.length > 0 ? ['', ...reasons] : [])];
}

function shown(statistics: Statistics | undefined): string {
  return statistics ? digits(statistics.median) : '';
}

function mebibytes(bytes: number): string {
  return digits(bytes / 2 ** 20);
}
