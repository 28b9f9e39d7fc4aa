import { describe, expect, it } from 'vitest';
import { type Dispatch, type Slot, gridOf } from '../../src/gpu/dispatch.js';
import { planMemory } from '../../src/gpu/memory.js';
import { detectionPresets, resnet18, resnet50 } from '../../src/network/config.js';
import { planNetwork } from '../../src/network/plan.js';
import { defaultChoices } from '../../src/layers/conv/method.js';
import { featureMap } from '../../src/layers/feature-map.js';
import type { Precision } from '../../src/layers/precision.js';
import type { NetworkWeights } from '../../src/network/weights.js';
import { planDetection } from '../../src/detection/pass.js';
import type { Stage } from '../../src/gpu/program.js';
import { greedy } from '../../src/recognition/plan.js';
import { planReader } from '../../src/recognition/reader.js';

const slot = (label: string, bytes: number): Slot => ({ label, bytes });
const kernel = (reads: Slot[], writes: Slot[]): Pick<Dispatch, 'bindings'> => ({
  bindings: [
    ...reads.map((resource, binding) => ({ binding, access: 'read' as const, resource })),
    ...writes.map((resource, at) => ({
      binding: reads.length + at,
      access: 'write' as const,
      resource,
    })),
  ],
});

describe('memory plan', () => {
  it('lets a chain of maps take turns in two buffers', () => {
    const [a, b, c, d] = [100, 80, 60, 40].map((bytes, index) => slot(`s${index}`, bytes));
    const plan = planMemory([kernel([a], [b]), kernel([b], [c]), kernel([c], [d])], []);
    expect(plan.buffers).toEqual([100, 80]);
    expect([a, b, c, d].map((s) => plan.bufferOf.get(s))).toEqual([0, 1, 0, 1]);
    expect(plan.liveBytes).toBe(180);
  });

  it('keeps pinned slots alone and a residual alive', () => {
    const [a, b, c] = [10, 10, 10].map((bytes, index) => slot(`s${index}`, bytes));
    const plan = planMemory([kernel([a], [b]), kernel([b, a], [c])], [c]);
    expect(new Set([a, b, c].map((s) => plan.bufferOf.get(s))).size).toBe(3);
  });

  it('holds kept slots to the end, so that the last kernels can run again', () => {
    const [a, b, c, d] = [10, 10, 10, 10].map((bytes, index) => slot(`s${index}`, bytes));
    const kernels = [kernel([a], [b]), kernel([b], [c]), kernel([c], [d])];
    const bufferOf = (plan: ReturnType<typeof planMemory>) =>
      [b, d].map((s) => plan.bufferOf.get(s));
    expect(new Set(bufferOf(planMemory(kernels, []))).size).toBe(1);
    expect(new Set(bufferOf(planMemory(kernels, [], [b]))).size).toBe(2);
    // Its memory may have held what was used up before it.
    expect(planMemory(kernels, [], [c]).bufferOf.get(c)).toBe(
      planMemory(kernels, [], [c]).bufferOf.get(a),
    );
  });

  it.each([resnet18, resnet50])(
    'never gives two live maps of the network one buffer, and wastes little',
    (backbone) => {
      const config = {
        backbone,
        neck: { fpems: 2, fusion: 'pan++' as const },
        detection: detectionPresets.icdar2015,
      };
      const { dispatches } = planNetwork(
        config,
        weightsIn('f32'),
        featureMap('image', 736, 1312, 4),
      );
      const plan = planMemory(dispatches, []);
      const lastReader = new Map<number, { slot: Slot; until: number }>();
      const lastUse = new Map<Slot, number>();
      dispatches.forEach((k, step) =>
        k.bindings.forEach(({ resource }) => lastUse.set(resource as Slot, step)),
      );
      dispatches.forEach((k, step) => {
        for (const { resource, access } of k.bindings) {
          const buffer = plan.bufferOf.get(resource as Slot);
          if (buffer === undefined) continue;
          const tenant = lastReader.get(buffer);
          if (access === 'write') {
            expect(tenant === undefined || tenant.slot === resource || tenant.until < step).toBe(
              true,
            );
            lastReader.set(buffer, {
              slot: resource as Slot,
              until: lastUse.get(resource as Slot)!,
            });
          }
        }
      });
      expect(bytesOf(plan)).toBeLessThan(1.3 * plan.liveBytes);
    },
  );

  it('of the network is less in f16, which takes more rows at a time', () => {
    const config = {
      backbone: resnet18,
      neck: { fpems: 2, fusion: 'pan++' as const },
      detection: detectionPresets.icdar2015,
    };
    const [wide, narrow] = (['f32', 'f16'] as const).map((precision) => {
      const { dispatches } = planNetwork(
        config,
        weightsIn(precision),
        featureMap('image', 736, 1312, 4),
      );
      const plan = planMemory(dispatches, []);
      return {
        live: plan.liveBytes / 2 ** 20,
        held: bytesOf(plan) / 2 ** 20,
        kernels: dispatches.length,
      };
    });
    const mebibytes = ({ live, held }: typeof wide) =>
      `${held.toFixed(1)} MiB (widest point ${live.toFixed(1)})`;
    console.log(
      `the network at 736 × 1312: ${mebibytes(wide)} in f32, ${mebibytes(narrow)} in f16`,
    );
    // The image alone stays float32, and bands are as large.
    expect(narrow.live / wide.live).toBeLessThan(0.62);
    expect(narrow.held / wide.held).toBeLessThan(0.74);
    expect(narrow.kernels).toBeLessThan(wide.kernels);
  });

  it.each(['f32', 'f16'] as const)(
    'of a spotter is hardly more than a detector’s, for any number of regions, in %s',
    (precision) => {
      const weights = weightsIn(precision);
      const config = {
        backbone: resnet18,
        neck: { fpems: 2, fusion: 'pan++' as const },
        detection: detectionPresets.icdar2015,
      };
      const size = { height: 736, width: 1312 };
      const detection = planDetection(
        config,
        weights,
        { rows: 720, columns: 1280, channels: 3 },
        size,
        { software: false },
      );
      const head = { encoder: {} as GPUBuffer, decoder: {} as GPUBuffer, classes: 97 };
      const reader = planReader(detection.network, weights, head, size, greedy);
      const kernelsOf = (stages: readonly Stage[]) =>
        stages.flatMap(({ dispatches }) => dispatches);
      const detector = bytesOf(planMemory(kernelsOf(detection.stages), detection.pinned));
      const spotter = bytesOf(
        planMemory(
          kernelsOf([...detection.stages, ...reader.stages]),
          [...detection.pinned, ...reader.pinned],
          reader.kept,
        ),
      );
      const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
      console.log(
        `working memory at 736 × 1312 in ${precision}: detection ${mebibytes(detector)} MiB, spotting ${mebibytes(spotter)} MiB`,
      );
      expect(spotter).toBeLessThan(1.3 * detector);
    },
  );
});

