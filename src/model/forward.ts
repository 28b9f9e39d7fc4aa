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
 * @throws PanppError `argument` if a name is not one of the network's maps, if maps don't fit the
 * adapter, or if memory runs out
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
  const bytes = maps.reduce((sum, map) => sum + map.slot.bytes + 8, 0);
  assertReadable(gpu, bytes);
  const dispatches = [...resize.dispatches, ...dispatchesUpTo(network, maps)];
  const program = await Program.create(
    gpu,
    [{ name: 'network', dispatches }],
    [...inputsOf(resize), ...wanted],
  );
  try {
    writeUploads(gpu.device.queue, program, resize, [upload]);
    return await readMaps(gpu, program, names, maps, bytes);
  } finally {
    program.dispose();
  }
}

/** @param bytes of all maps together */
async function readMaps(
  gpu: Gpu,
  program: Program,
  names: readonly string[],
  maps: readonly FeatureMap[],
  bytes: number,
): Promise<Map<string, OutputTensor>> {
  const readback = await Readback.create(gpu, bytes);
  try {
    const encoder = program.start();
    const ranges = maps.map((map) =>
      readback.copy(encoder, program.bufferOf(map.slot), map.slot.bytes),
    );
    gpu.device.queue.submit([encoder.finish()]);
    return await readback.read(
      (mapped) =>
        new Map(
          names.map((name, index) => {
            const { precision, height, width, channels } = maps[index];
            const pixels = readValues(
              precision,
              mapped,
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
  }
}

/** @throws PanppError `argument` if maps of so many bytes can't be read back together */
function assertReadable({ profile }: Gpu, bytes: number): void {
  if (bytes <= profile.maxBufferBytes) return;
  const [taken, most] = [bytes, profile.maxBufferBytes].map((count) => Math.ceil(count / 2 ** 20));
  throw new PanppError(
    'argument',
    `the maps take ${taken} MiB together and ${profile.adapter} allows ${most} MiB in one buffer; ask for fewer maps, or use a smaller short side`,
  );
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
