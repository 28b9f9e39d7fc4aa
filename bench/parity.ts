// Whether an adapter computes correctly: the network against the reference's stored tensors,
// aggregation against its label maps.
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { PNG } from 'pngjs';
import { aggregatePixels } from '../src/aggregation/aggregate.js';
import type { AggregationMode } from '../src/aggregation/input.js';
import { readSafetensors } from '../src/checkpoint/safetensors.js';
import { Model } from '../src/model/model.js';
import type { Gpu } from '../src/gpu/context.js';
import { type Precision, type PrecisionChoice, choosePrecision } from '../src/layers/precision.js';
import { type ModelConfig, detectionPresets, resnet18 } from '../src/network/config.js';
import { foldCheckpoint, uploadWeights } from '../src/network/weights.js';
import { relativeDifference } from '../tests/support/difference.js';
import { proceduralCheckpoint } from '../tests/support/procedural.js';
import { projectFile } from './paths.js';

export interface Check {
  readonly name: string;
  readonly passed: boolean;
  readonly detail: string;
}

/** The largest allowed difference of a tensor, ‖ours − theirs‖ / ‖theirs‖. */
const bounds: Readonly<Record<Precision, number>> = { f32: 1e-4, f16: 2e-2 };

/** @param precision how the network's maps are stored; float32 is always checked too */
export async function checkParity(gpu: Gpu, precision: PrecisionChoice): Promise<Check[]> {
  const precisions = new Set<Precision>(['f32', choosePrecision(precision, gpu.profile)]);
  const networks: Check[] = [];
  for (const each of precisions) networks.push(await checkNetwork(gpu, each));
  return [
    ...networks,
    await checkAggregation(gpu, 'pixel_aggregation', 'reference'),
    await checkAggregation(gpu, 'pixel_aggregation_always', 'always'),
  ];
}

async function checkNetwork(gpu: Gpu, precision: Precision): Promise<Check> {
  const config: ModelConfig = {
    backbone: resnet18,
    neck: { fpems: 2, fusion: 'pan++' },
    detection: detectionPresets.icdar2015,
  };
  const { tensors } = referenceTensors('resnet18_procedural');
  const outputs = [...tensors.keys()].filter((name) => !name.startsWith('rec.'));
  const { width, height, data } = PNG.sync.read(
    readFileSync(projectFile('tests/data/input_224x320.png')),
  );
  const model = new Model(
    gpu,
    config,
    uploadWeights(
      gpu,
      foldCheckpoint(proceduralCheckpoint(config), config, 'procedural'),
      config,
      precision,
    ),
  );
  try {
    const maps = await model.forward(
      { width, height, channels: 4, data },
      { outputs, shortSide: 224 },
    );
    const differences = outputs.map((name) =>
      relativeDifference(maps.get(name)!.data, tensors.get(name)!.data as Float32Array),
    );
    const worst = differences.indexOf(Math.max(...differences));
    return {
      name: `network, ResNet-18 with procedural weights, ${precision}`,
      passed:
        outputs.length > 0 && differences.every((difference) => difference <= bounds[precision]),
      detail: `${outputs.length} tensors, the farthest ${outputs[worst]}: ${differences[worst]?.toExponential(1)}`,
    };
  } finally {
    model.dispose();
  }
}

async function checkAggregation(gpu: Gpu, file: string, mode: AggregationMode): Promise<Check> {
  const { tensors, metadata } = referenceTensors(file);
  const cases = JSON.parse(metadata.cases) as { min_area: number; distance?: number }[];
  let equal = 0;
  for (const [index, { min_area: minKernelArea, distance = 3 }] of cases.entries()) {
    const id = String(index).padStart(3, '0');
    const masks = tensors.get(`${id}.kernels`)!;
    const [, height, width] = masks.shape;
    // The file holds masks; subtracting 0.5 turns them into logits of the right sign.
    const logits = Float32Array.from(Int32Array.from(masks.data, Number), (mask) => mask - 0.5);
    const { labels } = await aggregatePixels(gpu, {
      text: logits.subarray(0, height * width),
      kernel: logits.subarray(height * width),
      embedding: tensors.get(`${id}.emb`)!.data as Float32Array,
      height,
      width,
      minKernelArea,
      mode,
      distance,
    });
    const expected = tensors.get(`${id}.label`)!.data;
    if (
      labels.length === expected.length &&
      labels.every((label, pixel) => label === Number(expected[pixel]))
    )
      equal++;
  }
  return {
    name: `aggregation, mode ${mode}`,
    passed: cases.length > 0 && equal === cases.length,
    detail: `${equal} of ${cases.length} label maps equal in every pixel`,
  };
}

function referenceTensors(name: string) {
  return readSafetensors(
    gunzipSync(readFileSync(projectFile(`tests/data/${name}.safetensors.gz`))),
  );
}
