// The measured model: the package's weights, loaded as the options say.
import { readFileSync } from 'node:fs';
import type { LoadOptions } from '../src/model/load.js';
import type { Gpu } from '../src/gpu/context.js';
import { type WeightsFile, readWeights } from '../src/network/weights-file.js';
import { type NetworkWeights, uploadWeights } from '../src/network/weights.js';
import { packagedWeights } from '../src/node.js';
import { PanppError } from '../src/errors.js';
import { readTuning } from '../src/node/tuning-cache.js';
import { tunedChoices, tuningState } from '../src/tuning/tuning.js';
import type { BenchOptions } from './options.js';

export interface BenchWeights {
  /** The weights file's bytes, as for `loadModel`. */
  readonly bytes: Uint8Array;
  readonly file: WeightsFile;
  readonly load: Required<Pick<LoadOptions, 'precision'>> & Pick<LoadOptions, 'tuning'>;
}

/** @throws PanppError for a file that is not a tuning, or not for this adapter */
export async function readPackagedWeights(
  { profile }: Gpu,
  { precision, tuning: path }: Pick<BenchOptions, 'precision' | 'tuning'>,
): Promise<BenchWeights> {
  const bytes = readFileSync(packagedWeights());
  const tuning = path === undefined ? undefined : await readTuning(path);
  const state = tuningState(tuning, profile);
  if (path !== undefined && state !== 'used')
    throw new PanppError('file', `${path} is no tuning for ${profile.adapter} (${state})`);
  return { bytes, file: readWeights(bytes), load: { precision, tuning } };
}

/** Uploads only the network's weights. */
export function uploadNetwork(
  gpu: Gpu,
  { file: { tensors, config }, load: { precision, tuning } }: BenchWeights,
): NetworkWeights {
  return uploadWeights(
    gpu,
    tensors,
    config,
    precision,
    tuning && tunedChoices(tuning, gpu.profile),
  );
}
