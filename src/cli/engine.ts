// What every command that computes needs: a GPU and a model, with a word on the adapter.
import { Option, type Command } from 'commander';
import type { Model } from '../detection/model.js';
import { loadModel } from '../detection/model.js';
import { PanppError } from '../errors.js';
import type { Gpu } from '../gpu/context.js';
import { type WeightsFile, readWeights } from '../network/weights-file.js';
import { openGpu, packagedWeights } from '../node.js';
import type { PrecisionChoice } from '../layers/precision.js';
import { readBytes } from './files.js';
import { say } from './report.js';

export interface EngineOptions {
  readonly weights?: string;
  readonly adapter?: string;
  readonly precision?: PrecisionChoice;
}

/** Adds `--weights`, `--adapter` and `--precision`. */
export function withEngineOptions(command: Command): Command {
  return command
    .addOption(new Option('--weights <file>', 'weights made by `panpp convert` (default: those of the package)'))
    .addOption(
      new Option('--adapter <name>', 'part of a GPU adapter’s name, or hardware, software, lavapipe, swiftshader'),
    )
    .addOption(
      new Option('--precision <bits>', 'how maps and weights are stored (default: f32); auto: f16 on a GPU that has it').choices(['f32', 'f16', 'auto']),
    );
}

/** A weights file, read. */
export interface WeightsBytes {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** Reads the weights that the options name, or the package's. @throws PanppError `file` */
export async function readWeightsBytes({ weights: path = packagedWeights() }: EngineOptions): Promise<WeightsBytes> {
  return { path, bytes: await readBytes(path) };
}

/** What a weights file holds. @throws PanppError `checkpoint` or `weights` */
export async function parseWeights({ path, bytes }: WeightsBytes): Promise<WeightsFile> {
  return asWeights(() => readWeights(bytes, path));
}

/** Opens the adapter and loads the weights; a software adapter gets one line on stderr. */
export async function openEngine(options: EngineOptions, weights?: WeightsBytes): Promise<{ gpu: Gpu; model: Model }> {
  const { path, bytes } = weights ?? (await readWeightsBytes(options));
  const gpu = await openGpu({ adapter: options.adapter });
  if (gpu.profile.software)
    say(`panpp: ${gpu.profile.adapter} computes on the CPU; a GPU is many times faster (panpp doctor tells more)`);
  return { gpu, model: await asWeights(() => loadModel(gpu, bytes, { source: path, precision: options.precision })) };
}

// A checkpoint as it was downloaded is what people give first.
async function asWeights<T>(read: () => T | Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof PanppError) || error.code !== 'checkpoint') throw error;
    throw new PanppError(error.code, `${error.message}; weights are files that panpp convert wrote`, { cause: error });
  }
}
