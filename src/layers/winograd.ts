// 3×3 convolution with stride 1 as Winograd's F(4×4, 3×3): a quarter of the multiplications (shaders/winograd_input.wgsl,
// matmul.wgsl, winograd_output.wgsl), in bands of tiles so that the transformed maps take little memory.
// Source: Lavin and Gray 2015, "Fast Algorithms for Convolutional Neural Networks".
import inputShader from '../../shaders/winograd_input.wgsl';
import outputShader from '../../shaders/winograd_output.wgsl';
import { type Kernel, type Resource, type Slot, gridOf, read, write } from '../gpu/kernel.js';
import type { ConvWeights } from './conv-weights.js';
import { type FeatureMap, lanesPerGroup, readMap, vec4s, writeMap } from './feature-map.js';
import { type MatmulVariant, planMatmul } from './matmul.js';

/** Pixels of a tile's side, and of the patch that it needs. */
const tile = 4;
const patch = 6;
const places = patch * patch;

/** G g Gᵀ of every kernel, in float64, as [place][input channel][output channel]; channels padded with zeros to fours. */
export function packWinograd({ weight, outChannels, inChannels }: ConvWeights): Float32Array {
  const paddedOut = vec4s(outChannels) * 4;
  const plane = vec4s(inChannels) * 4 * paddedOut;
  const packed = new Float32Array(places * plane);
  const columns = new Float64Array(3 * patch);
  const row = new Float64Array(patch);
  // Output channels in the inner loop: writes then run along the 36 planes.
  for (let channel = 0; channel < inChannels; channel++) {
    for (let out = 0; out < outChannels; out++) {
      const at = (out * inChannels + channel) * 9;
      for (let x = 0; x < 3; x++) transformWeights(weight[at + x], weight[at + 3 + x], weight[at + 6 + x], columns, x * patch);
      let to = channel * paddedOut + out;
      for (let y = 0; y < patch; y++) {
        transformWeights(columns[y], columns[patch + y], columns[2 * patch + y], row, 0);
        for (let x = 0; x < patch; x++, to += plane) packed[to] = row[x];
      }
    }
  }
  return packed;
}

/** G times (a, b, c), the rows of G being ¼(1 0 0), −⅙(1 1 1), −⅙(1 −1 1), ¹⁄₂₄(1 2 4), ¹⁄₂₄(1 −2 4), (0 0 1). */
function transformWeights(a: number, b: number, c: number, to: Float64Array, at: number): void {
  to[at] = a / 4;
  to[at + 1] = -(a + b + c) / 6;
  to[at + 2] = -(a - b + c) / 6;
  to[at + 3] = (a + 2 * b + 4 * c) / 24;
  to[at + 4] = (a - 2 * b + 4 * c) / 24;
  to[at + 5] = c;
}

export interface WinogradPlan {
  readonly label: string;
  readonly input: FeatureMap;
  readonly output: FeatureMap;
  readonly weights: Resource;
  readonly bias: Resource;
  readonly variant: MatmulVariant;
  readonly relu: boolean;
  readonly residual?: FeatureMap;
}

/** Bytes that the transformed input and the products of a band may take together. */
const bandBytes = 32 * 2 ** 20;

export function planWinograd({ label, input, output, weights, bias, variant, relu, residual }: WinogradPlan): Kernel[] {
  const across = Math.ceil(input.width / tile);
  const tiles = across * Math.ceil(input.height / tile);
  const bytesPerTile = places * 4 * (input.channels + output.channels);
  const bands = Math.ceil((tiles * bytesPerTile) / bandBytes);
  const band = Math.ceil(tiles / bands);
  const slot = (name: string, channels: number): Slot => ({ label: `${label}.${name}`, bytes: places * band * channels * 4 });
  const transformed = slot('transformed', input.channels);
  const products = slot('products', output.channels);
  const kernels: Kernel[] = [];
  for (let firstTile = 0; firstTile < tiles; firstTile += band) {
    const count = Math.min(band, tiles - firstTile);
    const sizes = [input.height, input.width, across, firstTile, count];
    const invocations = (channels: number) => gridOf(Math.ceil((count * channels) / lanesPerGroup));
    kernels.push(
      {
        label: transformed.label,
        code: inputShader,
        bindings: [readMap(input), write(transformed)],
        uniforms: [...sizes, input.channels],
        workgroups: invocations(input.channels),
      },
      planMatmul(variant, {
        label: products.label,
        ...{ rows: read(transformed), weights, output: write(products), batches: places, count },
        ...{ inChannels: input.channels, outChannels: output.channels },
      }),
      {
        label,
        code: outputShader,
        constants: { RELU: Number(relu), RESIDUAL: Number(residual !== undefined) },
        // Something must be bound where there is no residual; it is not read.
        bindings: [read(products), read(bias), residual ? readMap(residual) : read(bias), writeMap(output)],
        uniforms: [...sizes, output.channels],
        workgroups: invocations(output.channels),
      },
    );
  }
  return kernels;
}
