// The single description of the detector: stem, ResNet, FPEMs, head. Each implementation of `Ops`
// turns it into something else: the GPU's plan (plan.ts), an ONNX model (../export/onnx.ts), the
// list of convolutions (parameters.ts).
// Source: PAN++ paper, overall architecture; spec, Backbone to Detection head.
import {
  type BackboneConfig,
  type ModelConfig,
  type Upsampling,
  backboneChannels,
  mapChannels,
  neckChannels,
} from './config.js';

/** One convolution, with its tensors' names in the reference's checkpoints. */
export interface ConvParameters {
  /**
   * `<name>.weight` holds the weights; in a converted file, `<name>.bias` holds the bias with the
   * batch norm folded in.
   */
  readonly name: string;
  /** Output channels, input channels (1 if depthwise), kernel, kernel. */
  readonly shape: readonly [number, number, number, number];
  readonly stride: number;
  /** Name of the batch norm that follows, if any. */
  readonly norm?: string;
  /** Whether the conv has its own bias in a checkpoint. */
  readonly bias: boolean;
  readonly depthwise: boolean;
}

/** Four levels of a pyramid, finest first. */
export type Levels<T> = readonly [T, T, T, T];

/** The operators of a detector; `T` is the type of a map. */
export interface Ops<T> {
  /** conv(input) + residual, then ReLU. */
  conv(conv: ConvParameters, input: T, options?: { relu?: boolean; residual?: T }): T;
  /** The stem: convolutions, each with ReLU, then 3×3 max-pooling with stride 2. */
  stem(convs: readonly ConvParameters[], image: T): T;
  /** conv(upsampled(coarse) + finer), depthwise; `finer` is twice as high and wide. */
  joined(conv: ConvParameters, coarse: T, finer: T, upsampling: Upsampling): T;
  /** output = relu(conv(input)), 1×1; total = output + addend. */
  summedConv(conv: ConvParameters, input: T, addend: T): { output: T; total: T };
  /** relu(conv(concat(all levels upsampled to the finest))); concatenates along the channels. */
  pyramidConv(conv: ConvParameters, levels: Levels<T>): T;
  /** The last convolution; its output is the network's result. */
  det(conv: ConvParameters, input: T): T;
  /**
   * Called with the name of each map: `backbone.c2` … `c5`, `reduce.f1` … `f4`, `fpem1.f1` …,
   * `ffm.f1` … (the heads' input), `det`.
   */
  named?(name: string, map: T): void;
}

/**
 * Applies the detector to an image with 3 channels (or 4, the last one zero). Returns the detection
 * head's map at 1/4 of the image size, and the heads' input levels.
 */
export function detector<T>(
  config: Pick<ModelConfig, 'backbone' | 'neck'>,
  ops: Ops<T>,
  image: T,
): { det: T; levels: Levels<T> } {
  const levels = neck(config, ops, resnet(config.backbone, ops, image));
  const hidden = ops.pyramidConv(headConv('det_head.conv1', 'det_head.bn1'), levels);
  const det = ops.det(
    conv('det_head.conv2', [mapChannels, neckChannels, 1], { bias: true }),
    hidden,
  );
  ops.named?.('det', det);
  return { det, levels };
}

/** The recognition head's feature map, from the heads' input levels. */
export function recognitionFeatures<T>(ops: Pick<Ops<T>, 'pyramidConv'>, levels: Levels<T>): T {
  return ops.pyramidConv(headConv('rec_head.conv', 'rec_head.bn'), levels);
}

const stemChannels = [3, 64, 64, 128] as const;
/** Strides of the first blocks of layer1 … layer4. */
const layerStrides = [1, 2, 2, 2] as const;

function resnet<T>(backbone: BackboneConfig, ops: Ops<T>, image: T): Levels<T> {
  const stem = [1, 2, 3].map((index) =>
    conv(`backbone.conv${index}`, [stemChannels[index], stemChannels[index - 1], 3], {
      norm: `backbone.bn${index}`,
      stride: index === 1 ? 2 : 1,
    }),
  );
  let map = ops.stem(stem, image);
  let channels: number = stemChannels[3];
  const outputs = backboneChannels(backbone);
  return eachLevel(outputs, (outChannels, index) => {
    for (let block = 0; block < backbone.blocks[index]; block++) {
      map = residualBlock(
        backbone,
        ops,
        `backbone.layer${index + 1}.${block}`,
        map,
        [channels, 64 << index, outChannels],
        block === 0 ? layerStrides[index] : undefined,
      );
      channels = outChannels;
    }
    ops.named?.(`backbone.c${index + 2}`, map);
    return map;
  });
}

/**
 * @param firstStride stride of a layer's first block. Such a block has a shortcut convolution, also
 * in layer1, because the stem's 128 channels differ from layer1's width
 */
