// Runs planned layers on a GPU: planes in, planes out.
import type { Gpu } from '../../src/gpu/context.js';
import type { Kernel } from '../../src/gpu/kernel.js';
import { Program } from '../../src/gpu/program.js';
import { Readback } from '../../src/gpu/readback.js';
import { type FeatureMap, featureMap } from '../../src/layers/feature-map.js';
import { type Planes, planes } from './twin.js';

/** The pixel-by-pixel layout of `input`, its channels padded with zeros to `padded`. */
export function toPixels({ channels, height, width, data }: Planes, padded = channels): Float32Array<ArrayBuffer> {
  const pixels = new Float32Array(height * width * padded);
  for (let channel = 0; channel < channels; channel++) {
    for (let pixel = 0; pixel < height * width; pixel++) pixels[pixel * padded + channel] = data[channel * height * width + pixel];
  }
  return pixels;
}

function toPlanes(pixels: Float32Array, { channels, height, width }: FeatureMap): Planes {
  const output = planes(channels, height, width);
  for (let channel = 0; channel < channels; channel++) {
    for (let pixel = 0; pixel < height * width; pixel++) output.data[channel * height * width + pixel] = pixels[pixel * channels + channel];
  }
  return output;
}

export function storageBuffer(gpu: Gpu, data: Float32Array): GPUBuffer {
  const buffer = gpu.device.createBuffer({ size: data.byteLength, usage: GPUBufferUsage.STORAGE, mappedAtCreation: true });
  new Float32Array(buffer.getMappedRange()).set(data);
  buffer.unmap();
  return buffer;
}

/** Plans layers on maps like `inputs`, runs them, and reads the output. */
export async function runLayer(
  gpu: Gpu,
  inputs: readonly Planes[],
  plan: (maps: FeatureMap[]) => { output: FeatureMap; kernels: readonly Kernel[] },
): Promise<Planes> {
  const maps = inputs.map((input, index) => featureMap(`input ${index}`, input.height, input.width, Math.ceil(input.channels / 4) * 4));
  const { output, kernels } = plan(maps);
  const program = await Program.create(gpu, [{ name: 'test', kernels }], [...maps.map((map) => map.slot), output.slot]);
  const readback = new Readback(gpu, output.slot.bytes);
  inputs.forEach((input, index) =>
    gpu.device.queue.writeBuffer(program.bufferOf(maps[index].slot), 0, toPixels(input, maps[index].channels)),
  );
  const encoder = gpu.device.createCommandEncoder();
  program.encode(encoder);
  readback.copy(encoder, program.bufferOf(output.slot), output.slot.bytes);
  gpu.device.queue.submit([encoder.finish()]);
  const result = await readback.read((bytes) => toPlanes(new Float32Array(bytes.slice(0, output.slot.bytes)), output));
  readback.dispose();
  program.dispose();
  return result;
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
