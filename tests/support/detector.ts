// The packaged weights without their recognition head: what a model that only detects holds.
import { readFileSync } from 'node:fs';
import type { ModelConfig } from '../../src/network/config.js';
import { readWeights, writeWeights } from '../../src/network/weights-file.js';
import type { FoldedWeights } from '../../src/network/weights.js';
import { packagedWeights } from '../../src/node.js';

/** Configuration and tensors of a detector. */
export function packagedDetector(): { config: ModelConfig; tensors: FoldedWeights } {
  const { config, tensors } = readWeights(readFileSync(packagedWeights()));
  return {
    config: { ...config, recognition: undefined },
    tensors: new Map([...tensors].filter(([name]) => !name.startsWith('rec_head'))),
  };
}

/** The bytes of a detector's weights file. */
export function packagedDetectorFile(): Uint8Array {
  return writeWeights(packagedDetector(), true);
}
