// Checkpoints and weights files: damaged anywhere, and damaged inside a container that is whole.
import { readdirSync, readFileSync } from 'node:fs';
import { unzipSync, zipSync } from 'fflate';
import fc from 'fast-check';
import { openCheckpoint } from '../../../src/checkpoint/pytorch.js';
import { readSafetensors, writeSafetensors } from '../../../src/checkpoint/safetensors.js';
import { shardNames } from '../../../src/checkpoint/shards.js';
import { elementCount, type NamedTensor } from '../../../src/checkpoint/tensor.js';
import { convertCheckpoint } from '../../../src/network/convert.js';
import { type ModelConfig, detectionPresets } from '../../../src/network/config.js';
import { checkpointTensorsOf } from '../../../src/network/parameters.js';
import { readWeights } from '../../../src/network/weights-file.js';
import { asTuning, tunedChoices, tuningOf } from '../../../src/tuning/tuning.js';
import { bytesOf, dict, storage, str, tensor, tuple } from '../../checkpoint/pickle-writer.js';
import { bundledPath } from '../../support/reference.js';
import { damaged, damagedText } from '../mutations.js';
import { mayRefuse, target } from '../target.js';

const folder = bundledPath('checkpoints/');
const seeds = (ending: RegExp): Uint8Array[] =>
  readdirSync(folder)
    .filter((name) => ending.test(name))
    .sort()
    .map((name) => readFileSync(folder + name));

const zips = seeds(/\.zip\.pth$/);
const legacy = seeds(/\.legacy\.pth$/);

function checkTensors(tensors: ReadonlyMap<string, NamedTensor>): void {
  for (const [name, { shape, data }] of tensors) {
    if (elementCount(shape) !== data.length)
      throw new Error(`${name} of [${shape.join(', ')}] with ${data.length} values`);
  }
}

function readAny(bytes: Uint8Array): void {
  checkTensors(openCheckpoint(bytes, 'a.pth').tensors);
  mayRefuse(() => convertCheckpoint(bytes, { source: 'a.pth' }));
}

/** A zip archive in which one entry was damaged. */
const damagedEntries: fc.Arbitrary<Uint8Array> = (() => {
  const archives = zips.map((bytes) => unzipSync(bytes));
  const pickles = archives.map((files) => files[pickleOf(files)]);
  return fc
    .tuple(fc.nat(archives.length - 1), damaged(pickles), fc.boolean())
    .map(([which, pickle, compressed]) => {
      const files = archives[which];
      return zipSync({ ...files, [pickleOf(files)]: pickle }, { level: compressed ? 6 : 0 });
    });
})();

function pickleOf(files: Readonly<Record<string, Uint8Array>>): string {
  return Object.keys(files).find((name) => name.endsWith('data.pkl'))!;
}