function bytesOf({ buffers }: { readonly buffers: readonly number[] }): number {
  return buffers.reduce((sum, bytes) => sum + bytes, 0);
}

function weightsIn(precision: Precision): NetworkWeights {
  return {
    precision,
    conv: (name) => packed(name, precision),
    depthwise: () => ({}) as GPUBuffer,
    pyramidConv: (name) =>
      [1, 2, 3, 4].map((level) => packed(`${name}.${level}`, precision)) as never,
    bytes: 0,
    ready: Promise.resolve(),
    dispose: () => {},
  };
}

const { tile: tiles, bandBytes } = defaultChoices({ software: true, maxWorkgroupBytes: 16384 });

// Channel counts as the plan needs them, from the name alone.
function packed(name: string, precision: Precision) {
  const resource = {} as GPUBuffer;
  const stride = /^backbone\.(conv1$|layer[234]\.0\.(conv1|downsample))/.test(name) ? 2 : 1;
  const basic = {
    weightOrder: 'output' as const,
    method: 'direct' as const,
    tiles,
    bandBytes,
    weights: resource,
    precision,
    bias: resource,
    kernel: 3,
    stride,
  };
  const layer = /layer(\d)\./.exec(name);
  if (/^backbone\.conv/.test(name))
    return { ...basic, inChannels: 64, outChannels: name.endsWith('3') ? 128 : 64 };
  if (layer)
    return {
      ...basic,
      kernel: name.includes('downsample') ? 1 : 3,
      inChannels: 64,
      outChannels: 64 << (Number(layer[1]) - 1),
    };
  if (/\.[234]$/.test(name)) return { ...basic, kernel: 1, inChannels: 128, outChannels: 9 * 128 };
  if (name === 'det_head.conv2') return { ...basic, kernel: 1, inChannels: 128, outChannels: 8 };
  return {
    ...basic,
    kernel: name.startsWith('det_head') ? 3 : 1,
    inChannels: 128,
    outChannels: 128,
  };
}

describe('dispatch grid', () => {
  it.each([
    [0, [1, 1, 1]],
    [1, [1, 1, 1]],
    [65535, [65535, 1, 1]],
    [65536, [32768, 2, 1]],
    [1_000_003, [62501, 16, 1]],
  ])('holds %i workgroups', (total, grid) => {
    expect(gridOf(total)).toEqual(grid);
    expect(grid[0] * grid[1]).toBeGreaterThanOrEqual(total);
  });
});
