// The model that is measured: the package's weights.
import { readFileSync } from 'node:fs';
import { type WeightsFile, readWeights } from '../src/network/weights-file.js';
import { projectFile } from './paths.js';

export interface BenchWeights {
  /** As `loadModel` takes them. */
  readonly bytes: Uint8Array;
  readonly file: WeightsFile;
}

export function readPackagedWeights(): BenchWeights {
  const bytes = readFileSync(projectFile('weights/pan-pp-resnet18.safetensors'));
  return { bytes, file: readWeights(bytes) };
}
