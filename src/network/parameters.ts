// The convolutions of a configuration, by the names that the reference's checkpoints use, and their shapes.
// Source: spec (Backbone, Neck, Detection head, Recognition).
import {
  type BackboneConfig,
  type ModelConfig,
  backboneChannels,
  lstmCells,
  mapChannels,
  neckChannels,
  specialClasses,
} from './config.js';

/** One convolution with what belongs to it in a checkpoint. */
export interface ConvParameters {
  /** `<name>.weight` holds the weights, and in a converted file `<name>.bias` the bias with the batch norm folded in. */
  readonly name: string;
  /** Output channels, input channels (1 if depthwise), kernel, kernel. */
  readonly shape: readonly [number, number, number, number];
  /** Name of the batch norm that follows, if any. */
  readonly norm?: string;
  /** Whether the conv has a bias of its own in a checkpoint. */
  readonly bias: boolean;
  readonly depthwise: boolean;
  /** Of a depthwise conv the plan knows the stride: an FPEM's way up has 1, its way down 2. */
  readonly stride: number;
}

/** All convolutions, in the order of the computation. */
export function convolutionsOf({ backbone, neck, recognition }: ModelConfig): ConvParameters[] {
  const fpems = Array.from({ length: neck.fpems }, (_, index) => fpemConvolutions(`fpem${index + 1}`));
  return [
    ...stemConvolutions(),
    ...residualConvolutions(backbone),
    ...reduceConvolutions(backbone),
    ...fpems.flat(),
    ...headConvolutions(),
    ...(recognition ? [recognitionConvolution] : []),
  ];
}

/** What of the recognition head is no convolution: embeddings, attentions, LSTM cells, classifier; none without such a head. */
export function recognitionTensorsOf({ recognition }: ModelConfig): Map<string, readonly number[]> {
  const tensors = new Map<string, readonly number[]>();
  if (!recognition) return tensors;
  const classes = recognition.vocabulary.length + specialClasses;
  const width = neckChannels;
  for (const part of ['rec_head.encoder', 'rec_head.decoder']) {
    tensors.set(`${part}.emb.weight`, [classes, width]);
    tensors.set(`${part}.att.layer_norm.weight`, [width]);
    tensors.set(`${part}.att.layer_norm.bias`, [width]);
    for (const linear of ['fc_q', 'fc_k', 'fc_v', 'fc_o']) {
      tensors.set(`${part}.att.${linear}.weight`, [width, width]);
      tensors.set(`${part}.att.${linear}.bias`, [width]);
    }
  }
  for (let cell = 0; cell < lstmCells; cell++) {
    for (const side of ['ih', 'hh']) {
      tensors.set(`rec_head.decoder.lstm_u.${cell}.weight_${side}`, [4 * width, width]);
      tensors.set(`rec_head.decoder.lstm_u.${cell}.bias_${side}`, [4 * width]);
    }
  }
  tensors.set('rec_head.decoder.cls.weight', [classes, 2 * width]);
  tensors.set('rec_head.decoder.cls.bias', [classes]);
  return tensors;
}

/** All floating-point tensors that a checkpoint of this configuration has, with their shapes. */
export function checkpointTensorsOf(config: ModelConfig): Map<string, readonly number[]> {
  const tensors = new Map<string, readonly number[]>();
  for (const { name, shape, norm, bias } of convolutionsOf(config)) {
    tensors.set(`${name}.weight`, shape);
    if (bias) tensors.set(`${name}.bias`, [shape[0]]);
    if (norm) for (const part of normParts) tensors.set(`${norm}.${part}`, [shape[0]]);
  }
  for (const [name, shape] of recognitionTensorsOf(config)) tensors.set(name, shape);
  return tensors;
}

export const normParts = ['weight', 'bias', 'running_mean', 'running_var'] as const;

/** The strides of layer1 … layer4's first blocks. */
const layerStrides = [1, 2, 2, 2] as const;

