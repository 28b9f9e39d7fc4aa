// Convolutions on subgroup matrices. Adapters that have them are NVIDIA's, Intel's and AMD's newer
// GPUs and Mesa 26's lavapipe; elsewhere only the choice of tiles is tested.
import { afterAll, describe, expect, it } from 'vitest';
import { type ConvShape, type WeightOrder, shapeKey } from '../../src/layers/conv/shape.js';
import {
  candidateTiles,
  defaultTile,
  tileName,
  tileShader,
} from '../../src/layers/conv/tiles/kinds.js';
import type { ConvTile, TileDevice } from '../../src/layers/conv/tiles/tile.js';
import { Gpu } from '../../src/gpu/context.js';
import { pipelineDescriptor } from '../../src/gpu/dispatch.js';
import { defaultChoices } from '../../src/layers/conv/method.js';
import { openGpu } from '../../src/node.js';
import { uploadWeights } from '../../src/network/weights.js';
import { planNetwork, planRecognitionFeatures } from '../../src/network/plan.js';
import { foldedProcedural, spotterConfig } from '../recognition/run-recognition.js';
import { watchBounds } from '../support/bounds.js';
import { randomPlanes, runLayers } from '../support/run-layer.js';
import { relativeDifference } from '../support/close.js';
import { convCase } from '../support/conv-case.js';

const f16 = { input: 'f16', weight: 'f16', output: 'f16' } as const;
const matrix = { M: 16, N: 16, K: 16, subgroup: 32, pinned: false };
const device: TileDevice = {
  software: false,
  subgroupMatrix: matrix,
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
    weightOrder: 'input',
  };
}

const matrixTile = (pixels: number, lanes: number, rows: number): ConvTile => ({
  kind: 'matrix',
  pixels,
  vectors: 8,
  lanes,
  rows,
  depth: 32,
  matrix,
});

