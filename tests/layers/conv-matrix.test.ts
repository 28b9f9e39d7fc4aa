// Convolutions on subgroup matrices. Adapters that have them are NVIDIA's, Intel's and AMD's newer
// GPUs and Mesa 26's lavapipe; elsewhere only the choice of tiles is tested.
import { afterAll, describe, expect, it } from 'vitest';
import type { ConvShape } from '../../src/layers/conv/shape.js';
import { candidateTiles, defaultTile, tileName } from '../../src/layers/conv/tiles/kinds.js';
import type { ConvTile, TileDevice } from '../../src/layers/conv/tiles/tile.js';
import { openGpu } from '../../src/node.js';
import { relativeDifference } from '../support/close.js';
import { convCase } from '../support/conv-case.js';

const f16 = { input: 'f16', weight: 'f16', output: 'f16' } as const;
const device: TileDevice = {
  software: false,
  subgroupSize: 32,
  subgroupMatrix: { M: 16, N: 16, K: 16 },
  maxWorkgroupBytes: 49152,
};

function shapeOf(outChannels: number, pixels: number, inChannels = 64): ConvShape {
  return {
    kernel: 1,
    stride: 1,
    inChannels,
    outChannels,
    sizes: [1, pixels, 1, pixels],
    types: f16,
  };
}

const matrixTiles = (shape: ConvShape, on: TileDevice = device) =>
  candidateTiles(shape, on).filter(({ kind }) => kind === 'matrix');

const matrixTile = (pixels: number, lanes: number, rows: number): ConvTile => ({
  kind: 'matrix',
  pixels,
  vectors: 8,
  lanes,
  rows,
  depth: 32,
  matrix: { M: 16, N: 16, K: 16, subgroup: 32 },
});

describe('tiles of subgroup matrices', () => {
  it.each([
    [shapeOf(64, 1600), matrixTile(64, 2, 2)],
    [shapeOf(64, 60), matrixTile(32, 2, 2)],
    [shapeOf(512, 20), matrixTile(32, 4, 1)],
  ] as const)('are the default where they fit: %j', (shape, expected) => {
    expect(defaultTile(shape, device)).toEqual(expected);
  });

  it('have names that state the sizes per workgroup and per subgroup', () => {
    expect(tileName(matrixTile(64, 2, 2))).toBe('matrix 128x64 by 64x32, 32 deep, 16x16x16 by 32');
  });

  it.each([
    ['float32', { ...shapeOf(64, 1600), types: { ...f16, input: 'f32' } }, device],
    ['input channels that fill no step', shapeOf(64, 1600, 48), device],
    ['output channels that fill no tile', shapeOf(48, 1600), device],
    ['subgroups of several sizes', shapeOf(64, 1600), { ...device, subgroupSize: undefined }],
    ['a device without them', shapeOf(64, 1600), { ...device, subgroupMatrix: undefined }],
    ['a software adapter', shapeOf(64, 1600), { ...device, software: true }],
    ['hardly any pixels', shapeOf(64, 9), device],
  ] as const)('are none for %s', (_, shape, on) => {
    expect(matrixTiles(shape, on)).toEqual([]);
  });

  it('keep to the device’s memory and 256 invocations', () => {
    for (const maxWorkgroupBytes of [16384, 32768, 49152]) {
      const tiles = matrixTiles(shapeOf(512, 25600, 512), { ...device, maxWorkgroupBytes });
      expect(tiles.length).toBeGreaterThan(0);
      for (const { rows, lanes, matrix, pixels, depth } of tiles) {
        expect(rows * lanes * matrix!.subgroup).toBeLessThanOrEqual(256);
        expect(
          pixels * rows * (8 + 2 * (depth + 8)) + rows * lanes * 16 * 32 * 4,
        ).toBeLessThanOrEqual(maxWorkgroupBytes);
      }
    }
  });
});

const gpu = await openGpu({ toggles: ['allow_unsafe_apis'] });
afterAll(() => gpu.dispose());

const cases = [
  { out: 64, in: 16, kernel: 1, stride: 1, height: 8, width: 8 },
  { out: 64, in: 32, kernel: 3, stride: 1, height: 23, width: 17 },
  { out: 128, in: 64, kernel: 3, stride: 2, height: 29, width: 31 },
  { out: 128, in: 32, kernel: 1, stride: 2, height: 21, width: 20 },
  { out: 192, in: 96, kernel: 3, stride: 1, height: 12, width: 33 },
] as const;

describe.skipIf(!gpu.profile.subgroupMatrix)(`subgroup matrices on ${gpu.profile.adapter}`, () => {
  describe.each(['direct', 'winograd'] as const)('%s', (method) => {
    it.each(
      cases.filter(({ kernel, stride }) => method === 'direct' || (kernel === 3 && stride === 1)),
    )(
      'every tile gives the same: $in → $out channels, kernel $kernel, stride $stride, $height × $width',
      async (sizes) => {
        const { expected, runDefault, run } = convCase(gpu, 'f16', sizes, method);
        const { values, shape } = await runDefault();
        expect(relativeDifference(values, expected)).toBeLessThan(10 * 2 ** -11);
        const tiles = matrixTiles(shape, { ...gpu.profile, software: false });
        expect(tiles.length).toBeGreaterThan(0);
        for (const tile of tiles) {
          expect(relativeDifference(await run(tile), values), tileName(tile)).toBeLessThan(
            2 ** -11,
          );
        }
      },
    );
  });
});