/** Names of one residual block's convs; the plan and the parameter list both go through this. */
export interface BlockNames {
  readonly convs: readonly string[];
  readonly shortcut?: string;
}

/** What one residual block consists of: its convs in order and, where shape or stride change, its shortcut. */
export function blockNames(backbone: BackboneConfig, layer: number, block: number): BlockNames {
  const prefix = `backbone.layer${layer}.${block}`;
  const count = backbone.block === 'basic' ? 2 : 3;
  return {
    convs: Array.from({ length: count }, (_, index) => `${prefix}.conv${index + 1}`),
    // The stem gives 128 channels, so layer1's first block changes the width too.
    shortcut: block === 0 ? `${prefix}.downsample.0` : undefined,
  };
}

function conv(
  name: string,
  shape: readonly [number, number, number, number],
  { norm, bias = false, depthwise = false, stride = 1 }: Partial<Omit<ConvParameters, 'name' | 'shape'>> = {},
): ConvParameters {
  return { name, shape, norm, bias, depthwise, stride };
}

function stemConvolutions(): ConvParameters[] {
  const channels = [3, 64, 64, 128];
  return [1, 2, 3].map((index) =>
    conv(`backbone.conv${index}`, [channels[index], channels[index - 1], 3, 3], {
      norm: `backbone.bn${index}`,
      stride: index === 1 ? 2 : 1,
    }),
  );
}

function residualConvolutions(backbone: BackboneConfig): ConvParameters[] {
  const outputs = backboneChannels(backbone);
  const result: ConvParameters[] = [];
  let width = 128;
  backbone.blocks.forEach((count, index) => {
    const planes = 64 << index;
    for (let block = 0; block < count; block++) {
      const { convs, shortcut } = blockNames(backbone, index + 1, block);
      const kernels = backbone.block === 'basic' ? [3, 3] : [1, 3, 1];
      const stride = block === 0 ? layerStrides[index] : 1;
      // The stride sits on the first 3×3 conv.
      const strided = kernels.indexOf(3);
      const widths = backbone.block === 'basic' ? [width, planes, planes] : [width, planes, planes, outputs[index]];
      convs.forEach((name, at) => {
        const norm = name.replace(/conv(\d)$/, 'bn$1');
        result.push(conv(name, [widths[at + 1], widths[at], kernels[at], kernels[at]], { norm, stride: at === strided ? stride : 1 }));
      });
      if (shortcut) {
        const norm = shortcut.replace(/0$/, '1');
        result.push(conv(shortcut, [outputs[index], width, 1, 1], { norm, stride }));
      }
      width = outputs[index];
    }
  });
  return result;
}

function reduceConvolutions(backbone: BackboneConfig): ConvParameters[] {
  return backboneChannels(backbone).map((channels, index) => {
    const name = `reduce_layer${index + 1}`;
    return conv(`${name}.conv`, [neckChannels, channels, 1, 1], { norm: `${name}.bn` });
  });
}

/** The six units of an FPEM, in the order of the computation: three up, three down. */
export const fpemUnits = ['3_1', '2_1', '1_1', '2_2', '3_2', '4_2'] as const;

function fpemConvolutions(fpem: string): ConvParameters[] {
  return fpemUnits.flatMap((unit) => [
    conv(`${fpem}.dwconv${unit}`, [neckChannels, 1, 3, 3], { depthwise: true }),
    conv(`${fpem}.smooth_layer${unit}.conv`, [neckChannels, neckChannels, 1, 1], { norm: `${fpem}.smooth_layer${unit}.bn` }),
  ]);
}

function headConvolutions(): ConvParameters[] {
  return [
    conv('det_head.conv1', [neckChannels, 4 * neckChannels, 3, 3], { norm: 'det_head.bn1', bias: true }),
    conv('det_head.conv2', [mapChannels, neckChannels, 1, 1], { bias: true }),
  ];
}

const recognitionConvolution = conv('rec_head.conv', [neckChannels, 4 * neckChannels, 3, 3], { norm: 'rec_head.bn', bias: true });
