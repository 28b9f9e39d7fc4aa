// Procedural weights: every parameter is computed from its name, as the reference's README
// describes, so that big models need no big files.
import type { NamedTensor } from '../../src/checkpoint/tensor.js';
import type { ModelConfig } from '../../src/network/config.js';
import { checkpointTensorsOf } from '../../src/network/parameters.js';
import { crc32 } from 'node:zlib';

/** A checkpoint of `config` with procedural weights. */
export function proceduralCheckpoint(config: ModelConfig): Map<string, NamedTensor> {
  const lastNorm = config.backbone.block === 'basic' ? 'bn2' : 'bn3';
  const tensors = new Map<string, NamedTensor>();
  for (const [name, shape] of checkpointTensorsOf(config))
    tensors.set(name, { shape, data: proceduralTensor(name, shape, lastNorm) });
  return tensors;
}

/** Values of tensors that have been computed before; nobody changes them. */
const known = new Map<string, Float32Array>();

function proceduralTensor(name: string, shape: readonly number[], lastNorm: string): Float32Array {
  const key = `${name} ${shape.join()} ${lastNorm}`;
  const earlier = known.get(key);
  if (earlier) return earlier;
  const value = valueRule(name, shape, lastNorm);
  const seed = crc32(name);
  // A loop: there are millions of values, and Float32Array.from takes five times as long.
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
  for (let index = 0; index < values.length; index++) values[index] = value(uniform(index, seed));
  known.set(key, values);
  return values;
}

// In [-1, 1), from a 32-bit integer hash of the index.
function uniform(index: number, seed: number): number {
  let x = (Math.imul(index, 0x9e3779b1) + seed) >>> 0;
  x ^= x >>> 16;
  x = Math.imul(x, 0x85ebca6b) >>> 0;
  x ^= x >>> 13;
  x = Math.imul(x, 0xc2b2ae35) >>> 0;
  x = (x ^ (x >>> 16)) >>> 0;
  return x / 2 ** 31 - 1;
}

function valueRule(
  name: string,
  shape: readonly number[],
  lastNorm: string,
): (u: number) => number {
  if (name.endsWith('.running_var')) return (u) => 1 + 0.5 * u;
  if (name.endsWith('.running_mean')) return (u) => 0.2 * u;
  if (shape.length === 4) {
    const gain = name.startsWith('backbone') ? 2 : 0.5;
    const scale = Math.sqrt(3) * Math.sqrt(gain / (shape[1] * shape[2] * shape[3]));
    return (u) => u * scale;
  }
  if (shape.length === 2) return (u) => u * Math.sqrt(3) * Math.sqrt(1 / shape[1]);
  if (name.endsWith('.weight')) {
    const damping = new RegExp(`^backbone\\.layer\\d+\\.\\d+\\.${lastNorm}\\.weight$`).test(name)
      ? 0.25
      : 1;
    return (u) => (1 + 0.3 * u) * damping;
  }
  return (u) => 0.1 * u;
}
