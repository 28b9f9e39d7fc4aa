// What every command that computes needs: a GPU and a model, with a word on the adapter.
import { Option, type Command } from 'commander';
import type { Model } from '../detection/model.js';
import { loadModel } from '../detection/model.js';
import type { Gpu } from '../gpu/context.js';
import { openGpu, packagedWeights } from '../node.js';
import { readBytes } from './files.js';
import { say } from './report.js';

export interface EngineOptions {
  readonly weights?: string;
  readonly adapter?: string;
}

/** Adds `--weights` and `--adapter`. */
export function withEngineOptions(command: Command): Command {
  return command
    .addOption(new Option('--weights <file>', 'weights made by `panpp convert` (default: those of the package)'))
    .addOption(new Option('--adapter <name>', 'part of a GPU adapter’s name, or hardware, software, lavapipe, swiftshader'));
}

/** Opens the adapter and loads the weights; a software adapter gets one line on stderr. */
export async function openEngine({ weights = packagedWeights(), adapter }: EngineOptions): Promise<{ gpu: Gpu; model: Model }> {
  const bytes = await readBytes(weights);
  const gpu = await openGpu({ adapter });
  if (gpu.profile.software) say(`panpp: ${gpu.profile.adapter} computes on the CPU; a GPU is many times faster (panpp doctor tells more)`);
  return { gpu, model: await loadModel(gpu, bytes, weights) };
}
