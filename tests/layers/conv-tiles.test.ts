import { describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/gpu/context.js';
import { type ConvShape, shapeKey } from '../../src/layers/conv/shape.js';
import { candidateTiles, defaultTile, tileName } from '../../src/layers/conv/tiles/kinds.js';
import {
  type ConvTile,
  type TileDevice,
  type TileKindName,
  tileSize,
} from '../../src/layers/conv/tiles/tile.js';
import type { Precision } from '../../src/layers/precision.js';
import { relativeDifference } from '../support/close.js';
import { convCase } from '../support/conv-case.js';
import { describeOnGpus } from '../support/gpu.js';
import { precisionsOf } from '../support/run-layer.js';

const f32 = { input: 'f32', weight: 'f32', output: 'f32' } as const;
const cpu: TileDevice = { software: true, maxWorkgroupBytes: 32768 };
const lavapipe: TileDevice = { ...cpu, subgroupSize: 8 };
const swiftshader: TileDevice = { ...cpu, subgroupSize: 4 };
const gpuDevice: TileDevice = { software: false, subgroupSize: 32, maxWorkgroupBytes: 16384 };

function shapeOf(outChannels: number, pixels: number, inChannels = 64): ConvShape {
  return {
    kernel: 1,
    stride: 1,
    inChannels,
    outChannels,
    sizes: [1, pixels, 1, pixels],
    types: f32,
  };
}

const tile = (
  kind: TileKindName,
  pixels: number,
  vectors: number,
  lanes: number,
  rows: number,
  depth = 0,
): ConvTile => ({ kind, pixels, vectors, lanes, rows, depth });

describe('tiles', () => {
  it.each([
    [cpu, 64, tile('plain', 8, 1, 16, 4)],
    [cpu, 128, tile('plain', 8, 1, 32, 2)],
    [cpu, 512, tile('plain', 8, 1, 32, 2)],
    [cpu, 8, tile('plain', 8, 1, 2, 32)],
    [cpu, 36, tile('plain', 8, 1, 9, 7)],
    [lavapipe, 64, tile('subgroup8', 16, 1, 16, 1)],
    [lavapipe, 1152, tile('subgroup8', 16, 1, 32, 1)],
    [lavapipe, 8, tile('plain', 8, 1, 2, 32)],
    [lavapipe, 36, tile('plain', 8, 1, 9, 7)],
    [swiftshader, 1152, tile('subgroup4', 16, 1, 16, 1)],
    [swiftshader, 16, tile('subgroup4', 16, 1, 4, 1)],
    [swiftshader, 8, tile('plain', 8, 1, 2, 32)],
    [gpuDevice, 64, tile('tiled', 8, 2, 8, 8, 16)],
    [gpuDevice, 8, tile('plain', 4, 1, 2, 32)],
    [{ ...gpuDevice, architecture: 'gcn-5' }, 64, tile('tiled', 4, 2, 8, 16, 16)],
    [{ ...gpuDevice, vendor: 'intel' }, 64, tile('tiled', 2, 1, 16, 8, 32)],
    [{ ...gpuDevice, vendor: 'intel', pinnedSubgroupSize: 8 }, 64, tile('tiled', 16, 1, 16, 4, 16)],
    [
      { ...gpuDevice, vendor: 'intel', pinnedSubgroupSize: 8 },
      1152,
      tile('tiled', 8, 2, 16, 16, 16),
    ],
    [{ ...gpuDevice, vendor: 'qualcomm' }, 64, tile('tiled', 4, 1, 16, 4, 16)],
  ] as const)('default on %j for %i channels is %j', (device, channels, expected) => {
    expect(defaultTile(shapeOf(channels, 25600), device)).toEqual(expected);
  });

  it.each([
    [25600, 1, tile('tiled', 8, 2, 8, 8, 16)],
    [1600, 1, tile('tiled', 4, 2, 8, 8, 16)],
    [400, 1, tile('tiled', 4, 1, 16, 4, 16)],
    [400, 36, tile('tiled', 8, 2, 8, 8, 16)],
    [66, 36, tile('tiled', 4, 2, 8, 8, 16)],
    [33, 36, tile('tiled', 4, 1, 16, 4, 16)],
    [25, 36, tile('tiled', 4, 2, 8, 8, 16)],
    [25, 1, tile('tiled', 4, 1, 16, 4, 16)],
  ])(
    'are smaller where they would not fill a GPU or be filled: %i pixels x %i',
    (pixels, batches, expected) => {
      expect(defaultTile({ ...shapeOf(512, pixels), batches }, gpuDevice)).toEqual(expected);
    },
  );

  it.each([
    [swiftshader, 4, tile('subgroup4', 4, 1, 16, 1)],
    [swiftshader, 5, tile('subgroup4', 16, 1, 16, 1)],
    [lavapipe, 8, tile('subgroup8', 8, 1, 32, 1)],
    [lavapipe, 9, tile('subgroup8', 16, 1, 32, 1)],
  ] as const)('on %j for %i pixels take no more than there are', (device, pixels, expected) => {
    expect(defaultTile(shapeOf(512, pixels), device)).toEqual(expected);
  });

  it('have names that state the sizes per workgroup and per invocation', () => {
    expect(tileName(tile('plain', 8, 1, 16, 4))).toBe('plain 32x64 by 8x4');
    expect(tileName(tile('tiled', 8, 2, 8, 8, 16))).toBe('tiled 64x64 by 8x8, 16 deep');
  });

  it('are distinct, and the default is one of them', () => {
    const gpus = [
      { vendor: 'intel' },
      { vendor: 'intel', pinnedSubgroupSize: 8 },
      { architecture: 'gcn-5' },
      { vendor: 'arm' },
    ].map((kind) => ({ ...gpuDevice, ...kind }));
    for (const device of [cpu, swiftshader, lavapipe, gpuDevice, ...gpus]) {
      for (const channels of [4, 12, 36, 64, 96, 512, 1152]) {
        for (const pixels of [1, 25, 400, 25600]) {
          const names = candidateTiles(shapeOf(channels, pixels), device).map((tile) =>
            JSON.stringify(tile),
          );
          expect(new Set(names).size).toBe(names.length);
          expect(names).toContain(JSON.stringify(defaultTile(shapeOf(channels, pixels), device)));
        }
      }
    }
  });

  it('keep to the device’s limits', () => {
    const memory = ({ depth, ...tile }: ConvTile) => {
      const [pixels, out4] = tileSize({ ...tile, depth });
      return (pixels + 4 * out4) * depth * 4;
    };
    const largest = (maxWorkgroupBytes: number) => {
      const tiles = candidateTiles(shapeOf(512, 25600, 512), { ...gpuDevice, maxWorkgroupBytes });
      for (const { kind, pixels, vectors, lanes, rows, depth } of tiles) {
        expect(lanes * rows).toBeLessThanOrEqual(256);
        if (kind !== 'tiled') continue;
        // Else some inputs or weights of a step would not be read.
        expect((pixels * depth) / 4 / lanes).toBe(Math.round((pixels * depth) / 4 / lanes));
        expect((depth * vectors) / rows).toBe(Math.round((depth * vectors) / rows));
      }
      return Math.max(...tiles.map(memory));
    };
    expect(largest(16384)).toBe(16384);
    expect(largest(49152)).toBe(32768);
    expect(largest(8192)).toBe(8192);
  });

  it('are chosen by shapes in words, pixels up to the next power of two', () => {
    expect(shapeKey({ ...shapeOf(128, 1025), batches: 36 })).toBe(
      '1x1/1 64>128 x36 2048px f32 f32 f32',
    );
    expect(shapeKey(shapeOf(128, 1024))).toBe('1x1/1 64>128 x1 1024px f32 f32 f32');
  });
});

/** Odd sizes, ragged channels, small and large tiles; Winograd's products are of 36 batches. */
const cases = [
  { out: 64, in: 4, kernel: 3, stride: 2, height: 13, width: 29 },
  { out: 96, in: 36, kernel: 3, stride: 2, height: 16, width: 17 },
  { out: 128, in: 12, kernel: 1, stride: 2, height: 15, width: 33 },
  { out: 36, in: 96, kernel: 1, stride: 1, height: 7, width: 13 },
  { out: 12, in: 20, kernel: 3, stride: 1, height: 9, width: 9 },
  { out: 4, in: 12, kernel: 1, stride: 1, height: 5, width: 7 },
  { out: 68, in: 16, kernel: 3, stride: 1, height: 33, width: 38 },
  { out: 128, in: 36, kernel: 3, stride: 1, height: 21, width: 43 },
  { out: 64, in: 20, kernel: 1, stride: 1, height: 9, width: 15, summed: true },
  { out: 128, in: 32, kernel: 1, stride: 1, height: 11, width: 13, summed: true },
] as const;

describeOnGpus('every tile', (gpu) => {
  const tested: ConvTile[] = [];
  describe.each(precisionsOf(gpu))('in %s', (precision) => {
    it.each(cases)(
      'gives the same: $in → $out channels, kernel $kernel, stride $stride, $height × $width',
      async (sizes) => {
        tested.push(...(await testTiles(gpu, precision, sizes, cases.indexOf(sizes))));
      },
    );
  });

  it.skipIf(compilesSlowly(gpu))('was tested, of the kind that shares memory', () => {
    const device = { ...gpu.profile, software: false };
    const all = candidateTiles(shapeOf(512, 25600, 512), device).filter(
      ({ kind }) => kind === 'tiled',
    );
    expect(tested).toEqual(expect.arrayContaining(all));
  });
});

// lavapipe compiles a large tile for seconds, so a case has every second; each is in some case. In
// f16, which differs by the types of what is read and written, fewer.
const shares: Readonly<Record<Precision, number>> = { f32: 2, f16: 12 };

// Hardware's tiles too. SwiftShader compiles few of them in sensible time, none for plain 16 × 4
// and kernels of several taps.
function testedTiles(gpu: Gpu, precision: Precision, shape: ConvShape, index: number): ConvTile[] {
  const share = shares[precision];
  const all = candidateTiles(shape, { ...gpu.profile, software: false });
  const tiles = all.filter((_, at) => at % share === index % share);
  if (!compilesSlowly(gpu)) return tiles;
  return all.filter(({ kind, pixels, lanes }) =>
    kind === 'tiled' ? pixels === 4 && lanes === 8 : pixels < 16,
  );
}

function compilesSlowly({ profile }: Gpu): boolean {
  return /swiftshader/i.test(profile.adapter);
}

async function testTiles(
  gpu: Gpu,
  precision: Precision,
  sizes: (typeof cases)[number],
  index: number,
): Promise<ConvTile[]> {
  const { expected, runDefault, run } = convCase(gpu, precision, sizes);
  const { values, shape } = await runDefault();
  // As in layers.test.ts, which explains the roundings.
  expect(relativeDifference(values, expected)).toBeLessThan(
    precision === 'f32' ? 2e-6 : 10 * 2 ** -11,
  );
  const tiles = testedTiles(gpu, precision, shape, index);
  for (const tile of tiles) {
    const difference = relativeDifference(await run(tile), values);
    // Sums are made in one order, so that at most the rounding of products within them differs.
    expect(difference, tileName(tile)).toBeLessThan(precision === 'f32' ? 1e-6 : 2 ** -11);
  }
  return tiles;
}