describe('tiles of subgroup matrices', () => {
  const classOf = (outChannels: number, inChannels = 64, precision: 'f16' | 'f32' = 'f16') =>
    ({ kernel: 1, stride: 1, inChannels, outChannels, precision }) as const;
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
    ['float32', classOf(64, 64, 'f32'), device],
    ['input channels that fill no step', classOf(64, 48), device],
    ['output channels that fill no tile', classOf(48), device],
    ['a device without them', classOf(64), { ...device, subgroupMatrix: undefined }],
    ['a software adapter', classOf(64), { ...device, software: true }],
  ] as const)('are none for %s', (_, conv, on) => {
    expect(defaultChoices(on).weightOrder(conv)).toBe('output');
  });

  it('read weights in an order that no other tile reads', () => {
    expect(defaultChoices(device).weightOrder(classOf(64))).toBe('input');
    const kindsOf = (weightOrder: WeightOrder) =>
      new Set(
        candidateTiles({ ...shapeOf(64, 1600), weightOrder }, device).map(({ kind }) => kind),
      );
    expect([...kindsOf('input')]).toEqual(['matrix']);
    expect([...kindsOf('output')]).not.toContain('matrix');
    expect(kindsOf('output').size).toBeGreaterThan(0);
    expect(shapeKey(shapeOf(64, 60))).toBe('1x1/1 64>64 x1 64px f16 f16 f16 matrix');
  });

  it('are the smallest for hardly any pixels', () => {
    expect(candidateTiles(shapeOf(64, 9), device)).toEqual([matrixTile(32, 2, 1)]);
  });

  it('ask for their subgroups’ size where the device has several', () => {
    const pinned = { ...matrixTile(32, 2, 1), matrix: { ...matrix, pinned: true } };
    const compiled: string[] = [];
    const device = {
      createBindGroupLayout: () => ({}),
      createPipelineLayout: () => ({}),
      createShaderModule: ({ code }: GPUShaderModuleDescriptor) => compiled.push(code),
    };
    for (const tile of [pinned, matrixTile(32, 2, 1)])
      pipelineDescriptor({ device, profile: {} } as unknown as Gpu, {
        label: 'conv',
        ...tileShader(tile, f16),
      });
    expect(compiled[0]).toMatch(/@subgroup_size\(32\) @workgroup_size/);
    expect(compiled[1]).not.toContain('@subgroup_size');
  });

  it('keep to the device’s memory and 256 invocations', () => {
    for (const maxWorkgroupBytes of [16384, 32768, 49152]) {
      const tiles = candidateTiles(shapeOf(512, 25600, 512), { ...device, maxWorkgroupBytes });
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

const opened = await openGpu({ toggles: ['allow_unsafe_apis'] });
afterAll(() => opened.dispose());
// Software adapters use matrices only where they pass for hardware.
const gpu = new Gpu(opened.device, { ...opened.profile, software: false }, () => {}, opened.wait);

if (!gpu.profile.subgroupMatrix)
  console.log(`not tested, as ${gpu.profile.adapter} has no subgroup matrices: their values`);

const cases = [
  { out: 64, in: 16, kernel: 1, stride: 1, height: 8, width: 8 },
  { out: 64, in: 32, kernel: 3, stride: 1, height: 23, width: 17 },
  { out: 128, in: 64, kernel: 3, stride: 2, height: 29, width: 31 },
  { out: 128, in: 32, kernel: 1, stride: 2, height: 21, width: 20 },
  { out: 192, in: 96, kernel: 3, stride: 1, height: 12, width: 33 },
] as const;

describe.skipIf(!gpu.profile.subgroupMatrix)(`subgroup matrices on ${gpu.profile.adapter}`, () => {
  const watch = watchBounds(gpu);

  describe.each(['direct', 'winograd'] as const)('%s', (method) => {
    it.each(
      cases.filter(({ kernel, stride }) => method === 'direct' || (kernel === 3 && stride === 1)),
    )(
      'every tile gives the same, within bounds: $in → $out channels, kernel $kernel, stride $stride, $height × $width',
      async (sizes) => {
        const { expected, runDefault, run } = convCase(gpu, 'f16', sizes, method);
        const { values, shape } = await runDefault();
        expect(relativeDifference(values, expected)).toBeLessThan(10 * 2 ** -11);
        const tiles = candidateTiles(shape, gpu.profile);
        expect(tiles.length).toBeGreaterThan(0);
        for (const tile of tiles) {
          expect(tile.kind).toBe('matrix');
          expect(relativeDifference(await run(tile), values), tileName(tile)).toBeLessThan(
            2 ** -11,
          );
        }
        const { ran, faults } = await watch.report();
        expect(ran).toContain(method === 'direct' ? 'conv' : 'conv.products');
        expect(faults).toEqual([]);
      },
    );
  });

  it('give the whole network’s map', async () => {
    const config = spotterConfig(['a', 'b']);
    const tensors = foldedProcedural(config);
    const mapOn = async (device: Gpu) => {
      const packed = uploadWeights(device, tensors, config, 'f16');
      await packed.ready;
      const [det, read] = await runLayers(device, [randomPlanes(4, 64, 96)], ([map]) => {
        const plan = planNetwork(config, packed, map);
        const features = planRecognitionFeatures(plan, packed);
        return {
          output: [plan.maps.get('det')!, features.output],
          dispatches: [...plan.dispatches, ...features.dispatches],
        };
      });
      packed.dispose();
      return [det.data, read.data];
    };
    const without = new Gpu(
      opened.device,
      { ...gpu.profile, subgroupMatrix: undefined },
      () => {},
      opened.wait,
    );
    const usual = await mapOn(without);
    const differences = (await mapOn(gpu)).map((data, at) => relativeDifference(data, usual[at]));
    console.log(`with matrices: ${differences.map((each) => each.toExponential(1)).join(', ')}`);
    // Seen: 8.5e-4 and 9.4e-4 on Mesa 26's lavapipe.
    for (const difference of differences) expect(difference).toBeLessThan(1.5e-3);
    expect((await watch.report()).faults).toEqual([]);
  });
});