/** Headers of safetensors in files that have their length right. */
function withHeader(header: string, data: Uint8Array): Uint8Array {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

function splitHeader(bytes: Uint8Array): { header: string; data: Uint8Array } {
  const end = 8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  return { header: new TextDecoder().decode(bytes.subarray(8, end)), data: bytes.subarray(end) };
}

function damagedHeaders(files: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const split = files.map(splitHeader);
  return fc
    .tuple(fc.nat(split.length - 1), damagedText(split.map(({ header }) => header)))
    .map(([which, header]) => withHeader(header, split[which].data));
}

const config: ModelConfig = {
  backbone: { block: 'basic', blocks: [1, 1, 1, 1] },
  neck: { fpems: 1, fusion: 'pan++' },
  detection: detectionPresets.icdar2015,
};

/** The names of a network with one value a tensor: conversion gets as far as their shapes. */
const named = (rename: (name: string) => string): Uint8Array =>
  writeSafetensors(
    [...checkpointTensorsOf(config).keys()].map((name) => [
      rename(name),
      { shape: [1], data: Float32Array.of(1) },
    ]),
  );

const safetensors = [
  ...seeds(/expected\.safetensors$/),
  named((name) => name),
  named((name) => `module.${name}`),
  named((name) =>
    name
      .replace(/^reduce_layer(\d)\.conv/, 'neck.reduce_conv_c$1.0')
      .replace(/^fpem1\.smooth_layer3_1/, 'neck.fpems.0.up_add1'),
  ),
];

const weights = [
  writeSafetensors([['det_head.conv2.weight', { shape: [1], data: Float32Array.of(1) }]], {
    metadata: { format: 'panpp', version: '1', config: JSON.stringify(config) },
  }),
  writeSafetensors([['det_head.conv2.weight', { shape: [1], data: Float32Array.of(1) }]], {
    metadata: {
      format: 'panpp',
      version: '1',
      config: JSON.stringify({ ...config, recognition: { vocabulary: ['a', 'b'] } }),
    },
  }),
];

const shards = new Map([
  ['1.safetensors', safetensors[0]],
  ['2.bin', zips[0]],
]);
const weightMap = [...shards].flatMap(([file, bytes]) =>
  [...openCheckpoint(bytes, file).tensors.keys()].map((name) => [name, file] as const),
);
const index = JSON.stringify({
  metadata: { total_size: 8 },
  weight_map: Object.fromEntries(weightMap),
});

function readIndex(text: string): void {
  const bytes = new TextEncoder().encode(text);
  shardNames(bytes, 'a.json');
  checkTensors(openCheckpoint(bytes, 'a.json', { shards }).tensors);
}

/** Tensors of a whole network would be megabytes; this far, all is well. */
function readPartOfWeights(bytes: Uint8Array): void {
  readSafetensors(bytes, 'a.safetensors');
  mayRefuse(() => void readWeights(bytes, 'a.safetensors'));
}

const device = { software: false, maxWorkgroupBytes: 32768, subgroupSize: 32 };
const shape = {
  kernel: 3,
  stride: 1,
  inChannels: 64,
  outChannels: 64,
  sizes: [64, 64, 64, 64],
  types: { input: 'f32', weight: 'f32', output: 'f32' },
} as const;
const tile = { kind: 'plain', pixels: 4, vectors: 1, lanes: 16, rows: 4, depth: 0 } as const;
const tuning = JSON.stringify(
  tuningOf(
    { adapter: 'a', vendor: 'b', architecture: 'c' },
    {
      '3x3/1 64>64 4096px f32 f32 f32': { tile, best: 1, baseline: 2, faults: [] },
      '1x1/1 64>64 x36 1024px f32 f32 f32': { best: 1, baseline: 2 },
    },
    { '3x3/1 64>64 f32': { method: 'direct', best: 1, baseline: 2 } },
  ),
);

function readTuning(text: string): void {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return; // the file's reader refuses it
  }
  const choices = tunedChoices(asTuning(value, 'a.json'), device);
  choices.tile(shape);
  choices.method({ ...shape, precision: 'f32' });
}

/** A pickle of tensors with any numbers in it. */
const describedTensors: fc.Arbitrary<Uint8Array> = (() => {
  const number = fc.oneof(
    fc.nat(5),
    fc.constantFrom(2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 60),
  );
  const list = fc.array(number, { maxLength: 5 });
  return fc
    .tuple(number, number, list, list, fc.boolean())
    .map(([length, offset, sizes, strides, isView]) => {
      const view = isView ? [tuple(str('0'), 'K\0', 'K\x02')] : [];
      const from = storage('torch.FloatStorage', '0', length, ...view);
      const pickle = `\x80\x02${dict({ w: tensor(from, offset, sizes, strides) })}.`;
      return zipSync(
        { 'a/data.pkl': bytesOf(pickle), 'a/data/0': new Uint8Array(16) },
        { level: 0 },
      );
    });
})();

export const checkpointTargets = [
  target({
    name: 'checkpoint, zip',
    inputs: fc.oneof(damaged(zips), damagedEntries),
    read: readAny,
    inSuite: 500,
  }),
  target({ name: 'checkpoint, legacy', inputs: damaged(legacy), read: readAny, inSuite: 1000 }),
  target({ name: 'checkpoint, tensors', inputs: describedTensors, read: readAny, inSuite: 800 }),
  target({
    name: 'safetensors',
    inputs: fc.oneof(damaged(safetensors), damagedHeaders(safetensors)),
    read: readAny,
    inSuite: 800,
  }),
  target({ name: 'index of shards', inputs: damagedText([index]), read: readIndex, inSuite: 500 }),
  target({
    name: 'weights file',
    inputs: fc.oneof(damaged(weights), damagedHeaders(weights)),
    read: readPartOfWeights,
    inSuite: 800,
  }),
  target({ name: 'tuning', inputs: damagedText([tuning]), read: readTuning, inSuite: 1000 }),
];
