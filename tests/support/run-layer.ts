// Runs planned layers on a GPU: planes in, planes out.
import { floatToHalf, halfToFloat } from '../../src/half.js';
import type { Gpu } from '../../src/gpu/context.js';
import type { Dispatch } from '../../src/gpu/dispatch.js';
import { Program } from '../../src/gpu/program.js';
import { Readback } from '../../src/gpu/readback.js';
import { type FeatureMap, featureMap } from '../../src/layers/feature-map.js';
import { type Precision, readValues, valueBytes } from '../../src/layers/precision.js';
import { type Planes, planes } from './twin.js';

/** The precisions that a GPU can store. */
export function precisionsOf(gpu: Gpu): Precision[] {
  return gpu.profile.f16 ? ['f32', 'f16'] : ['f32'];
}

/** The pixel-by-pixel layout of `input`, its channels padded with zeros to `padded`. */
export function toPixels(
  { channels, height, width, data }: Planes,
  padded = channels,
): Float32Array<ArrayBuffer> {
  const pixels = new Float32Array(height * width * padded);
  for (let channel = 0; channel < channels; channel++) {
    for (let pixel = 0; pixel < height * width; pixel++)
      pixels[pixel * padded + channel] = data[channel * height * width + pixel];
  }
  return pixels;
}

function toPlanes(pixels: Float32Array, { images, channels, height, width }: FeatureMap): Planes {
  const output = planes(channels, images * height, width);
  const count = output.height * width;
  for (let channel = 0; channel < channels; channel++) {
    for (let pixel = 0; pixel < count; pixel++)
      output.data[channel * count + pixel] = pixels[pixel * channels + channel];
  }
  return output;
}

interface Layers<T> {
  readonly output: T;
  readonly dispatches: readonly Dispatch[];
}

/**
 * Plans layers on maps like `inputs`, runs them, and reads the output.
 * @param precision how the maps are stored
 */
export async function runLayer(
  gpu: Gpu,
  inputs: readonly Planes[],
  plan: (maps: FeatureMap[]) => Layers<FeatureMap>,
  precision: Precision = 'f32',
): Promise<Planes> {
  const [output] = await runLayers(
    gpu,
    inputs,
    (maps) => {
      const { output: single, dispatches } = plan(maps);
      return { output: [single], dispatches };
    },
    precision,
  );
  return output;
}

/**
 * Like `runLayer`, for layers with several outputs.
 * @param images how many images are stacked vertically in each plane
 */
export async function runLayers(
  gpu: Gpu,
  inputs: readonly Planes[],
  plan: (maps: FeatureMap[]) => Layers<readonly FeatureMap[]>,
  precision: Precision = 'f32',
  images = 1,
): Promise<Planes[]> {
  const maps = inputs.map(({ height, width, channels }, index) =>
    featureMap(
      `input ${index}`,
      height / images,
      width,
      Math.ceil(channels / 4) * 4,
      precision,
      images,
    ),
  );
  const { output: outputs, dispatches } = plan(maps);
  const program = await Program.create(
    gpu,
    [{ name: 'test', dispatches }],
    [...maps, ...outputs].map(({ slot }) => slot),
  );
  const readback = new Readback(
    gpu,
    outputs.reduce((sum, { slot }) => sum + slot.bytes + 8, 0),
  );
  inputs.forEach((input, index) => {
    const pixels = toPixels(input, maps[index].channels);
    gpu.device.queue.writeBuffer(
      program.bufferOf(maps[index].slot),
      0,
      precision === 'f16' ? floatToHalf(pixels) : pixels,
    );
  });
  const encoder = gpu.device.createCommandEncoder();
  program.encode(encoder);
  const ranges = outputs.map(({ slot }) =>
    readback.copy(encoder, program.bufferOf(slot), slot.bytes),
  );
  gpu.device.queue.submit([encoder.finish()]);
  const results = await readback.read((bytes) =>
    outputs.map((map, index) =>
      toPlanes(
        readValues(
          map.precision,
          bytes,
          ranges[index].offset,
          map.slot.bytes / valueBytes[map.precision],
        ),
        map,
      ),
    ),
  );
  readback.dispose();
  program.dispose();
  return results;
}

/** Planes of reproducible values in −1 … 1. */
export function randomPlanes(channels: number, height: number, width: number, seed = 1): Planes {
  return planes(channels, height, width, randomValues(channels * height * width, seed));
}

export function randomValues(count: number, seed = 1): Float32Array<ArrayBuffer> {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** The values rounded to the precision in which they are stored. */
export function stored(values: Float32Array, precision: Precision): Float32Array<ArrayBuffer> {
  return precision === 'f16' ? halfToFloat(floatToHalf(values)) : Float32Array.from(values);
}
