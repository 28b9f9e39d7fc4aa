// Reads intermediate maps of the network by name, for research and parity tests.
import { PanppError } from '../errors.js';
import type { Gpu } from '../gpu/context.js';
import { Program } from '../gpu/program.js';
import { Readback } from '../gpu/readback.js';
import type { ImageUpload } from '../images/upload.js';
import type { FeatureMap } from '../layers/feature-map.js';
import { readValues } from '../layers/precision.js';
import { planResize } from '../layers/resize.js';
import { type ModelConfig, mapChannels } from '../network/config.js';
import { type NetworkPlan, dispatchesUpTo, planNetwork } from '../network/plan.js';
import type { NetworkWeights } from '../network/weights.js';
import { inputsOf, writeUploads } from '../images/write-uploads.js';

/** One feature map of the network. */
export interface OutputTensor {
  /** Channels, height, width. */
  readonly shape: readonly [channels: number, height: number, width: number];
  /** Row-major, as in PyTorch. */
  readonly data: Float32Array;
}

/**
 * Runs the part of the network that the named maps need, and reads them back.
 * @throws PanppError `argument` if a name is not one of the network's maps
 */
export async function forwardMaps(
  gpu: Gpu,
  config: ModelConfig,
  weights: NetworkWeights,
  upload: ImageUpload,
  size: { height: number; width: number },
  names: readonly string[],
): Promise<Map<string, OutputTensor>> {
  const resize = planResize(upload, size.height, size.width);
  const network = planNetwork(config, weights, resize.output);
  const maps = names.map((name) => mapNamed(network, name));
  const wanted = new Set(maps.map((map) => map.slot));
  const dispatches = [...resize.dispatches, ...dispatchesUpTo(network, maps)];
  const program = await Program.create(
    gpu,
    [{ name: 'network', dispatches }],
    [...inputsOf(resize), ...wanted],
  );
  const readback = new Readback(
    gpu,
    maps.reduce((sum, map) => sum + map.slot.bytes + 8, 0),
  );
  try {
    writeUploads(gpu.device.queue, program, resize, [upload]);
    const encoder = program.start();
    const ranges = maps.map((map) =>
      readback.copy(encoder, program.bufferOf(map.slot), map.slot.bytes),
    );
    gpu.device.queue.submit([encoder.finish()]);
    return await readback.read(
      (bytes) =>
        new Map(
          names.map((name, index) => {
            const { precision, height, width, channels } = maps[index];
            const pixels = readValues(
              precision,
              bytes,
              ranges[index].offset,
              height * width * channels,
            );
            return [
              name,
              toPlanes(pixels, maps[index], name === 'det' ? mapChannels : maps[index].channels),
            ];
          }),
        ),
    );
  } finally {
    readback.dispose();
    program.dispose();
  }
}

function mapNamed(network: NetworkPlan, name: string): FeatureMap {
  const map = network.maps.get(name);
  if (!map) {
    throw new PanppError(
      'argument',
      `the network has no map named ${name}; it has ${[...network.maps.keys()].join(', ')}`,
    );
  }
  return map;
}

function toPlanes(
  pixels: Float32Array,
  { height, width, channels: stride }: FeatureMap,
  channels: number,
): OutputTensor {
  const count = height * width;
  const data = new Float32Array(channels * count);
  for (let pixel = 0; pixel < count; pixel++) {
    for (let channel = 0; channel < channels; channel++)
      data[channel * count + pixel] = pixels[pixel * stride + channel];
  }
  return { shape: [channels, height, width], data };
}
