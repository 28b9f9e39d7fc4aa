// Every shader in every combination that can occur compiles: by Tint, which Chrome and Node have,
// and by naga, which Firefox has. Combinations come from the plans themselves, for every kind of
// device, precision, method and tile, so that no list of them can get out of date.
import { afterAll, describe, expect, it } from 'vitest';
import { planDetection } from '../../src/detection/pass.js';
import { type Gpu, requestGpu } from '../../src/gpu/context.js';
import { type Dispatch, pipelineKey, pipelineOf } from '../../src/gpu/dispatch.js';
import { TexturePixels } from '../../src/gpu/texture-pixels.js';
import {
  type ConvClass,
  type ConvMethod,
  candidateMethods,
  defaultChoices,
} from '../../src/layers/conv/method.js';
import type { ConvShape } from '../../src/layers/conv/shape.js';
import { planRectify } from '../../src/layers/rectify.js';
import { fillsMatrices } from '../../src/layers/conv/tiles/matrix.js';
import { candidateTiles, defaultTile, tileName } from '../../src/layers/conv/tiles/kinds.js';
import type { TileDevice } from '../../src/layers/conv/tiles/tile.js';
import { type DirectConvPlan, planDirectConv } from '../../src/layers/conv/direct.js';
import { type ModelConfig, detectionPresets } from '../../src/network/config.js';
import { convolutionsOf } from '../../src/network/parameters.js';
import { type FoldedWeights, uploadWeights } from '../../src/network/weights.js';
import { greedy } from '../../src/recognition/plan.js';
import { pageShape } from '../../src/recognition/pages.js';
import { planReader } from '../../src/recognition/reader.js';
import { minifyWgsl } from '../../src/wgsl/minify.js';
import { naga } from '../support/naga.js';
import { nullAdapter } from '../support/null-adapter.js';

const cpu: TileDevice = { software: true, maxWorkgroupBytes: 16384 };
const hardware: TileDevice = { ...cpu, software: false, subgroupSize: 32 };
/** Kinds of devices; matrices as NVIDIA's, Intel's and Apple's GPUs have them. */
const devices: readonly TileDevice[] = [
  cpu,
  { ...cpu, subgroupSize: 4 },
  { ...cpu, subgroupSize: 8 },
  hardware,
  { ...hardware, vendor: 'intel' },
  { ...hardware, vendor: 'intel', pinnedSubgroupSize: 8 },
  { ...hardware, vendor: 'amd', architecture: 'gcn-5' },
  { ...hardware, vendor: 'arm' },
  ...[
    [16, 16, 16],
    [8, 16, 16],
    [8, 8, 8],
  ].map(([M, N, K]) => ({
    ...hardware,
    maxWorkgroupBytes: 49152,
    subgroupMatrix: { M, N, K, subgroup: 32, pinned: false },
  })),
];

/**
 * A kernel, and whether the adapter without an actual device gives it the workgroup memory and the
 * subgroups that it needs.
 */
interface Planned {
  readonly dispatch: Dispatch;
  readonly fits: boolean;
}

/** All widths that ResNets have. */
const configs = (
  [
    ['basic', 'pan++', 4],
    ['bottleneck', 'pan', 1],
  ] as const
).map(([block, fusion, scale]): ModelConfig => ({
  backbone: { block, blocks: [2, 2, 2, 2] },
  neck: { fpems: 2, fusion },
  detection: { ...detectionPresets.icdar2015, scale },
  recognition: { vocabulary: ['a', 'b'] },
}));
const size = { height: 64, width: 96 };

function zeros(config: ModelConfig): FoldedWeights {
  const tensors = convolutionsOf(config).flatMap(({ name, shape }) =>
    [[`${name}.weight`, shape] as const, [`${name}.bias`, [shape[0]]] as const].map(
      ([part, own]) =>
        [
          part,
          {
            shape: own,
            data: new Float32Array(own.reduce((product, count) => product * count, 1)),
          },
        ] as const,
    ),
  );
  return new Map(tensors);
}

/** A model's kernels on every kind of device, its convolutions by a method and in every tile. */
async function addKernels(
  kernels: Map<string, Planned>,
  gpu: Gpu,
  config: ModelConfig,
  precision: 'f32' | 'f16',
  method: ConvMethod,
): Promise<void> {
  const add = (...more: readonly Dispatch[]) => {
    for (const dispatch of more) {
      const key = pipelineKey(dispatch);
      if (!kernels.has(key))
        kernels.set(key, { dispatch, fits: device.maxWorkgroupBytes === 16384 });
    }
  };
  let device = cpu;
  const slot = { label: 'test', bytes: 16 };
  const weights = uploadWeights(gpu, zeros(config), config, precision, {
    ...defaultChoices(cpu),
    method: (conv: ConvClass) =>
      candidateMethods(conv, { software: false }).find((one) => one === method) ?? 'direct',
    tile(shape: ConvShape) {
      const precision = shape.types.weight;
      const orders = fillsMatrices({ ...shape, precision }, device)
        ? (['output', 'input'] as const)
        : (['output'] as const);
      for (const own of orders.map((weightOrder) => ({ ...shape, weightOrder }))) {
        for (const tile of candidateTiles(own, device))
          add(
            planDirectConv(() => tile, {
              ...own,
              // A network's shape is a whole plan.
              sum: (shape as DirectConvPlan).sum && { addend: slot, total: slot },
              label: tileName(tile),
              input: slot,
              weights: slot,
              output: slot,
            }),
          );
      }
      return defaultTile(shape, device);
    },
  });
  await weights.ready;
  const head = { encoder: {} as GPUBuffer, decoder: {} as GPUBuffer, classes: 5 };
  for (device of devices) {
    for (const channels of [3, 4] as const) {
      const detection = planDetection(
        config,
        weights,
        { rows: 10, columns: 10, channels },
        size,
        device,
      );
      const reader = planReader(detection.network, weights, head, size, greedy);
      for (const stage of [...detection.stages, ...reader.stages]) add(...stage.dispatches);
      add(...planRectify({ ...pageShape(2), channels }).dispatches);
    }
  }
  weights.dispose();
}

