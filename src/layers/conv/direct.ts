// Plans a direct convolution, without a transform, of any kernel and stride
// (shaders/conv_common.wgsl). Winograd convolution uses it for its batched matrix product.
import {
  type Bindable,
  type Dispatch,
  type Resource,
  gridOf,
  dispatch,
} from '../../gpu/dispatch.js';
import type { ConvShape } from './shape.js';
import { type TileChooser, tileShader } from './tiles/kinds.js';
import { tileSize } from './tiles/tile.js';

export interface DirectConvPlan extends ConvShape {
  readonly label: string;
  /** [batches][height][width][inChannels] */
  readonly input: Bindable;
  /**
   * [batches][kernel · kernel][inChannels][outChannels], or with the channels exchanged as
   * `weightOrder` says; one batch with `sharedWeights`
   */
  readonly weights: Resource;
  /** [batches][height][width][outChannels] */
  readonly output: Bindable;
  /** All batches use the same weights, because batches are images. */
  readonly sharedWeights?: boolean;
  readonly bias?: Resource;
  readonly relu?: boolean;
  /** Added before the ReLU; has the output's shape and type. */
  readonly residual?: Bindable;
  /** Two maps of the output's shape and type: total = output + addend. Excludes `residual`. */
  readonly sum?: { readonly addend: Bindable; readonly total: Bindable };
}

const shapes = new WeakMap<Dispatch, ConvShape>();

/**
 * The shape by which the tile of a direct convolution is chosen; undefined for other dispatches.
 */
export function convShapeOf(dispatch: Dispatch): ConvShape | undefined {
  return shapes.get(dispatch);
}

/**
 * Plans relu(conv(input) + bias + residual) with padding kernel / 2, and its sum with another map.
 */
export function planDirectConv(tiles: TileChooser, plan: DirectConvPlan): Dispatch {
  const {
    label,
    input,
    weights,
    output,
    sizes,
    inChannels,
    outChannels,
    kernel,
    stride,
    types,
    batches = 1,
    sharedWeights = false,
    bias,
    relu = false,
    residual,
    sum,
    weightOrder,
  } = plan;
  const out4 = outChannels / 4;
  const tile = tiles(plan);
  const [tilePixels, tileOut4] = tileSize(tile);
  const { shader, constants } = tileShader(tile, types, sum !== undefined);
  const [x, y] = gridOf(Math.ceil((sizes[2] * sizes[3]) / tilePixels));
  const [inHeight, inWidth, outHeight, outWidth] = sizes;
  const planned = dispatch({
    label,
    shader,
    constants: {
      KERNEL: kernel,
      STRIDE: stride,
      SHARED: Number(sharedWeights),
      ...constants,
      BIAS: Number(bias !== undefined),
      RELU: Number(relu),
      ...(!sum && { RESIDUAL: Number(residual !== undefined) }),
    },
    bindings: {
      input,
      weights,
      // Without bias or residual, a placeholder is bound that the shader does not read.
      biases: bias ?? weights,
      output,
      ...(sum ?? { residual: residual ?? weights }),
    },
    uniforms: { inHeight, inWidth, outHeight, outWidth, in4: inChannels / 4, out4 },
    workgroups: [x, y, Math.ceil(out4 / tileOut4) * batches],
  });
  shapes.set(planned, {
    kernel,
    stride,
    inChannels,
    outChannels,
    batches,
    sizes,
    types,
    weightOrder,
  });
  return planned;
}
