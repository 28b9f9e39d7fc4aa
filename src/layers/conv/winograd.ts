// 3×3 convolution with stride 1 by Winograd's F(4×4, 3×3): a quarter of the multiplications
// (shaders/winograd_input.wgsl, the conv shaders, winograd_output.wgsl). Works in bands of tiles,
// so that the transformed maps take little memory.
// Source: Lavin and Gray 2015, "Fast Algorithms for Convolutional Neural Networks". The
// interpolation points here are 0, ±5/8, ±3/2 and infinity; theirs are 0, ±1, ±2 and infinity. Both
// are exact in binary, but ours multiply rounding errors by 4.8 instead of 10.8 (root mean square,
// independent values), so that transformed maps and products can be stored in 16 bits. On the
// effect of the points: Barabasz, Anderson, Soodhalter and Gregg 2020, "Error Analysis and
// Improving the Accuracy of Winograd Convolution for Deep Neural Networks".
import inputSource from '../../../shaders/winograd_input.wgsl';
import outputSource from '../../../shaders/winograd_output.wgsl';
import { type Dispatch, type Resource, type Slot, dispatch } from '../../gpu/dispatch.js';
import { shaderOf } from '../../wgsl/assemble.js';
import type { Source } from '../../wgsl/source.js';
import type { TileChooser } from './tiles/kinds.js';
import { planDirectConv } from './direct.js';
import type { WeightOrder } from './shape.js';
import { type FeatureMap, bindingOf } from '../feature-map.js';
import { type Precision, valueBytes } from '../precision.js';

/** The WGSL of the input and output transforms. */
export const winogradSources: readonly Source[] = [inputSource, outputSource];

const inputShader = shaderOf(inputSource);
const outputShader = shaderOf(outputSource);

/** Side lengths in pixels: of an output tile, and of its input patch. */
const tile = 4;
const patch = 6;

const counts = { p: patch, q: patch, t: tile };

/** Positions in a transformed patch, and in a transformed kernel. */
export const winogradPlaces = patch * patch;

export interface WinogradPlan {
  readonly label: string;
  readonly input: FeatureMap;
  readonly output: FeatureMap;
  readonly weights: Resource;
  readonly weightOrder: WeightOrder;
  /** How the weights, transformed maps and products are stored. */
  readonly precision: Precision;
  readonly bias: Resource;
  readonly tiles: TileChooser;
  /** Maximum bytes of a band's transformed input and products together. */
  readonly bandBytes: number;
  readonly relu: boolean;
  readonly residual?: FeatureMap;
}

export function planWinograd({
  label,
  input,
  output,
  weights,
  weightOrder,
  precision,
  bias,
  tiles: chooser,
  bandBytes,
  relu,
  residual,
}: WinogradPlan): Dispatch[] {
  const across = Math.ceil(input.width / tile);
  const tiles = input.images * across * Math.ceil(input.height / tile);
  const bytesPerTile = winogradPlaces * (input.channels + output.channels) * valueBytes[precision];
  const bands = Math.ceil((tiles * bytesPerTile) / bandBytes);
  const band = Math.ceil(tiles / bands);
  const slot = (name: string, channels: number): Slot => ({
    label: `${label}.${name}`,
    bytes: winogradPlaces * band * channels * valueBytes[precision],
  });
  const transformed = slot('transformed', input.channels);
  const products = slot('products', output.channels);
  const dispatches: Dispatch[] = [];
  for (let firstTile = 0; firstTile < tiles; firstTile += band) {
    const count = Math.min(band, tiles - firstTile);
    const sizes = {
      height: input.height,
      width: input.width,
      tilesAcross: across,
      firstTile,
      count,
    };
    dispatches.push(
      dispatch({
        label: transformed.label,
        shader: inputShader({ types: { input: input.precision, output: precision }, counts }),
        bindings: { input: bindingOf(input), output: transformed },
        uniforms: { ...sizes, channels: input.channels },
        invocations: [count * input.channels],
      }),
      planDirectConv(chooser, {
        label: products.label,
        input: transformed,
        weights,
        weightOrder,
        output: products,
        batches: winogradPlaces,
        sizes: [1, count, 1, count],
        inChannels: input.channels,
        outChannels: output.channels,
        kernel: 1,
        stride: 1,
        types: { input: precision, weight: precision, output: precision },
      }),
      dispatch({
        label,
        shader: outputShader({ types: { input: precision, output: output.precision }, counts }),
        constants: { RELU: Number(relu), RESIDUAL: Number(residual !== undefined) },
        // Without a residual, a placeholder is bound that the shader does not read.
        bindings: {
          products,
          biases: bias,
          residual: residual ? bindingOf(residual) : bias,
          output: bindingOf(output),
        },
        uniforms: { ...sizes, channels: output.channels },
        invocations: [count * output.channels],
      }),
    );
  }
  return dispatches;
}