describe('every shader that can occur', async () => {
  const gpu = await requestGpu({ adapter: await nullAdapter() });
  afterAll(() => gpu.dispose());
  // With what is compiled on its way: for packed weights, for textures.
  const modules = new Map<string, GPUShaderModule>();
  const create = gpu.device.createShaderModule.bind(gpu.device);
  const createShaderModule = (descriptor: GPUShaderModuleDescriptor) => {
    if (!modules.has(descriptor.code)) modules.set(descriptor.code, create(descriptor));
    return modules.get(descriptor.code)!;
  };
  Object.defineProperty(gpu.device, 'createShaderModule', { value: createShaderModule });

  const kernels = new Map<string, Planned>();
  for (const config of configs) {
    for (const precision of ['f32', 'f16'] as const)
      for (const method of ['direct', 'winograd'] as const)
        await addKernels(kernels, gpu, config, precision, method);
  }
  await TexturePixels.ofTexture(
    gpu,
    gpu.device.createTexture({
      size: [1, 1],
      format: 'rgba8unorm',
      usage: GPUTextureUsage.TEXTURE_BINDING,
    }),
  );

  it('becomes a pipeline, by Tint', async () => {
    const faults: string[] = [];
    for (const { dispatch, fits } of kernels.values()) {
      if (fits) await pipelineOf(gpu, dispatch).catch((error: Error) => faults.push(error.message));
      else createShaderModule({ label: dispatch.label, code: dispatch.shader.code });
    }
    expect(faults).toEqual([]);
    const messages = await Promise.all(
      [...modules.values()].map(async (module) => (await module.getCompilationInfo()).messages),
    );
    expect(messages.flat().map(({ message }) => message)).toEqual([]);
    console.log(`${kernels.size} pipelines of ${modules.size} shaders`);
    const summed = [...kernels.values()]
      .map(({ dispatch: { label, shader } }) => ({ label, bindings: shader.bindings }))
      .filter(({ bindings }) => bindings.some(({ name }) => name === 'total'));
    expect(new Set(summed.map(({ label }) => label.split(' ')[0]))).toEqual(
      new Set(['plain', 'subgroup4', 'subgroup8', 'tiled', 'matrix']),
    );
    expect(modules.size).toBeGreaterThan(90);
  });

  it('is valid for subgroups of 8 lanes where its workgroups are whole ones, by Tint', async () => {
    const { device } = gpu;
    expect(device.features.has('subgroup-size-control')).toBe(true);
    const codes = new Set<string>();
    for (const { dispatch } of kernels.values()) {
      const { shader, constants } = dispatch;
      if ((shader.width(constants) ?? 1) % 8 === 0) codes.add(shader.pinned(8));
    }
    expect(codes.size).toBeGreaterThan(60);
    for (const code of codes)
      expect((await create({ code }).getCompilationInfo()).messages).toEqual([]);
  });

  it.runIf(naga)('is HLSL, MSL and SPIR-V, by naga', () => {
    const faults: string[] = [];
    let count = 0;
    for (const {
      dispatch: { label, shader, constants },
    } of kernels.values()) {
      // What naga does not know.
      if (shader.code.includes('subgroup_matrix')) continue;
      count++;
      try {
        translate(shader.code, constants);
      } catch (error) {
        faults.push(`${label}: ${(error as { formatted?: string }).formatted ?? String(error)}`);
      }
    }
    expect(faults).toEqual([]);
    console.log(`${count} shaders by naga`);
  });

  it('is the same without comments and spaces, by the available compilers', async () => {
    const one = new Map(
      [...kernels.values()].map(({ dispatch }) => [dispatch.shader.code, dispatch]),
    );
    for (const { label, shader, constants } of one.values()) {
      const code = minifyWgsl(shader.code);
      expect((await create({ code }).getCompilationInfo()).messages, label).toEqual([]);
      if (!code.includes('subgroup_matrix')) translate(code, constants);
    }
  });
});

/**
 * Overrides as constants, for naga writes no shader whose overrides have no values; and without
 * `enable subgroups`, which it does not know.
 */
function translate(code: string, constants: Dispatch['constants'] = {}): void {
  const statements = code
    .replace(/\/\/.*/g, '')
    .replace('enable subgroups;', '')
    .split(';')
    .map((statement) => {
      const [, name, type] = /\boverride\s+(\w+)(?:\s*:\s*(\w+))?/.exec(statement) ?? [];
      const value = constants[name] ?? 0;
      const text = statement.replace(/\boverride\b/, 'const');
      return name && type && !text.includes('=')
        ? `${text} = ${type === 'bool' ? Boolean(value) : `${value}${type[0]}`}`
        : text;
    });
  if (!naga) return;
  const module = naga.parseWgsl(statements.join(';'));
  const info = naga.validate(module);
  const written = [
    naga.writeHlsl(module, info),
    naga.writeMsl(module, info, { langVersion: [2, 4] }),
    naga.writeSpirv(module, info),
  ];
  for (const { length } of written) expect(length).toBeGreaterThan(0);
  info.free();
  module.free();
}
