// Writes SERVE.md from the records.
import { join } from 'node:path';
import { digits, table, writeFigures } from '../markdown.js';
import { median } from '../measure.js';
import { describeMachinery } from '../report.js';
import {
  type BatchingEntry,
  type Latency,
  type LoadEntry,
  type MemoryEntry,
  type OverheadEntry,
  type OverloadEntry,
  memoryShortSide,
} from './figures.js';
import { type Measured, type Parts, type ServeRecord, readRecords } from './record.js';

/** Writes SERVE.md from all records, and returns its path. */
export async function writeReport(folder: string): Promise<string> {
  const records = await readRecords(join(folder, 'records', 'serve'));
  const path = join(folder, 'SERVE.md');
  await writeFigures(
    path,
    'npm run bench:serve',
    'The service under load',
    records.map(describeRecord).join('\n'),
  );
  return path;
}

function describeRecord({ parts, ...origin }: ServeRecord): string {
  return [
    `## ${origin.adapter.name}`,
    '',
    ...describeMachinery(origin),
    '',
    ...describeParts(parts),
  ].join('\n');
}

function describeParts({
  load,
  overhead,
  batching,
  overload,
  memory,
  hostMemory,
}: Parts): string[] {
  return [
    ...section('Latency and throughput by the number of clients', load, loadTable),
    ...section('What a request takes besides the model', overhead, overheadTable),
    ...section('Micro-batches against none', batching, batchingTable),
    ...section('More requests than the queue holds', overload, overloadTable),
    ...section('Memory by the number of requests', atMemorySize(memory), memoryTable),
    ...section('Memory with an engine that answers at once', atMemorySize(hostMemory), memoryTable),
  ];
}

function atMemorySize(part: Measured<MemoryEntry> | undefined) {
  return part && { ...part, shortSide: memoryShortSide };
}

function section<T>(
  title: string,
  part: Measured<T> | undefined,
  tableOf: (figures: T) => string[],
): string[] {
  if (!part) return [];
  const { date, commit, load, shortSide, seconds, figures } = part;
  const circumstances = `${date.slice(0, 10)}, commit ${commit}; short side ${shortSide}, ${seconds} s a series; the machine’s load ${load.map(digits).join(' before, ')} after.`;
  return [`### ${title}`, '', circumstances, '', ...tableOf(figures), ''];
}

const latencyColumns = ['p50', 'p95', 'p99', 'most', 'requests'];

function latencyCells({ p50, p95, p99, most, requests }: Latency): string[] {
  return [...[p50, p95, p99, most].map(digits), `${requests}`];
}

function loadTable(entries: readonly LoadEntry[]): string[] {
  return table(
    ['clients', 'requests a second', 'images a batch', ...latencyColumns],
    entries.map(({ connections, rate, together, latency }) => [
      ...[`${connections}`, digits(rate), digits(together)],
      ...latencyCells(latency),
    ]),
  );
}

function overheadTable(entries: readonly OverheadEntry[]): string[] {
  return table(
    [
      ...['milliseconds with', ...latencyColumns, 'of it decoding, on average'],
      ...['CPU time a request', 'requests a second, 16 clients'],
    ],
    entries.map(({ of, beyond, decode, cpu, rate }) => [
      ...[of, ...latencyCells(beyond), digits(decode)],
      ...[cpu, rate].map((value) => (value === undefined ? '' : digits(value))),
    ]),
  );
}

function batchingTable(entries: readonly BatchingEntry[]): string[] {
  return table(
    ['clients', 'requests a second, batches', 'one by one', 'ratio', 'rounds'],
    entries.map(({ connections, batched, alone, ratio, rounds }) => [
      ...[`${connections}`, digits(batched), digits(alone)],
      ...[`**${digits(ratio)}**`, `${rounds}`],
    ]),
  );
}

function overloadTable(entries: readonly OverloadEntry[]): string[] {
  const [{ queue, connections }] = entries;
  return [
    `\`--queue ${queue}\`, ${connections} clients that ask at the same moment, up to 4 times a second.`,
    '',
    ...table(
      ['milliseconds', ...latencyColumns],
      entries.flatMap(({ of, refused, served }) => [
        [`503, ${of}`, ...latencyCells(refused)],
        [`200, ${of}`, ...latencyCells(served)],
      ]),
    ),
  ];
}

/** Around a number of requests: a sample more or less changes nothing. */
const window = 5;

function memoryTable({ connections, samples }: MemoryEntry): string[] {
  const at = (requests: number) =>
    Math.max(
      0,
      samples.findIndex((sample) => sample.requests >= requests),
    );
  const around = (index: number) => {
    const from = Math.min(Math.max(0, index - (window >> 1)), samples.length - window);
    const some = samples.slice(from, from + window);
    return {
      resident: median(some.map(({ resident }) => resident)),
      gpu: median(some.map(({ gpu }) => gpu)),
    };
  };
  const first = around(at(1000));
  const shown = [1000, 2500, 5000, 7500, samples[samples.length - 1].requests].filter(
    (requests) => requests <= samples[samples.length - 1].requests,
  );
  const change = (now: number, then: number) =>
    then === 0 ? '' : `${(100 * (now / then - 1)).toFixed(1)} %`;
  return [
    `${connections} clients; the median of ${window} samples, ${samples[0].requests} requests apart.`,
    '',
    ...table(
      ['requests', 'resident MiB', 'against 1000', 'GPU MiB', 'against 1000'],
      shown.map((requests) => {
        const { resident, gpu } = around(at(requests));
        return [
          ...[`${requests}`, digits(resident / 2 ** 20), change(resident, first.resident)],
          ...[digits(gpu / 2 ** 20), change(gpu, first.gpu)],
        ];
      }),
    ),
  ];
}