function residualBlock<T>(
  backbone: BackboneConfig,
  ops: Ops<T>,
  name: string,
  input: T,
  [inChannels, planes, outChannels]: readonly [number, number, number],
  firstStride?: number,
): T {
  const kernels = backbone.block === 'basic' ? [3, 3] : [1, 3, 1];
  const widths =
    backbone.block === 'basic'
      ? [inChannels, planes, planes]
      : [inChannels, planes, planes, outChannels];
  const residual = firstStride
    ? ops.conv(
        conv(`${name}.downsample.0`, [outChannels, inChannels, 1], {
          norm: `${name}.downsample.1`,
          stride: firstStride,
        }),
        input,
      )
    : input;
  return kernels.reduce((map, kernel, at) => {
    // The first 3×3 conv has the stride.
    const stride = at === kernels.indexOf(3) ? firstStride : 1;
    const own = conv(`${name}.conv${at + 1}`, [widths[at + 1], widths[at], kernel], {
      norm: `${name}.bn${at + 1}`,
      stride,
    });
    return ops.conv(own, map, {
      relu: true,
      residual: at === kernels.length - 1 ? residual : undefined,
    });
  }, input);
}

function neck<T>(
  { backbone, neck: { fpems, fusion, upsampling } }: Pick<ModelConfig, 'backbone' | 'neck'>,
  ops: Ops<T>,
  features: Levels<T>,
): Levels<T> {
  const name = (prefix: string, maps: Levels<T>) =>
    maps.forEach((map, index) => ops.named?.(`${prefix}.f${index + 1}`, map));
  const widths = backboneChannels(backbone);
  let levels = eachLevel(features, (map, index) => {
    const layer = `reduce_layer${index + 1}`;
    return ops.conv(
      conv(`${layer}.conv`, [neckChannels, widths[index], 1], { norm: `${layer}.bn` }),
      map,
      { relu: true },
    );
  });
  name('reduce', levels);
  // The heads' input so far: PAN++ adds an FPEM's input to its output, PAN sums FPEMs' outputs.
  let fused: Levels<T> | undefined = fusion === 'pan' ? undefined : levels;
  for (let index = 1; index <= fpems; index++) {
    const enhanced = fpem(ops, `fpem${index}`, levels, fused, upsampling);
    fused = enhanced.totals;
    levels = fusion === 'pan' ? enhanced.outputs : fused;
    name(`fpem${index}`, levels);
  }
  name('ffm', fused!);
  return fused!;
}

/**
 * Up-scale enhancement, then down-scale enhancement.
 * @returns the enhanced levels, and their sums with `addends`; without these, the levels themselves
 */
function fpem<T>(
  ops: Ops<T>,
  name: string,
  [f1, f2, f3, f4]: Levels<T>,
  addends: Levels<T> | undefined,
  upsampling: Upsampling = 'bilinear',
): { outputs: Levels<T>; totals: Levels<T> } {
  const unit = (which: string, coarse: T, finer: T, stride: number, level?: number) => {
    const filtered = ops.joined(
      conv(`${name}.dwconv${which}`, [neckChannels, 1, 3], { depthwise: true, stride }),
      coarse,
      finer,
      upsampling,
    );
    const layer = `${name}.smooth_layer${which}`;
    const smooth = conv(`${layer}.conv`, [neckChannels, neckChannels, 1], { norm: `${layer}.bn` });
    if (addends && level !== undefined) return ops.summedConv(smooth, filtered, addends[level]);
    const output = ops.conv(smooth, filtered, { relu: true });
    return { output, total: output };
  };
  const { output: up3 } = unit('3_1', f4, f3, 1);
  const { output: up2 } = unit('2_1', up3, f2, 1);
  const up1 = unit('1_1', up2, f1, 1, 0);
  const down2 = unit('2_2', up2, up1.output, 2, 1);
  const down3 = unit('3_2', up3, down2.output, 2, 2);
  const down4 = unit('4_2', f4, down3.output, 2, 3);
  const enhanced = [up1, down2, down3, down4] as const;
  return {
    outputs: eachLevel(enhanced, ({ output }) => output),
    totals: eachLevel(enhanced, ({ total }) => total),
  };
}

function headConv(name: string, norm: string): ConvParameters {
  return conv(name, [neckChannels, 4 * neckChannels, 3], { norm, bias: true });
}

function conv(
  name: string,
  [outChannels, inChannels, kernel]: readonly [number, number, number],
  {
    norm,
    bias = false,
    depthwise = false,
    stride = 1,
  }: Partial<Omit<ConvParameters, 'name' | 'shape'>>,
): ConvParameters {
  return { name, shape: [outChannels, inChannels, kernel, kernel], norm, bias, depthwise, stride };
}

function eachLevel<T, U>(levels: Levels<T>, change: (level: T, index: number) => U): Levels<U> {
  return levels.map(change) as unknown as Levels<U>;
}
